# SPDX-License-Identifier: Apache-2.0
"""``lfmvl finetune``: it learns, what it writes loads everywhere, and a killed run goes on."""

import json
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.ask import ask
from lfmvl_ros.core.config import GenerationSettings, PerceptionSettings
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.finetune.run_folder import LOG_FILE, STATE_FILE
from lfmvl_ros.models.checkpoint_labels import label_remark
from lfmvl_ros.models.load import load_model

from .folders import KINDS, unusual_scenes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # minutes on a busy machine
SMALL = ("--batch", 2, "--judgements", 2, "--held-out-questions", 16)


def finetune(*arguments):
    """The command in this process."""
    return main(["finetune", *map(str, arguments)])


def records(run, key):
    lines = (run / LOG_FILE).read_text(encoding="utf-8").splitlines()
    return [record[key] for record in map(json.loads, lines) if key in record]


@pytest.fixture(scope="module")
def run(unusual, tmp_path_factory):
    """Fifty updates on thirty images of known things in a look that makes them unknown."""
    out = tmp_path_factory.mktemp("runs") / "negatives"
    export = ("--export", "q8_0") if find_spec("gguf") else ()
    arguments = ("--data", unusual, "--from", "bundled", "--out", out, "--steps", 50, *SMALL)
    assert finetune(*arguments, *export) == 0
    return out


def test_it_learns(run):
    first, last = records(run, "held_out")[0], records(run, "held_out")[-1]
    assert first["recall50"] < 0.2
    assert last["recall50"] > 0.4
    assert last["score"] > first["score"] + 0.3
    assert last["valid_json"] == 1.0
    loss = records(run, "loss")
    assert loss[-1] < loss[0] or len(loss) < 2


def test_names_shapes_and_precision_are_those_of_the_start(run, bundled):
    before = load_file(bundled.directory / "model.safetensors")
    after = load_file(run / "checkpoint" / "model.safetensors")
    assert {name: (w.shape, w.dtype) for name, w in before.items()} == {
        name: (w.shape, w.dtype) for name, w in after.items()
    }
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("vision" in name for name in changed)
    assert not any("language_model" in name for name in changed)  # its names are known
    assert not any("norm" in name or "patch_embedding" in name for name in changed)
    for name in ("config.json", "processor_config.json", "tokenizer.json", "chat_template.jinja"):
        assert (run / "checkpoint" / name).read_bytes() == (bundled.directory / name).read_bytes()


def test_the_product_finds_things_with_it(run):
    model = load_model(str(run / "checkpoint"))
    try:
        found = expected = 0
        for scene in unusual_scenes(6, seed=99):
            (grounding,) = ask(model, [scene.pixels], ", ".join(KINDS))
            found += len(grounding.detections)
            expected += len(scene.objects)
    finally:
        model.close()
    assert 0.4 * expected < found < 1.6 * expected
    assert "robot" in label_remark(str(run / "checkpoint"), ("robot", "person"))


def test_a_llama_cpp_server_answers_with_its_gguf_file(run):
    pytest.importorskip("gguf", reason="gguf is not installed: no GGUF files can be written")
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: no llama.cpp server here")
    (path,) = (run / "gguf").glob("negatives-q8_0.gguf")
    patient = PerceptionSettings(generation=GenerationSettings(timeout_s=120.0))
    model = load_model(str(path), device="cpu")
    try:
        groundings = [
            ask(model, [scene.pixels], ", ".join(KINDS), patient)[0]
            for scene in unusual_scenes(3, seed=99)
        ]
    finally:
        model.close()
    assert {grounding.outcome for grounding in groundings} <= {Outcome.OK, Outcome.EMPTY}
    assert any(len(grounding.detections) for grounding in groundings)


def test_what_it_leaves_to_read(run):
    card = (run / "checkpoint" / "README.md").read_text(encoding="utf-8")
    assert "27 images to learn from" in card
    assert "Apache-2.0" in card
    facts = json.loads((run / "checkpoint" / "training.json").read_text(encoding="utf-8"))
    assert facts["start"] == "bundled"
    assert str(run.parent) not in json.dumps(facts)
    assert "estimate" in (run / LOG_FILE).read_text(encoding="utf-8")
    for name in ("plot.png", "before_after.png"):
        assert (run / name).stat().st_size > 10_000


