# SPDX-License-Identifier: Apache-2.0
"""``calibration.json``: tied to its weights, damaged files are told, ``lfmvl calibrate`` judges."""

import json
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.cli.calibration_judging import ask_all
from lfmvl_ros.cli.main import main
from lfmvl_ros.core.calibration.calibration import IsotonicCalibration, LogisticCalibration
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.reply import Reply, Token
from lfmvl_ros.models.calibration_file import (
    CHECKPOINT,
    FILE,
    read_calibration,
    write_calibration,
)
from lfmvl_ros.models.checkpoint_labels import trained_on
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel
from lfmvl_ros.models.server.facts import read_facts, write_export_calibration, write_facts
from lfmvl_ros.viz.video import read_image
from lfmvl_warehouse.calibration_sets import (
    FIT,
    KNOWN_LOOKS,
    MEASURED,
    NEW_LOOKS,
    UnseenScenes,
    question_set,
)

BUNDLED_FILE = Path(__file__).parents[2] / "lfmvl_warehouse" / "checkpoint" / FILE
CURVE = IsotonicCalibration((0.1, 0.9), (0.0, 0.8))


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


BOX = '[{"label": "person", "bbox": [0.00, 0.00, 0.01, 0.01]}]'


def test_boxes_are_judged_against_the_scene():
    """The same box everywhere: nothing is there, however sure the model is."""
    model = ReplayModel([RecordedReply(Reply(BOX, (Token(1, BOX, float(np.log(0.9))),)))])
    found = ask_all(model, PerceptionSettings(), question_set(FIT, 8))
    assert len(found) == 8
    np.testing.assert_allclose(found.evidence.label, 0.9)
    np.testing.assert_allclose(found.evidence.score, 0.81)  # one token for label and existence
    assert (found.evidence.looseness > 1).all()  # a box as small as the last digit
    assert not found.right.any()
    assert found.scenes.tolist() == list(range(8))
    model = ReplayModel([RecordedReply(Reply(BOX))])
    without = ask_all(model, PerceptionSettings(), question_set(FIT, 3))
    assert len(without) == 0


@pytest.mark.slow
def test_sets_share_no_scene_and_new_looks_are_new():
    sets = (FIT, *MEASURED)
    assert len({each.seed for each in sets}) == len(sets)
    trained = range(120)
    assert all(first in trained for first, _ in KNOWN_LOOKS.looks)
    assert not any(first in trained for first, _ in NEW_LOOKS.looks)
    assert not set(NEW_LOOKS.looks) & set(FIT.looks)

    def images(wanted, wh):
        source, rng = UnseenScenes(wanted), np.random.default_rng(1)
        return {source.draw(rng, wh, 4).pixels.tobytes() for _ in range(3)}

    for wh in ((96, 96), (640, 480)):
        first, second, third = (images(each, wh) for each in sets)
        assert not first & second | second & third | first & third
        assert images(FIT, wh) == first


@pytest.mark.parametrize(
    "curve", [CURVE, LogisticCalibration(intercept=-0.5, label=0.3, log_looseness=-2.0)]
)
def test_the_file_is_read_for_the_weights_it_was_made_for(weights, curve):
    path = write_calibration(weights, curve, {"ece_after": 0.01})
    assert read_calibration(weights) == curve
    document = json.loads(path.read_text())
    assert document["ece_after"] == 0.01
    assert str(weights) not in path.read_text()  # it travels with the weights


@pytest.fixture
def exported(tmp_path):
    """The JSON files of two exports of the bundled checkpoint, without weights."""
    return {
        kind: write_facts(tmp_path / f"bundled-{kind}.json", BUNDLED_FILE.parent,
                          name="bundled", kind=kind)
        for kind in ("f16", "q4_0")
    }  # fmt: skip


