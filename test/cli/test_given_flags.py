# SPDX-License-Identifier: Apache-2.0
"""A value that was given is used or refused, never taken as "not given"; places before work."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.viz.video import VideoWriter, write_image

SEEN = json.dumps({"text": '[{"label": "tote", "bbox": [0.2, 0.2, 0.5, 0.7]}]'}) + "\n"
RULES = "rules:\n  one:\n    when: appear\n    label: tote\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image, a video, a recording, rules and a labelled folder."""
    folder = tmp_path_factory.mktemp("given")
    image = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    write_image(folder / "a.png", image)
    with VideoWriter(folder / "a.mp4", (64, 48), 10) as video:
        for _ in range(3):
            video.write(image)
    (folder / "m.jsonl").write_text(SEEN)
    (folder / "n.jsonl").write_text(SEEN)
    (folder / "rules.yaml").write_text(RULES)
    (folder / "file").write_text("x")
    (folder / "mot" / "gt").mkdir(parents=True)
    (folder / "mot" / "gt" / "gt.txt").write_text("1,1,0,0,9,9,1,1,1")
    return folder


def refused(
    words: list[str],
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Run a command that must be refused; return its sentence."""
    monkeypatch.chdir(place)
    before = sorted(place.rglob("*"))
    try:
        code = main(words)
    except SystemExit as end:  # of argparse
        code = int(end.code or 0)
    told = capsys.readouterr()
    assert code == 2, told.err
    assert "Traceback" not in told.err
    assert sorted(place.rglob("*")) == before  # nothing was written
    return told.err.strip().splitlines()[-1]


EVALUATE = ["evaluate", "data", "--model", "m.jsonl"]
FILM = ["evaluate", "film.mcap", "--model", "m.jsonl"]
MOT = ["evaluate", "mot", "--model", "m.jsonl"]
COMPARE = ["compare", "m.jsonl", "n.jsonl", "--data", "data"]
FINETUNE = ["finetune", "--data", "data", "--from", "bundled", "--out", "run"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([*EVALUATE, "--query", ""], "the query is empty"),
        ([*EVALUATE, "--query", " ,"], "the query is empty"),
        ([*EVALUATE, "--images", "0"], "--images: a whole number of 1 or more"),
        ([*EVALUATE, "--images", "-1"], "--images: a whole number of 1 or more"),
        ([*EVALUATE, "--robustness", "0"], "--robustness: a whole number of 1 or more"),
        ([*EVALUATE, "--sustained", "0"], "--sustained must be between 0.1"),
        ([*EVALUATE, "--sustained", "nan"], "--sustained must be between 0.1"),
        ([*EVALUATE, "--languages", ""], "--languages names no language"),
        ([*EVALUATE, "--languages", ","], "--languages names no language"),
        ([*EVALUATE, "--against", ""], "--against: the path is empty"),
        ([*EVALUATE, "--out", ""], "--out: the path is empty"),
        (["evaluate", "", "--model", "m.jsonl"], "data: the path is empty"),
        ([*COMPARE, "--images", "0"], "--images: a whole number of 1 or more"),
        ([*COMPARE, "--images", "-3"], "--images: a whole number of 1 or more"),
        ([*COMPARE, "--query", ""], "the query is empty"),
        ([*FINETUNE, "--steps", "0"], "--steps: a whole number of 1 or more"),
        ([*FINETUNE, "--minutes", "0"], "--minutes must be above 0"),
        ([*FINETUNE, "--minutes", "nan"], "--minutes must be above 0"),
        ([*FINETUNE, "--minutes", "1", "--steps", "1"], "give one of them"),
        (["rules", "try", "rules.yaml", "a.mp4", "--model", "m.jsonl", "--query", ""], "is empty"),
        (["models", ""], "the catalogue has no ''"),
        (["export", "bundled", "out", "--name", ""], "--name may hold"),
        (["export", "bundled", "out", "--name", ".."], "--name may hold"),
        (["licences", "--known", ""], "--known: the path is empty"),
        (["licences", "--model", ""], "the model is empty"),
        (["tokens", "64x64", "--model", ""], "the model is empty"),
        (["ground", "a.png", "--query", "tote", "--model", ""], "no model is named"),
        (["ground", "", "--query", "tote"], "image: the path is empty"),
        (["track", "a.mp4", "--query", "", "--model", "m.jsonl"], "the query is empty"),
        (["where", "tote", "--file", ""], "--file: the path is empty"),
        (["where", "tote", "--most", "0"], "--most: a whole number of 1 or more"),
        (["where", " "], "the label is empty"),
        (["where", "tote", "--crop", "~nosuchuser/a.jpg"], "no such user"),
        (["collected", "new-key", ""], "file: the path is empty"),
        (["collected", "decrypt", "", "--key", "k", "--out", "o"], "folder: the path is empty"),
        (["collected", "decrypt", ".", "--key", "k", "--out", ""], "--out: the path is empty"),
        (["ground", "~nosuchuser/a.png", "--query", "tote"], "no such user"),
        (
            ["finetune", "--data", "~nosuchuser/x", "--from", "bundled", "--out", "o"],
            "no such user",
        ),
        (["finetune", "--data", "~nosuchuser/x=2", "--from", "bundled", "--out", "o"], "such user"),
        (["train", "--from", "~nosuchuser/x", "--out", "o"], "no such user"),
    ],
)
def test_what_was_given_is_not_taken_as_left_out(
    words: list[str], reason: str, place: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert reason in refused(words, place, capsys, monkeypatch)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([*EVALUATE, "--topic", ""], "--topic is for a film: data is no bag,"),
        ([*EVALUATE, "--topic", "/image"], "--topic is for a film"),
        ([*EVALUATE, "--truth", "/truth"], "--truth is for a film"),
        ([*EVALUATE, "--latency", "250"], "--latency is for a film"),
        ([*EVALUATE, "--tracker-max-coast-s", "1"], "tracker.* settings only matter for a bag"),
        ([*EVALUATE, "--query", "tote", "--ask", "present"], "give one of them"),
        ([*FILM, "--ask", "present"], "--ask is for labelled images; film.mcap is a film"),
        ([*FILM, "--split", "auto"], "--split is for labelled images"),
        ([*FILM, "--images", "3"], "--images is for labelled images"),
        ([*FILM, "--languages", ""], "--languages is for labelled images"),
        ([*FILM, "--translations", "w.yaml"], "--translations is for labelled images"),
        ([*FILM, "--robustness", "3"], "--robustness is for labelled images"),
        ([*FILM, "--sustained", "0"], "--sustained is for labelled images"),
        ([*FILM, "--drift-profile", "p.json"], "--drift-profile is for labelled images"),
        ([*FILM, "--against", "a.json"], "--against is for labelled images"),
        ([*MOT, "--topic", "/image"], "--topic is for a bag; mot is a folder of MOTChallenge"),
        ([*MOT, "--truth", ""], "--truth is for a bag"),
        ([*MOT, "--split", "all"], "--split is for labelled images"),
    ],
)
def test_evaluate_refuses_flags_of_another_kind_of_data(
    words: list[str], reason: str, place: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert reason in refused(words, place, capsys, monkeypatch)


def test_doctor_says_that_an_empty_topic_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--no-model", "--topic", "", "--seconds", "0.1"]) == 1
    told = capsys.readouterr().out
    assert any(line.startswith("fail  topic") for line in told.splitlines())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        # The model, or the folder of images, is not there: the output is looked at before it.
        (["ground", "a.png", "--query", "tote", "--model", "none.jsonl", "--annotate", "b.txt"],
         "no encoder for '.txt'"),
        (["ground", "a.png", "--query", "tote", "--model", "none.jsonl", "--annotate", "b"],
         "no encoder for ''"),
        (["ground", "a.png", "--query", "tote", "--model", "none.jsonl", "--annotate",
          "file/b.png"], "there is a file of this name"),
        (["track", "a.mp4", "--query", "tote", "--model", "none.jsonl", "--out", "file"],
         "there is a file of this name"),
        (["rules", "try", "rules.yaml", "a.mp4", "--model", "none.jsonl", "--out", "file"],
         "there is a file of this name"),
        (["where", "tote", "--crop", "x.png"], "a name ending in .jpeg or .jpg was expected"),
        (["where", "tote", "--crop", "file/x.jpg"], "there is a file of this name"),
        (["collected", "decrypt", "none", "--key", "none", "--out", "file"],
         "there is a file of this name"),
        (["licences", "--out", "."], "there is a folder of this name"),
        (["licences", "--model", "none", "--out", "/proc/x/y"], "nothing can be written"),
        ([*EVALUATE, "--out", "file"], "there is a file of this name"),
        ([*EVALUATE, "--query", "tote", "--drift-profile", "."], "there is a folder of this name"),
        ([*COMPARE, "--out", "file"], "there is a file of this name"),
        ([*FINETUNE[:-1], "file"], "there is a file of this name"),
        (["calibrate", "--scenes", "10", "--plot", "x.txt"], "no encoder for '.txt'"),
        (["export", "bundled", "file"], "there is a file of this name"),
        (["scenes", "--preview", "x.txt"], "no encoder for '.txt'"),
        (["scenes", "--preview", "x.png", "--video", "x.txt"], "ending in .avi or"),
        (["scenes", "--preview", "x.png", "--truth", "."], "there is a folder of this name"),
        (["scenes", "--preview", "x.png", "--labelled", "file"], "there is a file of this name"),
    ],
)  # fmt: skip
def test_outputs_are_looked_at_before_the_work(
    words: list[str], reason: str, place: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert reason in refused(words, place, capsys, monkeypatch)


@pytest.mark.parametrize(
    "words",
    [
        ["ground", "a.png", "--model=--"],
        [*COMPARE, "--images=--"],
        ["record", "bag", "--seconds=--"],
        ["evaluate", "data", "--model", "m.jsonl", "--out=--"],
        ["models", "--json", "--out=--"],
    ],
    ids=" ".join,
)
def test_a_value_of_two_dashes_is_refused(
    words: list[str],
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Argparse up to Python 3.12 makes an empty list of it."""
    flag = words[-1].removesuffix("=--")
    said = refused(words, place, capsys, monkeypatch)
    assert f"argument {flag}: expected a value, got '--'" in said