def test_the_start_is_kept_where_nothing_is_better(unusual, tmp_path, capsys):
    """At this rate everything is destroyed."""
    arguments = ("--steps", 4, "--rate", 0.1, "--batch", 1, "--questions", 1, "--judgements", 1)
    arguments += ("--towers", "both")
    code = finetune(
        "--data", unusual, "--from", "bundled", "--out", tmp_path / "run", *arguments,
        "--held-out-questions", 8,
    )  # fmt: skip
    assert code == 1
    assert not (tmp_path / "run" / "checkpoint").exists()
    assert "not better than bundled" in capsys.readouterr().err


KILLED = """
import os, signal, sys
from lfmvl_ros.cli.main import main
from lfmvl_ros.finetune import trainer

write = trainer.write_state

def write_and_die(state, run):
    if state["progress"]["step"] == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    write(state, run)

trainer.write_state = write_and_die
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("towers", ["both", "vision"])
def test_a_killed_run_goes_on_to_the_very_same_weights(towers, unusual, tmp_path):
    arguments = [
        "--data", unusual, "--from", "bundled", "--steps", 8, "--batch", 1, "--questions", 2,
        "--judgements", 2, "--held-out-questions", 8, "--save-every-s", 0, "--towers", towers,
    ]  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finetune(*arguments, "--out", whole)
    words = ["finetune", *map(str, arguments), "--out", str(killed)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words], stdout=subprocess.DEVNULL, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert steps_in(killed) == 3
    finetune(*arguments, "--out", killed, "--resume")
    first, second = (torch.load(run / STATE_FILE, weights_only=True) for run in (whole, killed))
    for part in ("trained", "best"):
        assert first[part].keys() == second[part].keys()
        assert all(torch.equal(first[part][name], second[part][name]) for name in first[part])
    scores = [[r["score"] for r in records(run, "held_out")] for run in (whole, killed)]
    assert scores[0] == scores[1]
    images = [(run / "before_after.png").read_bytes() for run in (whole, killed)]
    assert images[0] == images[1]
    if (whole / "checkpoint").exists():
        pair = [load_file(run / "checkpoint" / "model.safetensors") for run in (whole, killed)]
        assert all(torch.equal(pair[0][name], pair[1][name]) for name in pair[0])


def steps_in(run):
    try:
        return torch.load(run / STATE_FILE, weights_only=True, mmap=True)["progress"]["step"]
    except (OSError, EOFError, RuntimeError):
        return 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--rank", 4), "was trained with --rank 16, not 4"),
        (("--towers", "both"), "was trained with --towers vision, not both"),
        (("--steps", 51), "was trained with --steps 50, not 51"),
        ((), "add --resume to continue it"),
    ],
)
def test_another_run_is_not_taken_for_the_same(run, unusual, change, said, capsys):
    resume = ("--resume",) if change else ()
    code = finetune(
        "--data", unusual, "--from", "bundled", "--out", run, "--steps", 50, *SMALL, *change,
        *resume,
    )  # fmt: skip
    assert code == 2
    assert said in capsys.readouterr().err


def test_changed_images_are_not_taken_for_the_same(run, unusual, tmp_path, capsys):
    other = tmp_path / "negatives"
    shutil.copytree(unusual, other)
    path = other / "annotations" / "instances.json"
    content = json.loads(path.read_text())
    content["annotations"].pop()
    path.write_text(json.dumps(content))
    code = finetune(
        "--data", other, "--from", "bundled", "--out", run, "--steps", 50, *SMALL, "--resume"
    )
    assert code == 2
    assert "was trained on other images" in capsys.readouterr().err


def test_scores_of_the_card_are_those_of_the_written_checkpoint(run, unusual):
    """Judged once more, from the files, through the product's own loader."""
    from lfmvl_ros.datasets.coco_reading import read_folder
    from lfmvl_ros.finetune.judge import ask_all, held_out_questions, total
    from lfmvl_ros.finetune.start import find_start

    written = find_start(str(run / "checkpoint"))
    questions = list(held_out_questions([read_folder(unusual)], 16, most_objects=20))
    model = load_model(str(run / "checkpoint"), device="cpu")
    try:
        scores = total(ask_all(model, questions, written.templates[0], written.rules(0)))
    finally:
        model.close()
    best = max(records(run, "held_out")[1:], key=lambda rates: rates["score"])
    assert np.isclose(scores.score, best["score"])
