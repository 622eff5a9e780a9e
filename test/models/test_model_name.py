# SPDX-License-Identifier: Apache-2.0
"""``NAME:int8``, ``NAME:q4_0``: a checkpoint and its precision in one name."""

import json
import shutil

import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.calibration.calibration import IsotonicCalibration
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.licences.weights import weights_and_data
from lfmvl_ros.models import load
from lfmvl_ros.models.calibration_file import (
    CHECKPOINT,
    calibration_of,
    read_calibration,
    write_calibration,
)
from lfmvl_ros.models.checkpoint_labels import known_labels
from lfmvl_ros.models.lfm2_vl import precision
from lfmvl_ros.models.load import check_model
from lfmvl_ros.models.model_name import ModelName, resolved, split_name


@pytest.mark.parametrize(
    ("model", "checkpoint", "precision"),
    [
        ("bundled:int8", "bundled", "int8"),
        (" LiquidAI/LFM2.5-VL-450M:INT8 ", "LiquidAI/LFM2.5-VL-450M", "int8"),
        ("runs/mine:int8", "runs/mine", "int8"),
        ("bundled:q4_0", "bundled", "q4_0"),
        ("LiquidAI/LFM2.5-VL-450M:Q4_0", "LiquidAI/LFM2.5-VL-450M", "q4_0"),
        ("http://host:8080/v1#bundled:int8", "http://host:8080/v1#bundled:int8", ""),
        ("http://host:8080/v1#bundled:q4_0", "http://host:8080/v1#bundled:q4_0", ""),
        ("text.gguf", "text.gguf", ""),
        ("runs/mine:q4_0", "runs/mine:q4_0", ""),
        ("bundled", "bundled", ""),
        ("", "", ""),
    ],
)
def test_names(model, checkpoint, precision):
    name = split_name(model)
    assert name.checkpoint == checkpoint
    assert name.int8 == (precision == "int8")
    assert ("" if name.quantised is None else name.quantised.kind) == precision.replace("int8", "")
    if model:
        settings = resolved(PerceptionSettings(model=model))
        assert settings.dtype == ("int8" if name.int8 else "auto")
        assert settings.model == (checkpoint if name.int8 else model)


@pytest.mark.parametrize("name", ["mine:int8", "bundled:q4_0"])
def test_a_directory_of_that_name_is_meant(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert split_name(name) == ModelName(name)


@pytest.mark.parametrize("model", ["text.gguf:int8", "answers.jsonl:int8"])
def test_what_has_no_weights_here_is_refused(model):
    with pytest.raises(UserError, match="int8 is a precision of checkpoints"):
        split_name(model)


def test_another_precision_beside_it_is_refused():
    with pytest.raises(UserError, match="leave one of them out"):
        resolved(PerceptionSettings(model="bundled:int8", dtype="bfloat16"))
    same = PerceptionSettings(model="bundled:int8", dtype="int8")
    assert resolved(same).model == "bundled"


def test_everything_that_reads_names_knows_it():
    for model in ("bundled:int8", "bundled:q4_0"):
        assert known_labels(model) == known_labels("bundled") is not None
        assert main(["tokens", "640x480", "--model", model]) == 0
        assert main(["models", model]) == 0
        (weights, *_), (plain, *_) = (weights_and_data(name, {}) for name in (model, "bundled"))
        assert weights.licence == plain.licence != ""
    check_model(PerceptionSettings(model="bundled:int8", device="cpu"))
    with pytest.raises(UserError, match=r"q4_0, q8_0 or f16 \(llama.cpp\) or int8"):
        split_name("bundled:int3")


def test_a_calibration_of_the_checkpoint_serves_until_there_is_one(checkpoint, tmp_path, caplog):
    folder = shutil.copytree(checkpoint, tmp_path / "mine")
    first, second = (IsotonicCalibration((0.5,), (share,)) for share in (0.2, 0.9))
    assert read_calibration(folder, "int8") is None
    write_calibration(folder, first, {})
    assert calibration_of(folder, "int8") == (first, CHECKPOINT)
    assert "were calibrated on the weights of the checkpoint" in caplog.text
    caplog.clear()
    write_calibration(folder, second, {}, "int8")
    assert calibration_of(folder, "int8") == (second, "int8")
    assert read_calibration(folder) == first
    assert not caplog.text


def test_a_stale_calibration_of_int8_weights_gives_way_to_that_of_the_checkpoint(
    checkpoint, tmp_path, caplog
):
    folder = shutil.copytree(checkpoint, tmp_path / "mine")
    first, second = (IsotonicCalibration((0.5,), (share,)) for share in (0.2, 0.9))
    stale = write_calibration(folder, second, {}, "int8")
    document = json.loads(stale.read_text())
    stale.write_text(json.dumps({**document, "weights": "those of another one"}))
    assert read_calibration(folder, "int8") is None
    assert "was made for another checkpoint and is not used" in caplog.text
    write_calibration(folder, first, {})
    caplog.clear()
    assert read_calibration(folder, "int8") == first
    assert "was made for another checkpoint and is not used" in caplog.text
    assert "were calibrated on the weights of the checkpoint" in caplog.text


def test_calibrate_refuses_answers_of_other_weights(checkpoint, tmp_path, monkeypatch, capsys):
    """int8 weights that fall back would overwrite the calibration of the checkpoint."""
    folder = shutil.copytree(checkpoint, tmp_path / "mine")
    write_calibration(folder, IsotonicCalibration((0.5,), (0.2,)), {})
    before = sorted((path.name, path.read_bytes()) for path in folder.glob("calibration*"))
    monkeypatch.setattr(precision, "kernel_fault", lambda *_: "a kernel that overflows")
    words = ["calibrate", "--model", f"{folder}:int8", "--write", "--scenes", "10"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "don't calibrate int8 weights" in told
    assert sorted((path.name, path.read_bytes()) for path in folder.glob("calibration*")) == before


def test_calibrate_finds_out_beforehand_that_its_file_can_not_be_written(
    checkpoint, tmp_path, monkeypatch, capsys
):
    folder = shutil.copytree(checkpoint, tmp_path / "mine")
    (folder / "calibration_int8.json").mkdir()
    monkeypatch.setattr(load, "load_model", lambda *_: pytest.fail("it was loaded"))
    assert main(["calibrate", "--model", f"{folder}:int8", "--write", "--scenes", "10"]) == 2
    assert "calibration_int8.json" in capsys.readouterr().err
