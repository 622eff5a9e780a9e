# SPDX-License-Identifier: Apache-2.0
"""Which images are evaluated on, and what is known to be hidden on them."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.occlusion import hidden_share
from lfmvl_ros.evaluate.data import EvaluationSet, evaluation_set

from ..datasets.coco_folders import add_box, plain_folder, save


def test_all_images_unless_a_model_has_learnt_from_them(folder: Path, data: EvaluationSet) -> None:
    assert (data.split, len(data.images)) == ("all", 24)
    learnt = frozenset({data.folder.fingerprint()})
    again = evaluation_set(folder, learnt=learnt)
    assert again.split == "held-out"
    assert [i.name for i in again.images] == [i.name for i in data.folder.held_out]
    assert evaluation_set(folder, split="all", learnt=learnt).fingerprint() == data.fingerprint()
    assert again.fingerprint() != data.fingerprint()


def test_fewer_images_are_chosen_over_the_whole_folder(folder: Path, data: EvaluationSet) -> None:
    some = evaluation_set(folder, most=5)
    names = [image.name for image in data.images]
    assert [image.name for image in some.images] == [names[i] for i in (0, 4, 9, 14, 19)]
    assert evaluation_set(folder, most=500).fingerprint() == data.fingerprint()


def test_crowds_are_kept_and_a_training_has_none_of_them(tmp_path: Path) -> None:
    content = plain_folder(tmp_path, count=4)
    save(tmp_path / "annotations.json", content)
    plain = evaluation_set(tmp_path)
    add_box(content, 1, 3, [20, 15, 20, 15], iscrowd=1)
    add_box(content, 1, 3, [20, 15, 0, 0], iscrowd=1)
    save(tmp_path / "annotations.json", content)
    data = evaluation_set(tmp_path)
    assert data.images[1].crowd_xyxy.tolist() == [[0.5, 0.5, 1.0, 1.0]]
    assert data.images[1].crowd_kinds.tolist() == [0]
    assert (data.facts()["crowds"], data.facts()["boxes"]) == (1, 4)
    assert data.facts()["left_out"] == {"crowds (iscrowd)": 1}
    assert data.fingerprint() != plain.fingerprint()
    assert data.folder.fingerprint() == plain.folder.fingerprint()  # a training sees no difference


def test_pixels_are_those_of_the_file_in_full_size(tmp_path: Path) -> None:
    content = plain_folder(tmp_path, count=2, wh_px=(1200, 900))
    pixels = evaluation_set(tmp_path).pixels(0)
    assert pixels.shape == (900, 1200, 3)  # a training makes them smaller; tiles need them whole
    stored = cv2.imread(str(tmp_path / content["images"][0]["file_name"]))
    assert (pixels == stored[..., ::-1]).all()


def test_an_image_that_changes_meanwhile_is_said(tmp_path: Path) -> None:
    plain_folder(tmp_path, count=2)
    data = evaluation_set(tmp_path)
    cv2.imwrite(str(data.images[0].path), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(UserError, match="has changed meanwhile"):
        data.pixels(0)
    data.images[0].path.unlink()
    with pytest.raises(UserError, match="can't be read any more"):
        data.pixels(0)


@pytest.mark.parametrize(
    ("annotation", "hidden"),
    [
        ({"visibility": 0.25}, 0.75),
        ({"attributes": {"occluded": False}}, 0.0),
        ({"occluded": 1}, 0.5),
        ({"occlusion": 0.3}, 0.3),
        ({"occlusion": 2}, 0.5),  # KITTI: largely
        ({"visibility": "some"}, math.nan),
        ({"attributes": ["occluded"]}, math.nan),
        ({}, math.nan),
    ],
)
def test_what_tools_write_about_occlusion(annotation: dict[str, object], hidden: float) -> None:
    np.testing.assert_equal(hidden_share(annotation), hidden)


def test_occlusion_goes_with_its_box(tmp_path: Path) -> None:
    content = plain_folder(tmp_path, count=3)
    content["annotations"][1]["visibility"] = 0.4
    add_box(content, 1, 3, [0, 0, 8, 8])
    add_box(content, 2, 3, [0, 0, "?", 8], visibility=0.1)  # left out of the folder, and here
    add_box(content, 2, 3, [0, 0, 1e400, 8], visibility=0.1)  # the same; not finite
    add_box(content, 2, 3, [0, 0, "?", 8], visibility=1e400)
    save(tmp_path / "annotations.json", content)
    hidden = evaluation_set(tmp_path).hidden
    np.testing.assert_allclose(hidden[0], [np.nan])
    np.testing.assert_allclose(hidden[1], [0.6, np.nan])
    np.testing.assert_allclose(hidden[2], [np.nan])


def test_a_file_with_an_integer_that_no_float_can_hold_is_refused(tmp_path: Path) -> None:
    content = plain_folder(tmp_path, count=3)
    add_box(content, 2, 3, [0, 0, 10**400, 8])
    save(tmp_path / "annotations.json", content)
    with pytest.raises(UserError, match="an integer has 401 digits"):
        evaluation_set(tmp_path)


def test_rendered_scenes_say_how_much_is_hidden(data: EvaluationSet) -> None:
    shares = np.concatenate(data.hidden)
    assert len(shares) > 10
    assert ((shares >= 0) & (shares < 1)).all()
