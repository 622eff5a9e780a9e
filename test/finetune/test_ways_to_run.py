# SPDX-License-Identifier: Apache-2.0
"""How long a run takes, all weights instead of adapters, and calibration on held-out images."""

import json
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from lfmvl_ros.cli.finetune_calibration import calibrate_on_held_out
from lfmvl_ros.cli.main import main
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.finetune.run_folder import LOG_FILE, STATE_FILE
from lfmvl_ros.finetune.trainer import MEASURED_STEPS
from lfmvl_ros.models.calibration_file import FILE as CALIBRATION_FILE
from lfmvl_warehouse.scenes.labelled import write_labelled

from .folders import KINDS, unusual_scenes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # minutes on a busy machine
SMALL = ("--batch", 1, "--questions", 1, "--held-out-questions", 4)


def run(data, out, *arguments):
    """The command in this process; returns the records of its log."""
    flags = ("--data", data, "--from", "bundled", "--out", out, *SMALL, *arguments)
    assert main(["finetune", *map(str, flags)]) in (0, 1)
    lines = (out / LOG_FILE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def judged_at(records):
    return [record["step"] for record in records if "held_out" in record]


def test_it_stops_early_where_judgements_bring_nothing_better(unusual, tmp_path, capsys):
    """At this rate no weight changes, so that the second judgement is never a better one."""
    records = run(
        unusual, tmp_path / "run", "--rate", 1e-30, "--steps", 8, "--judgements", 8,
        "--patience", 1,
    )  # fmt: skip
    assert judged_at(records) == [0, 1, 2]
    assert "stopped early at update 2 of 8" in capsys.readouterr().out
    assert torch.load(tmp_path / "run" / STATE_FILE, weights_only=True)["progress"]["stopped"]


def test_minutes_become_updates_once_they_are_measured(unusual, tmp_path):
    """A time that is over by then leaves one more update, and one judgement of the eight."""
    records = run(unusual, tmp_path / "run", "--minutes", 0.0001, "--judgements", 8)
    (estimate,) = (record["estimate"] for record in records if "estimate" in record)
    assert (estimate["steps"], estimate["judgements"]) == (MEASURED_STEPS + 1, 1)
    assert judged_at(records) == [0, MEASURED_STEPS + 1]


def test_full_trains_every_weight_and_needs_no_peft(unusual, tmp_path, bundled, monkeypatch):
    def missing():
        raise UserError("peft is missing")

    monkeypatch.setattr(sys.modules["lfmvl_ros.finetune.run"], "check_peft", missing)
    run(unusual, tmp_path / "run", "--full", "--steps", 2, "--judgements", 1)
    trained = torch.load(tmp_path / "run" / STATE_FILE, weights_only=True)["trained"]
    before = load_file(bundled.directory / "model.safetensors")
    assert trained.keys() == before.keys()
    same = {name for name in before if torch.equal(trained[name], before[name].float())}
    assert not [name for name in same if "norm" in name or "patch_embedding" in name]
    assert len(same) < len(before) / 10


@pytest.fixture
def usual(tmp_path):
    """Images in the look that the bundled model knows."""
    scenes = list(unusual_scenes(40, look="usual"))
    write_labelled(tmp_path / "usual", scenes, kinds=KINDS)
    return read_folder(tmp_path / "usual")


def checkpoint_copy(bundled, directory):
    """A checkpoint as a run leaves it: without a calibration."""
    directory.mkdir()
    for path in bundled.directory.iterdir():
        if path.name != CALIBRATION_FILE:
            (directory / path.name).symlink_to(path)
    return directory


def test_confidences_are_calibrated_on_images_that_were_held_out(usual, bundled, tmp_path):
    """Images to learn from are not even opened: they are gone."""
    checkpoint = checkpoint_copy(bundled, tmp_path / "checkpoint")
    folder = replace(usual, training=usual.training[:8], held_out=usual.training[8:])
    for picture in folder.training:
        picture.path.unlink()
    boxes, sentence = calibrate_on_held_out(checkpoint, [folder])
    written = json.loads((checkpoint / CALIBRATION_FILE).read_text(encoding="utf-8"))
    assert 0 < boxes == written["boxes_fitted"]
    assert written["ece_after"] < written["ece_before"]
    assert f"on {boxes} boxes of the held-out images" in sentence


def test_few_objects_are_no_calibration(usual, bundled, tmp_path):
    checkpoint = checkpoint_copy(bundled, tmp_path / "checkpoint")
    boxes, sentence = calibrate_on_held_out(checkpoint, [usual])
    assert boxes == 0
    assert "takes at least" in sentence
    assert not (checkpoint / CALIBRATION_FILE).exists()
