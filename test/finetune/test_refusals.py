# SPDX-License-Identifier: Apache-2.0
"""What can't be fine-tuned is refused in one sentence that says what to do."""

import json
import os
import shutil
import sys
from dataclasses import replace
from importlib import metadata

import pytest
import torch
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.finetune.data import check_spellings, parse_folder, read_data
from lfmvl_ros.finetune.estimate import MemoryPlan, check_memory, free_bytes, needed_bytes
from lfmvl_ros.finetune.needs import check_peft
from lfmvl_ros.finetune.plan import make_plan, usual_dtype, with_towers
from lfmvl_ros.finetune.settings import FinetuneSettings, usual_rate
from lfmvl_ros.models.hub import local_folder, why_not_fetched
from lfmvl_ros.models.lfm2_vl import bfloat16

from ..datasets.coco_folders import add_box, plain_folder, save
from ..examples import examples
from .shapes import SHAPES

GB = 10**9


def refused(capsys, *arguments):
    assert main(["finetune", *map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    return line


def test_peft_missing_or_old_comes_with_the_line_that_installs_it(monkeypatch):
    with pytest.raises(UserError, match=r'0\.17\.1 is too old.*pip install "peft>=0\.18"'):
        check_peft("0.17.1")
    check_peft("0.18.0")
    check_peft("1.0")

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(UserError, match=r'missing; install it with `pip install "peft>=0\.18"`'):
        check_peft()


def test_few_images(tmp_path, capsys):
    plain_folder(tmp_path / "few", count=19)
    line = refused(
        capsys, "--data", tmp_path / "few", "--from", "bundled", "--out", tmp_path / "run"
    )
    assert "19 images that can be used, and fine-tuning takes at least 20" in line
    assert not (tmp_path / "run").exists()


def two_names(directory, first, second):
    content = plain_folder(directory, count=24)
    content["categories"] = [{"id": 3, "name": first}, {"id": 4, "name": second}]
    add_box(content, 0, 4, [20, 10, 10, 10])
    save(directory / "annotations.json", content)
    return read_folder(directory)


@pytest.mark.parametrize("second", ["hard-hat", "Hard  Hat.", "the hard hat"])
def test_labels_in_two_spellings(tmp_path, second):
    folder = two_names(tmp_path, "hard hat", second)
    with pytest.raises(UserError, match=r"spelt in 2 ways: 'hard hat' \(24 boxes\) and"):
        check_spellings([folder])


def test_other_labels_are_two_labels(tmp_path):
    check_spellings([two_names(tmp_path, "hard hat", "hat")])


def test_labels_of_two_folders_in_two_spellings(tmp_path):
    plain_folder(tmp_path / "a", count=24)
    content = plain_folder(tmp_path / "b", count=24)
    content["categories"][0]["name"] = "the bin"
    save(tmp_path / "b" / "annotations.json", content)
    with pytest.raises(UserError, match="spelt in 2 ways"):
        read_data([(tmp_path / "a", 1.0)], [(tmp_path / "b", 1.0)])


def test_folders_with_weights(tmp_path):
    for name in "abc":
        plain_folder(tmp_path / name, count=20)
    data = read_data(
        [(tmp_path / "a", 3.0), (tmp_path / "b", 1.0)], [(tmp_path / "c", 7.0)], keep_share=0.2
    )
    assert data.shares == pytest.approx((0.6, 0.2, 0.2))
    assert [part.old for part in data.parts] == [False, False, True]
    assert parse_folder(str(tmp_path / "a=2.5")) == (tmp_path / "a", 2.5)


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "1e999", "much", "", "1,5", "0x1"])
def test_weights_of_folders_that_are_none(tmp_path, weight):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match=f"a must be a number above 0, got {weight!r}"):
        parse_folder(f"{tmp_path / 'a'}={weight}")


