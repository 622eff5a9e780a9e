# SPDX-License-Identifier: Apache-2.0
"""Labelled folders of rendered scenes: what is written is what the training reads."""

import cv2
import numpy as np
import pytest

from lfmvl_ros.cli.parser import CommandParser
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_warehouse.cli import scenes as command
from lfmvl_warehouse.scenes import HARD, KINDS, render_still
from lfmvl_warehouse.scenes.labelled import write_labelled
from lfmvl_warehouse.scenes.looks import in_look


def call(*words):
    parser = CommandParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def by_name(folder):
    """For each image its boxes as (category, x1, y1, x2, y2) in pixels."""
    return {
        item.path.name: [
            (folder.categories[kind], *(xyxy * (*item.wh_px, *item.wh_px)).tolist())
            for kind, xyxy in zip(item.kinds, item.xyxy, strict=True)
        ]
        for item in (*folder.training, *folder.held_out)
    }


@pytest.mark.parametrize("preset", ["easy", "standard", "hard"])
def test_training_reads_the_boxes_that_were_rendered(preset, tmp_path, capsys):
    wh_px, count = (96, 80), 4
    words = ("--count", count, "--seed", 7, "--wh", "96x80", "--preset", preset)
    assert call("--labelled", tmp_path / "data", *words) == 0
    folder = read_folder(tmp_path / "data")
    assert [reason for reason in folder.left_out if not reason.startswith("categories")] == []
    read, boxes = by_name(folder), 0
    assert len(read) == count
    for number in range(count):
        rng = np.random.default_rng((7, number))
        scene = render_still(rng, wh=wh_px, options=command.PRESETS[preset])
        expected = [
            (item.kind, *item.visible_xyxy_px.tolist())
            for item in scene.objects
            if item.visibility > 0
        ]
        boxes += len(expected)
        for one, other in zip(read[f"{number:04d}.png"], expected, strict=True):
            assert one[0] == other[0]
            np.testing.assert_allclose(one[1:], other[1:], atol=1e-9)
        written = cv2.imread(str(tmp_path / "data" / "images" / f"{number:04d}.png"))
        np.testing.assert_array_equal(written[..., ::-1], scene.pixels)
    assert f"{count} images of 96x80, {boxes} boxes" in capsys.readouterr().out


def test_a_folder_can_be_limited_to_some_kinds(tmp_path):
    scenes = [render_still(np.random.default_rng(n), wh=(96, 96), options=HARD) for n in range(6)]
    present = sorted({item.kind for scene in scenes for item in scene.objects})
    kinds = tuple(present[:2])
    assert len(present) > 2
    boxes = write_labelled(tmp_path / "data", scenes, kinds=kinds)
    read = by_name(read_folder(tmp_path / "data"))
    found = [box[0] for boxes_of_one in read.values() for box in boxes_of_one]
    assert set(found) == set(kinds)
    assert len(found) == boxes
    assert set(kinds) < set(KINDS)


def test_nothing_that_is_there_is_overwritten(tmp_path):
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        call("--labelled", tmp_path, "--count", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(UserError, match="there is a file of this name"):
        call("--labelled", mine, "--count", 2)
    assert mine.read_text() == "mine"


def test_another_look_changes_the_pixels_and_nothing_else():
    scene = render_still(np.random.default_rng(3), wh=(96, 64))
    heat = in_look(scene, "heat")
    assert heat.objects == scene.objects
    assert np.ptp(heat.pixels, axis=2).max() == 0
    assert not np.array_equal(heat.pixels, scene.pixels)
    assert np.array_equal(in_look(scene, "usual").pixels, scene.pixels)
