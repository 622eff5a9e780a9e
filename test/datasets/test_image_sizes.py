# SPDX-License-Identifier: Apache-2.0
"""Boxes are about the stated size: that of the image, of a resized one, or it is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.datasets.image_sizes import RESIZED, TURNED_UNCONFIRMED, fitted, same_shape

from .coco_folders import add_box, picture, plain_folder, save

SIDES = st.tuples(st.integers(50, 4000), st.integers(50, 4000))


@given(SIDES, st.floats(0.05, 20), st.sampled_from([round, int]))
def test_a_resized_image_has_the_same_shape(wh, factor, rounded):
    resized = tuple(max(1, rounded(side * factor)) for side in wh)
    if min(resized) > 50:
        assert same_shape(wh, resized)
        assert same_shape(resized, wh)


@given(SIDES, st.integers(0, 1), st.floats(0.05, 0.5))
def test_a_cropped_image_has_another_shape(wh, axis, share):
    cropped = list(wh)
    cropped[axis] -= max(1, round(share * wh[axis]))
    assert not same_shape(wh, tuple(cropped))


def test_a_few_rows_that_are_cut_off_are_no_rounding():
    assert fitted((640, 472), 1, [(640, 480)]) == "is 640x472, the annotations say 640x480"


def test_boxes_of_a_resized_image_are_scaled_and_said(tmp_path):
    content = plain_folder(tmp_path)
    content["images"][0] |= {"width": 80, "height": 60}
    content["annotations"][0]["bbox"] = [10, 20, 20, 20]
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert folder.changed == {RESIZED: 1}
    assert f"changed: 1 {RESIZED}, such as 0.png (40x30, stated 80x60)" in folder.describe()
    (image,) = (i for i in (*folder.training, *folder.held_out) if i.name == "0.png")
    np.testing.assert_allclose(image.xyxy, [[5 / 40, 10 / 30, 15 / 40, 20 / 30]])


def test_sizes_that_can_not_be_read_are_said(tmp_path):
    content = plain_folder(tmp_path)
    content["images"][0]["width"] = True
    content["images"][1]["height"] = -30
    content["images"][2]["width"] = "wide"
    content["images"][3] |= {"width": "40", "height": 30.0}
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert folder.facts()["boxes"] == 4
    assert folder.changed == {"images whose width or height can't be read: taken from the file": 3}


def test_an_image_that_two_files_state_differently_is_left_out(tmp_path):
    content = plain_folder(tmp_path, where="annotations/a.json", images="images")
    content["images"][0] |= {"width": 80, "height": 60}
    save(tmp_path / "annotations" / "b.json", content)
    folder = read_folder(tmp_path)
    assert folder.left_out["images that can't be used"] == 1
    assert "0.png, which is stated as 40x30 and as 80x60" in folder.describe()


@pytest.mark.parametrize(
    ("orientation", "wh", "stated", "changed"),
    [
        (3, (40, 30), True, {TURNED_UNCONFIRMED: 1}),  # upside down has the same size
        (6, (30, 30), True, {TURNED_UNCONFIRMED: 1}),
        (6, (40, 30), True, {}),
        (1, (40, 30), False, {}),
    ],
)
def test_a_turned_image_of_which_nothing_is_known_is_said(
    tmp_path, orientation, wh, stated, changed
):
    content = plain_folder(tmp_path, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", wh).save(tmp_path / "t.jpg", exif=exif)
    image = {"id": 9, "file_name": "t.jpg"}
    shown = (wh[1], wh[0]) if orientation == 6 else wh
    content["images"].append(image | ({"width": shown[0], "height": shown[1]} if stated else {}))
    add_box(content, 9, 3, [2, 2, 10, 10])
    save(tmp_path / "annotations.json", content)
    assert read_folder(tmp_path).changed == changed


def test_a_picture_of_another_shape_is_left_out_with_both_sizes(tmp_path):
    plain_folder(tmp_path)
    picture(tmp_path / "0.png", (40, 40))
    assert "0.png, which is 40x40, the annotations say 40x30" in read_folder(tmp_path).describe()