def test_a_name_with_an_equals_sign_is_a_name(tmp_path):
    (tmp_path / "a=0").mkdir()
    assert parse_folder(str(tmp_path / "a=0")) == (tmp_path / "a=0", 1.0)
    assert parse_folder(str(tmp_path / "gone=way")) == (tmp_path / "gone=way", 1.0)
    assert parse_folder(str(tmp_path / "a=0=3e-1")) == (tmp_path / "a=0", 0.3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--keep-share", "0.2"), "--keep-share without --keep would be ignored"),
        (("--rank", "16", "--full"), "--rank with --full would be ignored"),
        (("--epochs", "10", "--minutes", "1"), "--epochs with --minutes would be ignored"),
        (("--epochs", "10", "--steps", "5"), "--epochs with --steps would be ignored"),
        (("--minutes", "1", "--steps", "5"), "--minutes with --steps would be ignored"),
    ],
)
def test_options_that_would_be_ignored(tmp_path, capsys, options, said):
    out = tmp_path / "run"
    assert said in refused(capsys, "--data", tmp_path, "--from", "bundled", "--out", out, *options)
    assert not out.exists()


def test_weights_that_are_not_there(tmp_path, capsys, unusual):
    for model, said in (("nowhere", "there is no checkpoint"), (tmp_path, "no config.json")):
        line = refused(capsys, "--data", unusual, "--from", model, "--out", tmp_path / "run")
        assert said in line
        assert not (tmp_path / "run").exists()


def test_weights_out_of_reach(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="not on this machine, and can't be fetched"):
        local_folder("LiquidAI/LFM2.5-VL-450M")


@pytest.mark.parametrize(
    ("kind", "said"),
    [(GatedRepoError, "accept its licence at"), (RepositoryNotFoundError, "has no checkpoint a/b")],
)
def test_gated_or_absent_weights(kind, said):
    assert said in why_not_fetched("a/b", kind.__new__(kind))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--negatives", "0.1"), "negatives is from 0.25 to 0.75"),
        (("--rank", "0"), "rank is from 1 to 256"),
        (("--resume",), "to resume; start without --resume"),
        (("--device", "tpu"), "device 'tpu' is unknown"),
    ],
)
def test_wrong_flags(unusual, tmp_path, capsys, arguments, said):
    line = refused(
        capsys, "--data", unusual, "--from", "bundled", "--out", tmp_path / "run", *arguments
    )
    assert said in line


