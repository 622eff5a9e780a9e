# SPDX-License-Identifier: Apache-2.0
"""Folders in COCO format: where things are found, what is left out and counted, what is refused."""

import json
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco import boxes_from_xywh, names_of
from lfmvl_ros.datasets.coco_files import split_of
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.datasets.image_sizes import check_image

from .coco_folders import add_box, picture, plain_folder, save


@given(
    arrays(float, (5, 4), elements=st.floats(-300, 900)),
    st.tuples(st.integers(2, 800), st.integers(2, 800)),
)
def test_boxes_are_within_the_picture_or_said_to_be_none(xywh, wh):
    xyxy, empty, outside = boxes_from_xywh(xywh, wh)
    assert not (empty & outside).any()
    assert (xyxy >= 0).all()
    assert (xyxy <= 1).all()
    good = ~(empty | outside)
    pixels = xyxy[good] * (*wh, *wh)
    assert (pixels[:, 2:] - pixels[:, :2] >= 1 - 1e-9).all()
    assert not xyxy[~good].any()
    for (x, y, w, h), box in zip(xywh[good], pixels, strict=True):  # nothing is moved or enlarged
        expected = [max(x, 0), max(y, 0), min(x + w, wh[0]), min(y + h, wh[1])]
        np.testing.assert_allclose(box, expected, atol=1e-9)


def test_boxes_that_are_none():
    nan = float("nan")
    xywh = np.array([[1, 1, 0, 5], [1, 1, 5, -5], [nan] * 4, [50, 5, 9, 9], [-9, 5, 9.5, 9]])
    _, empty, outside = boxes_from_xywh(xywh, (40, 30))
    assert empty.tolist() == [True, True, True, False, False]
    assert outside.tolist() == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("category", "names"),
    [
        ("person", ("person",)),
        ("Hard_Hat", ("Hard Hat", "Hard_Hat", "hard hat")),
        (" box,  open ", ("box open",)),
        ("bin<|im_end|>", ("bin",)),
        ("箱", ("箱",)),
    ],
)
def test_names_can_be_asked_for(category, names):
    assert names_of(category) == names


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("annotations/instances_val2017.json", "val"),
        ("valid/_annotations.coco.json", "val"),
        ("annotations/training.json", "train"),
        ("test/annotations.json", "test"),
        ("latest/annotations.json", ""),
        ("trainer/constraint.json", ""),
    ],
)
def test_the_split_is_in_the_name(path, split):
    assert split_of(Path(path)) == split


@pytest.mark.parametrize(
    ("where", "images"),
    [
        ("annotations.json", ""),
        ("annotations.json", "images"),
        ("_annotations.coco.json", ""),
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_train2017.json", "images/train2017"),
        ("annotations/train.json", "images/train"),
        ("train/_annotations.coco.json", "train"),
        ("result.json", "images"),
    ],
)
def test_layouts(tmp_path, where, images):
    plain_folder(tmp_path, where=where, images=images)
    folder = read_folder(tmp_path)
    assert folder.categories == ("bin",)
    assert len(folder.training) == 3
    assert len(folder.held_out) == 1
    assert not folder.left_out
    np.testing.assert_allclose(folder.training[0].xyxy, [[5 / 40, 10 / 30, 15 / 40, 20 / 30]])


def test_a_val_split_is_for_judging_and_a_test_split_left_alone(tmp_path):
    for split, count in (("train", 3), ("valid", 2), ("test", 4)):
        plain_folder(tmp_path / split, count, where="_annotations.coco.json")
    folder = read_folder(tmp_path)
    assert {p.name.split("/")[0] for p in folder.training} == {"train"}
    assert [p.name for p in folder.held_out] == ["valid/0.png", "valid/1.png"]
    assert folder.left_out == {"images of a test split": 4}


def test_two_files_about_the_same_pictures_are_put_together(tmp_path):
    content = plain_folder(tmp_path, 3, where="annotations/bins.json", images="images")
    content["categories"] = [{"id": 3, "name": "lid"}]
    save(tmp_path / "annotations" / "lids.json", content)
    folder = read_folder(tmp_path)
    assert folder.facts()["boxes_by_category"] == {"bin": 3, "lid": 3}
    assert folder.facts()["images"] == 3


