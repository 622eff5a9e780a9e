# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a box is named; one that is listed twice counts once."""

import numpy as np
import pytest

from lfmvl_ros.datasets.annotated_box import annotated_box
from lfmvl_ros.datasets.coco_reading import read_folder

from .coco_folders import add_box, plain_folder, save

MALFORMED = "malformed boxes (not 4 numbers)"
NOT_FINITE = "boxes with NaN or infinity"


@pytest.mark.parametrize(
    ("bbox", "problem"),
    [
        ("1234", MALFORMED),
        ("no box", MALFORMED),
        ([1, 1, 9], MALFORMED),
        ([1, 1, 9, 9, 1], MALFORMED),
        ([1, 1, None, 9], MALFORMED),
        ([True, True, True, True], MALFORMED),
        ({"x": 1, "y": 1, "w": 9, "h": 9}, MALFORMED),
        (7, MALFORMED),
        ([1, 1, float("nan"), 9], NOT_FINITE),
        ([1, 1, "inf", 9], NOT_FINITE),
        ([1, 1, -9, 9], "boxes of negative width or height"),
        ([1, 1, 0, 9], "empty boxes"),
        ([], "annotations without bbox or segmentation"),
        (None, "annotations without bbox or segmentation"),
    ],
)
def test_what_is_wrong_with_a_box_is_named(tmp_path, bbox, problem):
    assert annotated_box({"bbox": bbox}).problem == problem
    content = plain_folder(tmp_path)
    add_box(content, 1, 3, bbox)
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert folder.left_out == {problem: 1}
    assert f"1 {problem}, such as 1.png" in folder.describe()


def test_a_mask_that_gives_no_box_is_named():
    assert annotated_box({"segmentation": [[1, 2]]}).problem == "masks that give no box"
    assert annotated_box({"bbox": "x", "segmentation": "x"}).problem == MALFORMED


def test_a_box_that_two_files_list_counts_once(tmp_path):
    content = plain_folder(tmp_path, where="annotations/instances_train.json", images="images")
    content["annotations"][0]["caption"] = "the only bin"
    save(tmp_path / "annotations" / "instances_train_copy.json", content)
    folder = read_folder(tmp_path)
    assert folder.left_out == {"boxes listed twice": 4}
    assert folder.facts()["boxes"] == 4
    assert sum(len(i.expressions) for i in (*folder.training, *folder.held_out)) == 1


@pytest.mark.parametrize("stated", [True, False])
def test_a_mask_of_another_size_than_its_image_leaves_the_image_out(tmp_path, stated):
    content = plain_folder(tmp_path)
    if not stated:
        for image in content["images"]:
            del image["width"], image["height"]

    def read(height, width):
        runs = [height * 10 + 4, 4, height * width - height * 10 - 8]
        mask = {"size": [height, width], "counts": runs}
        content["annotations"][0] |= {"bbox": [], "segmentation": mask}
        save(tmp_path / "annotations.json", content)
        return read_folder(tmp_path)

    folder = read(60, 80)
    assert folder.left_out == {"images that can't be used": 1, "boxes of unusable images": 1}
    folder = read(30, 40)
    assert folder.left_out == {}
    (image,) = (i for i in (*folder.training, *folder.held_out) if i.name == "0.png")
    np.testing.assert_allclose(image.xyxy, [[10 / 40, 4 / 30, 11 / 40, 8 / 30]])