def test_a_prompt_longer_than_the_context(unusual, tmp_path, capsys):
    """From the command: the image alone takes more than there is room for."""
    from lfmvl_ros.finetune.start import find_start

    copy = tmp_path / "short"
    bundled = find_start("bundled").directory
    copy.mkdir()
    for path in bundled.iterdir():
        os.symlink(path, copy / path.name)
    config = json.loads((bundled / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 90
    (copy / "config.json").unlink()
    (copy / "config.json").write_text(json.dumps(config))
    line = refused(
        capsys, "--data", unusual, "--from", copy, "--out", tmp_path / "run", "--steps", "3",
        "--judgements", "1", "--held-out-questions", "4",
    )  # fmt: skip
    assert "the context of this model is 90; lower --image-tokens" in line


# ---- memory ---------------------------------------------------------------------------------


def plan_of(shape, **changes):
    usual = {
        "full": False, "dtype": "bfloat16", "checkpointing": False,
        "trained": 8 * shape.adapter_width, "image_tokens": 256, "tokens": 480,
    }  # fmt: skip
    return MemoryPlan(**{**usual, **changes})


@pytest.mark.parametrize(
    ("changes", "reported_gb"),
    [
        ({}, 2.8),
        ({"dtype": "float32"}, 4.7),
        ({"checkpointing": True}, 2.3),
        ({"full": True, "dtype": "float32", "trained": 450_000_000}, 8.8),
    ],
)
def test_the_estimate_is_near_what_was_reported_for_450m(changes, reported_gb):
    shape = SHAPES[0]
    needed = needed_bytes(shape.config, 450_000_000, plan_of(shape, **changes))
    assert needed / GB == pytest.approx(reported_gb, rel=0.35)


@given(st.sampled_from(SHAPES), st.booleans(), st.sampled_from([64, 256, 1024]))
@examples(20)
def test_less_is_needed_with_less(shape, full, tokens):
    def needed(**changes):
        plan = plan_of(shape, full=full, image_tokens=tokens, tokens=tokens + 200)
        return needed_bytes(shape.config, 10**9, plan.changed(**changes))

    assert needed(checkpointing=True) < needed()
    assert needed() < needed(dtype="float32")
    assert needed(tokens=tokens) < needed()


def test_what_does_not_fit_is_refused_with_what_would():
    shape = SHAPES[0]
    adapters = 8 * shape.adapter_width
    full = plan_of(shape, full=True, dtype="float32", trained=450_000_000)
    with pytest.raises(UserError, match=r"needs about .* GB.*without --full takes about") as error:
        check_memory(shape.config, 450_000_000, full, 4 * GB, adapters=adapters)
    assert "--dtype bfloat16 --checkpointing always" in str(error.value)
    with pytest.raises(UserError, match="take a smaller checkpoint"):
        check_memory(shape.config, 450_000_000, full, GB, adapters=adapters)
    check_memory(shape.config, 450_000_000, plan_of(shape), 8 * GB, adapters=adapters)


def test_the_language_tower_learns_where_names_are_new(unusual, bundled, tmp_path):
    known, auto = read_data([(unusual, 1.0)]), FinetuneSettings()
    assert bundled.lists(known.names)
    assert with_towers(auto, bundled, known).towers == "vision"
    folder = tmp_path / "new"
    shutil.copytree(unusual, folder)
    path = folder / "annotations" / "instances.json"
    path.write_text(path.read_text().replace("traffic cone", "grobble"))
    new = read_data([(folder, 1.0)])
    assert with_towers(auto, bundled, new).towers == "both"
    assert with_towers(replace(auto, towers="vision"), bundled, new).towers == "vision"
    assert with_towers(replace(auto, full=True), bundled, known).towers == "both"
    plans = [make_plan(data, bundled, auto, torch.device("cpu")) for data in (known, new)]
    assert plans[0].trained < plans[1].trained


def test_all_weights_are_not_those_of_the_vision_tower_alone():
    with pytest.raises(ValueError, match="full trains all weights"):
        FinetuneSettings(full=True, towers="vision")
    with pytest.raises(ValueError, match="towers is one of auto, both, vision; got 'text'"):
        FinetuneSettings(towers="text")


def test_checkpointing_is_chosen_where_it_makes_a_run_fit(unusual, bundled, monkeypatch):
    data = read_data([(unusual, 1.0)])
    cpu, settings = torch.device("cpu"), FinetuneSettings()
    assert not make_plan(data, bundled, settings, cpu).checkpointing
    plan = make_plan(data, bundled, settings, cpu)
    most, least = (
        needed_bytes(bundled.config, bundled.parameters, plan.changed(checkpointing=chosen))
        for chosen in (False, True)
    )
    module = sys.modules["lfmvl_ros.finetune.plan"]
    monkeypatch.setattr(module, "free_bytes", lambda device: int((most + least) / 2 / 0.92))
    assert make_plan(data, bundled, settings, cpu).checkpointing
    monkeypatch.setattr(module, "free_bytes", lambda device: GB // 2)
    with pytest.raises(UserError, match="GB are free"):
        make_plan(data, bundled, settings, cpu)


@pytest.mark.parametrize(
    ("device", "parameters", "quick", "expected"),
    [
        ("cpu", 450_000_000, True, "bfloat16"),
        ("cpu", 450_000_000, False, "float32"),  # seven times as long in bfloat16
        ("cpu", 4_600_000, True, "float32"),
        ("cuda", 4_600_000, False, "bfloat16"),
    ],
)
def test_a_precision_that_the_processor_lacks_is_not_chosen(
    device, parameters, quick, expected, monkeypatch
):
    monkeypatch.setattr(bfloat16, "has_bfloat16", lambda: quick)
    assert usual_dtype(torch.device(device), parameters) == expected


def test_free_memory_is_that_of_this_machine():
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < free_bytes(torch.device("cpu")) <= pages


def test_small_models_learn_with_larger_steps():
    assert usual_rate(4_600_000, full=False) > usual_rate(450_000_000, full=False)
    assert usual_rate(450_000_000, full=True) < usual_rate(450_000_000, full=False)