def test_a_calibration_names_what_it_was_fitted_on(weights, exported):
    assert json.loads(write_calibration(weights, CURVE, {}).read_text())["fitted_on"] == CHECKPOINT
    assert json.loads(BUNDLED_FILE.read_text())["fitted_on"] == CHECKPOINT
    write_export_calibration(exported["q4_0"], CURVE, {"ece_after": 0.02})
    document = json.loads(exported["q4_0"].read_text())
    assert document["calibration"]["fitted_on"] == "q4_0"
    assert document["calibration"]["ece_after"] == 0.02
    assert document["name"] == "bundled"


def test_that_of_other_weights_is_used_with_a_note(exported, caplog):
    own = read_calibration(BUNDLED_FILE.parent)
    assert read_facts(exported["f16"]).calibration == own
    assert not caplog.text, "float16 answers like the checkpoint"
    assert read_facts(exported["q4_0"]).calibration == own
    assert "were calibrated on the weights of the checkpoint, and those of q4_0" in caplog.text
    caplog.clear()
    write_export_calibration(exported["q4_0"], CURVE, {})
    caplog.clear()
    assert read_facts(exported["q4_0"]).calibration == CURVE
    assert not caplog.text
    document = json.loads(exported["q4_0"].read_text())
    exported["f16"].write_text(json.dumps({**document, "type": "f16"}))
    assert read_facts(exported["f16"]).calibration == CURVE
    assert "were calibrated on q4_0, and those of f16" in caplog.text


def test_an_export_is_known_to_have_learnt_what_its_checkpoint_has(exported):
    learnt = trained_on("bundled:q4_0")
    assert learnt == trained_on("bundled")
    assert trained_on(str(exported["q4_0"].with_suffix(".gguf"))) == learnt
    document = json.loads(exported["q4_0"].read_text())
    exported["q4_0"].write_text(json.dumps({**document, "trained_on": "abc"}))
    assert trained_on(str(exported["q4_0"].with_suffix(".gguf")) + "#mmproj.gguf") == "abc"
    assert trained_on("/no/where.gguf") == ""


def test_the_bundled_checkpoint_is_calibrated_for_its_own_weights_and_within_the_bar():
    """Make it again when the weights change: ``lfmvl calibrate --model bundled --write``."""
    assert read_calibration(BUNDLED_FILE.parent) is not None
    document = json.loads(BUNDLED_FILE.read_text())
    assert document["ece_after"] <= 0.05
    assert document["boxes_fitted"] > 500
    assert "/" not in document.get("file", "")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_measures_the_bundled_checkpoint(tmp_path, capsys):
    """Few scenes: figures mean little, but all is there, and nothing is written unasked."""
    before = BUNDLED_FILE.read_bytes()
    code = main(["calibrate", "--scenes", "15", "--plot", str(tmp_path / "plot.png")])
    told = capsys.readouterr()
    facts = json.loads(told.out.splitlines()[-1])
    assert code == (0 if facts["ece_after"] < facts["ece_before"] else 1)
    assert set(facts["measured"]) == {"known looks", "new looks", "all"}
    for each in facts["measured"].values():
        low, high = each["after"]["ece_90_percent"]
        assert 0 <= low < high < 1
    assert facts["measured"]["all"]["boxes"] == sum(b["boxes"] for b in facts["reliability_after"])
    assert facts["method"] == facts["cross_validation"][0]["method"]
    assert "ECE before" in told.err
    assert f"{facts['ece_after']:.3f}" in told.err
    assert read_image(tmp_path / "plot.png").shape[1] > 900
    assert BUNDLED_FILE.read_bytes() == before


def test_the_command_refuses_what_it_cannot_use(capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert main(["calibrate", "--scenes", "3"]) == 2
    assert main(["calibrate", "--model", "LiquidAI/LFM2.5-VL-450M", "--scenes", "20"]) == 2
    assert "LiquidAI/LFM2.5-VL-450M is not on this machine" in capsys.readouterr().err
    assert main(["calibrate", "--model", "somewhere/text.gguf", "--scenes", "20"]) == 2
    assert "`lfmvl export` writes it" in capsys.readouterr().err