def test_names_alike_are_one_category_and_unused_ones_none(tmp_path):
    content = plain_folder(tmp_path)
    content["categories"] += [{"id": 0, "name": "objects"}, {"id": 4, "name": "Bin"}]
    add_box(content, 0, 4, [1, 1, 5, 5])
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert folder.categories == ("bin",)
    assert folder.facts()["boxes"] == 5
    assert folder.left_out == {"categories without a box": 1}


def test_everything_left_out_is_counted_and_said(tmp_path):
    content = plain_folder(tmp_path, 8)
    boxes = len(content["annotations"])
    add_box(content, 1, 3, [1, 1, 9, 9], iscrowd=1)
    add_box(content, 1, 3, [1, 1, 0, 9])
    add_box(content, 1, 3, [1, 1, None, 9])
    add_box(content, 1, 3, "no box")
    add_box(content, 1, 3, [90, 1, 9, 9])
    add_box(content, 1, 77, [1, 1, 9, 9])
    add_box(content, 99, 3, [1, 1, 9, 9])
    (tmp_path / "5.png").unlink()
    (tmp_path / "6.png").write_bytes((tmp_path / "6.png").read_bytes()[:-30])
    picture(tmp_path / "7.png", (50, 50))
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert folder.left_out == {
        "crowds (iscrowd)": 1,
        "empty boxes": 1,
        "malformed boxes (not 4 numbers)": 2,
        "boxes outside their image": 1,
        "boxes of a category that is not listed": 1,
        "boxes of an image that is not listed": 1,
        "images whose file is missing": 1,
        "images that can't be used": 2,
        "boxes of unusable images": 3,
    }
    facts = folder.facts()
    assert facts["images"] == 5
    assert facts["boxes"] == 5
    assert (
        facts["boxes"]
        + sum(count for reason, count in folder.left_out.items() if not reason.startswith("images"))
        == boxes + 7
    )
    told = folder.describe()
    assert "1 images whose file is missing, such as 5.png" in told
    assert "6.png, which can't be decoded" in told


def test_a_jpeg_that_is_cut_off_is_noticed(tmp_path):
    path = tmp_path / "a.jpg"
    picture(path, (320, 240))
    assert check_image(path, [(320, 240)]).wh_px == (320, 240)
    path.write_bytes(path.read_bytes()[:-200])
    assert cv2.imread(str(path)) is not None  # OpenCV alone takes it, grey where it ends
    assert "is a JPEG that is cut off" in check_image(path)
    path.write_bytes(path.read_bytes() + b"\xff\xd9")
    assert "is a JPEG that was cut off and closed" in check_image(path)


@pytest.mark.parametrize(
    ("stated", "wh", "orientation"),
    [
        ((30, 40), (30, 40), 6),
        ((40, 30), (40, 30), 1),
        (None, (30, 40), 6),
        ((60, 80), (30, 40), 6),
    ],
)
def test_the_annotations_say_whether_a_picture_was_turned(tmp_path, stated, wh, orientation):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=exif)
    checked = check_image(tmp_path / "a.jpg", [stated])
    assert checked.wh_px == wh
    assert checked.orientation == orientation


def test_paths_that_a_tool_wrote_are_found_by_their_last_part(tmp_path):
    content = plain_folder(tmp_path, images="images")
    for image, before in zip(
        content["images"], ("/data/upload/", "C:\\labels\\", "images/", "./"), strict=True
    ):
        image["file_name"] = before + image["file_name"]
    save(tmp_path / "annotations.json", content)
    assert read_folder(tmp_path).facts()["images"] == 4


def test_the_fingerprint_is_about_content_alone(tmp_path):
    plain_folder(tmp_path / "a")
    one = read_folder(tmp_path / "a")
    shutil.move(tmp_path / "a", tmp_path / "b")
    other = read_folder(tmp_path / "b")
    assert one.fingerprint() == other.fingerprint()
    assert pickle.loads(pickle.dumps(other)).fingerprint() == one.fingerprint()
    content = json.loads((tmp_path / "b" / "annotations.json").read_text())
    content["annotations"][0]["bbox"][0] += 1
    save(tmp_path / "b" / "annotations.json", content)
    assert read_folder(tmp_path / "b").fingerprint() != one.fingerprint()


