# SPDX-License-Identifier: Apache-2.0
"""``lfmvl calibrate --data``: labelled images of one's own, held-out ones to measure with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lfmvl_ros.cli.calibration_folder import image_sets
from lfmvl_ros.cli.main import main
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.calibration_file import FILE, read_calibration
from lfmvl_ros.models.checkpoint_labels import FACTS_FILE

from ..datasets.coco_folders import plain_folder, save, scene_folder

BUNDLED = Path(__file__).parents[2] / "lfmvl_warehouse" / "checkpoint"


def test_held_out_images_are_not_fitted_on(tmp_path: Path) -> None:
    plain_folder(tmp_path / "bins", count=240)
    fit, measured = image_sets(tmp_path / "bins", str(tmp_path))
    assert (len(fit), fit.objects, len(measured), measured.objects) == (216, 216, 24, 24)
    assert {image.name for image in fit.images}.isdisjoint(image.name for image in measured.images)
    asked = list(measured.questions())
    assert len(asked) == 24
    assert all(item.question.labels for item in asked)
    assert [list(item.question.labels) for item in asked] == [
        list(item.question.labels) for item in measured.questions()
    ]


def test_what_the_checkpoint_has_learnt_is_left_alone(tmp_path: Path) -> None:
    plain_folder(tmp_path / "bins", count=1200)
    fit, measured = image_sets(tmp_path / "bins", str(tmp_path))
    learnt = {"data": {"fingerprint": fit.folder.fingerprint()}}
    (tmp_path / FACTS_FILE).write_text(json.dumps(learnt))
    again = image_sets(tmp_path / "bins", str(tmp_path))
    assert len(again[0]) + len(again[1]) == len(measured)
    assert {image.name for part in again for image in part.images} == {
        image.name for image in measured.images
    }
    (tmp_path / FACTS_FILE).write_text("not JSON")
    assert len(image_sets(tmp_path / "bins", str(tmp_path))[0]) == len(fit)


def test_too_few_objects_is_said_before_a_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain_folder(tmp_path / "bins", count=30)
    assert main(["calibrate", "--data", str(tmp_path / "bins")]) == 2
    message = capsys.readouterr().err
    assert "27 objects to fit on and 3 held out" in message
    assert "at least 50 and 20: label more images" in message
    content = plain_folder(tmp_path / "specks", count=300)
    for box in content["annotations"]:
        box["bbox"][2:] = [1.5, 1.5]  # too small to be asked for
    save(tmp_path / "specks" / "annotations.json", content)
    with pytest.raises(UserError, match="0 objects to fit on and 0 held out"):
        image_sets(tmp_path / "specks", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--data", "nowhere", "--scenes", "50"], "leave it out with --data"),
        (["--plot", "diagram.pdf"], "'diagram.pdf' can't be written"),
    ],
)
def test_wrong_flags_are_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_fits_on_images_and_measures_on_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("tote", "person", "forklift", "crate", "barrel", "pallet", "traffic cone", "bag")
    content = scene_folder(tmp_path / "images", count=120, wh_px=(256, 256), kinds=kinds)
    for part, numbers in (("train", range(70)), ("val", range(70, 120))):
        chosen = {**content, "images": [content["images"][i] for i in numbers]}
        save(tmp_path / "images" / "annotations" / f"instances_{part}.json", chosen)
    (tmp_path / "images" / "annotations" / "instances.json").unlink()
    shutil.copytree(BUNDLED, tmp_path / "weights")
    (tmp_path / "weights" / FILE).unlink()
    words = ["calibrate", "--model", str(tmp_path / "weights"), "--write"]
    code = main([*words, "--data", str(tmp_path / "images")])
    shown = capsys.readouterr()
    facts = json.loads(shown.out.splitlines()[-1])
    assert set(facts["measured"]) == {"held out", "all"}
    assert facts["data"] == "images"
    assert facts["boxes_fitted"] > 20
    assert "| held out |" in shown.err
    assert "| all |" not in shown.err
    better = facts["ece_after"] < facts["ece_before"]
    assert code == (0 if better else 1)
    assert (read_calibration(tmp_path / "weights") is not None) == better
    assert ("wrote" if better else "nothing written") in shown.err.splitlines()[-1]
