# SPDX-License-Identifier: Apache-2.0
"""``calibration.json``: tied to its weights, damaged files are told, ``lfmvl calibrate`` judges."""

import json

import numpy as np
import pytest

from lfmvl_ros.cli.calibrate import collect
from lfmvl_ros.cli.main import main
from lfmvl_ros.core.calibration import Calibration
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.reply import Reply, Token
from lfmvl_ros.models.calibration_file import FILE, read_calibration, write_calibration
from lfmvl_ros.models.replay import RecordedReply, ReplayModel

CURVE = Calibration((0.1, 0.9), (0.0, 0.8))


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(bytes(range(256)) * 5000)
    return tmp_path


def test_written_and_read_for_the_same_weights_only(weights, caplog):
    assert read_calibration(weights) is None
    write_calibration(weights, CURVE, {"iou": 0.5})
    assert read_calibration(weights) == CURVE
    data = bytearray((weights / "model.safetensors").read_bytes())
    data[-1] ^= 1  # trained a little further
    (weights / "model.safetensors").write_bytes(data)
    assert read_calibration(weights) is None
    assert "other weights" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "lfmvl/calibration/1", "scores": [1], "shares": 1}']
)
def test_a_damaged_file_is_told(weights, text):
    (weights / FILE).write_text(text)
    with pytest.raises(UserError, match="make it again with `lfmvl calibrate`"):
        read_calibration(weights)


def test_boxes_are_judged_against_the_scene():
    """The same box everywhere: right where something of the query is, seldom that is."""
    box = '[{"label": "person", "bbox": [0.00, 0.00, 0.01, 0.01]}]'
    reply = Reply(box, (Token(1, box, float(np.log(0.9))),))
    model = ReplayModel([RecordedReply(reply)])
    scores, right, scenes = collect(model, PerceptionSettings(), 20)
    assert scores.tolist() == pytest.approx([0.81] * 20)  # label and existence are one token here
    assert not right.any()
    assert scenes.tolist() == list(range(20))


def test_the_command_refuses_what_it_cannot_use(capsys):
    assert main(["calibrate", "--scenes", "3"]) == 2
    assert main(["calibrate", "--model", "LiquidAI/LFM2.5-VL-450M", "--scenes", "20"]) == 2
    assert "is no directory" in capsys.readouterr().err


def test_facts_are_kept_beside_the_curve(weights):
    path = write_calibration(weights, CURVE, {"ece_after": 0.01})
    assert json.loads(path.read_text())["ece_after"] == 0.01
