# SPDX-License-Identifier: Apache-2.0
"""`lfmvl tokens`, as a person calls it."""

import json
import subprocess
import sys

import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.models import load as base
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel

from ..core.latency.metered import MeteredModel
from ..waiting import PATIENCE_S


def _document(capsys, *arguments):
    assert main(["tokens", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_table_names_tiles_tokens_and_what_knobs_change(capsys):
    assert main(["tokens", "1280x720"]) == 0
    out = capsys.readouterr().out
    assert "764" in out
    assert "split never" in out
    assert "-512" in out
    assert "2 (2x1)" in out


@pytest.mark.parametrize(
    ("size", "emitted", "published"),
    [("256x384", 96, 96), ("384x680", 252, 240), ("1000x3000", 1011, 1020)],
)
def test_published_figures_stand_beside_the_emitted(size, emitted, published, capsys):
    (image,) = _document(capsys, size)["images"]
    assert (image["image_tokens"], image["published"]) == (emitted, published)
    main(["tokens", size])
    quoted = f"published for this size: {published}" in capsys.readouterr().out
    assert quoted == (emitted != published)


def test_knobs(capsys):
    whole = _document(capsys, "640x480", "1280x720", "--max-tokens", "64", "--split", "never")
    assert [image["image_tokens"] for image in whole["images"]] == [54, 60]
    one_tile = _document(capsys, "1920x1080", "--max-tiles", "1")["images"][0]
    assert one_tile["image_tokens"] == 252


def test_budget(capsys):
    image = _document(capsys, "1920x1080", "--budget", "300")["images"][0]
    assert image["budget"]["image_tokens"] <= 300


def test_a_directory_answers_with_its_own_configuration(tmp_path, capsys):
    (tmp_path / "processor_config.json").write_text(
        json.dumps({"image_processor": {"max_image_tokens": 64, "do_image_splitting": False}})
    )
    image = _document(capsys, "1280x720", "--model", str(tmp_path))["images"][0]
    assert image["image_tokens"] == 60


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["banana"], "is not an image size"),
        (["0x480"], "is not an image size"),
        (["640x480", "--model", "gpt"], "neither a directory nor in the catalogue"),
        (["640x480", "--max-tiles", "-1"], "--max-tiles: a whole number from 0 to 64"),
        (["640x480", "--min-tokens", "-4"], "--min-tokens: a whole number from 0 to 1024"),
        (["640x480", "--budget", "0"], "--budget: a whole number of 1 or more"),
        (
            ["640x480", "--model", "bundled", "--target-latency-ms", "-3"],
            "--target-latency-ms: a number",
        ),
        (["640x480", "--target-latency-ms", "0"], "from 1 to 600000 ms"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, says, capsys):
    assert main(["tokens", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("target_ms", "because"), [(75.0, "fits"), (20.0, "cheapest")])
def test_a_target_is_tried_on_the_model(target_ms, because, monkeypatch, capsys):
    monkeypatch.setattr(base, "load_model", lambda settings: MeteredModel())
    words = ["320x240", "--model", "bundled", "--target-latency-ms", str(target_ms)]
    image = _document(capsys, *words, "--max-tokens", "128")["images"][0]
    assert image["target"]["because"] == because
    assert image["target"]["target_ms"] == target_ms
    assert 10 <= image["target"]["answers"] <= 40
    taken = image["target"]["measured_ms"]
    assert taken["p80"] >= taken["p50"] > 0
    assert (taken["p80"] <= target_ms) == (because == "fits")


def test_a_target_that_was_tried_has_its_row(monkeypatch, capsys):
    monkeypatch.setattr(base, "load_model", lambda settings: MeteredModel())
    assert main(["tokens", "64x64", "--model", "bundled", "--target-latency-ms", "20"]) == 0
    out = capsys.readouterr().out
    assert "20 ms here: split never" in out
    assert "rendered images: half of the answers took up to 56 ms" in out
    assert "nothing is cheap enough for 20 ms" in out


@pytest.mark.parametrize(
    ("size", "model", "says"),
    [
        ("32x32", MeteredModel(), "sides of 64 to 4096"),
        ("64x64", ReplayModel([RecordedReply(Reply("[]"))]), "how many tokens an image takes"),
    ],
)
def test_a_target_that_cannot_be_tried(size, model, says, monkeypatch, capsys):
    monkeypatch.setattr(base, "load_model", lambda settings: model)
    assert main(["tokens", size, "--model", "bundled", "--target-latency-ms", "9"]) == 2
    assert says in capsys.readouterr().err


def test_each_change_is_listed_once(capsys):
    for split in ("always", "never"):
        image = _document(capsys, "1280x720", "--split", split)["images"][0]
        names = [change["setting"] for change in image["changes"]]
        assert any("split never" in name for name in names) == (split == "always")
        assert len(names) == len(set(names))


def test_runs_without_torch():
    code = (
        "import sys; from lfmvl_ros.cli.main import main; main(['tokens', '640x480']);"
        "sys.exit(any(m.split('.')[0] in ('torch', 'transformers') for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_S)


@pytest.mark.parametrize(("model", "tokens"), [("bundled", 64), ("lfm2.5-vl-450m", 256)])
def test_what_a_tile_costs_is_the_checkpoints_own(model, tokens, capsys):
    assert main(["tokens", "1280x720", "--model", model, "--split", "always"]) == 0
    assert f"A tile costs {tokens} tokens" in capsys.readouterr().out