@pytest.fixture(scope="module")
def two_pictures(tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    return directory, plain_folder(directory, 2)


NUMBERS = st.sampled_from([0, 1, 3, "1", -1, 1e400, None, [], "a"])
IMAGES = st.fixed_dictionaries(
    {"id": NUMBERS, "file_name": st.sampled_from(["0.png", "1.png", "", ".", "..", 7, "\0"])},
    optional={"width": NUMBERS, "height": NUMBERS},
)
BOXES = st.fixed_dictionaries(
    {"image_id": NUMBERS, "category_id": NUMBERS},
    optional={"bbox": st.lists(NUMBERS, max_size=5) | NUMBERS, "iscrowd": NUMBERS},
)
KINDS = st.fixed_dictionaries({"id": NUMBERS, "name": st.text(max_size=5) | NUMBERS})


def lists(of):
    return st.lists(of | NUMBERS, max_size=5)


@given(sound=st.booleans(), images=lists(IMAGES), boxes=lists(BOXES), kinds=lists(KINDS))
def test_whatever_a_tool_writes_is_read_or_refused(two_pictures, sound, images, boxes, kinds):
    directory, content = two_pictures
    strange = {"images": images, "annotations": boxes, "categories": kinds}
    if sound:
        strange = {part: [*strange[part], *content[part]] for part in content}
    save(directory / "annotations.json", strange)
    try:
        folder = read_folder(directory)
    except UserError:
        return
    assert folder.training
    assert folder.held_out
    facts = folder.facts()
    assert facts["boxes"] == sum(facts["boxes_by_category"].values()) > 0
    others = ("images", "categories", "items of 'images'", "items of 'categories'")
    left_out = sum(n for why, n in folder.left_out.items() if not why.startswith(others))
    # Each box is used or counted, whatever is wrong with it. No image is both.
    assert facts["boxes"] + left_out == len(strange["annotations"])
    assert all(count > 0 for count in (*folder.left_out.values(), *folder.changed.values()))
    assert folder.describe()


def test_numbers_written_as_text_are_the_same_numbers(tmp_path):
    content = plain_folder(tmp_path)
    for box in content["annotations"]:
        box["image_id"] = str(box["image_id"])
    save(tmp_path / "annotations.json", content)
    assert read_folder(tmp_path).facts()["boxes"] == 4


def test_no_annotations(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"tried annotations/instances\*\.json"):
        read_folder(tmp_path)
    (tmp_path / "broken.json").write_text('{"images": [')
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UserError, match=r"broken\.json .*list\.json \(needs lists images"):
        read_folder(tmp_path)


def test_a_list_that_stands_twice_is_refused(tmp_path):
    content = plain_folder(tmp_path)
    text = json.dumps(content)[:-1] + ', "annotations": []}'
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(UserError, match="the key 'annotations' stands in one object twice"):
        read_folder(tmp_path)


def test_most_pictures_missing(tmp_path):
    plain_folder(tmp_path)
    for name in "012":
        (tmp_path / f"{name}.png").unlink()
    with pytest.raises(UserError, match=r"3 of 4 images .* such as 0\.png"):
        read_folder(tmp_path)


def test_too_little_to_learn_from(tmp_path):
    plain_folder(tmp_path / "one", 1)
    with pytest.raises(UserError, match=r"has 1 image that .* at least two") as error:
        read_folder(tmp_path / "one")
    assert "training" not in str(error.value)  # evaluations read folders, too
    content = plain_folder(tmp_path / "none")
    for box in content["annotations"]:
        box["iscrowd"] = 1
    save(tmp_path / "none" / "annotations.json", content)
    with pytest.raises(UserError, match=r"no boxes .* 4 crowds"):
        read_folder(tmp_path / "none")
    content["categories"][0]["name"] = " , "
    save(tmp_path / "none" / "annotations.json", content)
    with pytest.raises(UserError, match=r"no boxes .*1 categories that can't .* such as ','"):
        read_folder(tmp_path / "none")


def test_a_category_that_cannot_be_asked_for_is_left_out_with_its_boxes(tmp_path):
    content = plain_folder(tmp_path)
    content["categories"].append({"id": 4, "name": "x" * 3000})
    add_box(content, 0, 4, [1, 1, 9, 9])
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert folder.categories == ("bin",)
    assert folder.left_out == {
        "categories that can't be asked for": 1,
        "boxes of a category that can't be asked for": 1,
    }
    assert len(folder.describe()) < 400
    with pytest.raises(UserError, match="can't be asked for") as error:
        names_of("x" * 3000)
    assert len(str(error.value)) < 400
