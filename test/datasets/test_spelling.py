# SPDX-License-Identifier: Apache-2.0
"""Data sets write the same thing in several ways; it is read once, and never taken for another."""

import json
import os
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.datasets.masks import box_of_mask
from lfmvl_ros.datasets.spelling import file_spellings, id_key, is_set

from .coco_folders import add_box, picture, plain_folder, save


@pytest.mark.parametrize("spell", [int, float, str, lambda n: f"{n}.0", lambda n: f"00{n}"])
@pytest.mark.parametrize("other", [int, str])
def test_ids_are_numbers_or_text(tmp_path, spell, other):
    content = plain_folder(tmp_path)
    for box in content["annotations"]:
        box["image_id"], box["category_id"] = spell(box["image_id"]), spell(box["category_id"])
    for item in (*content["images"], *content["categories"]):
        item["id"] = other(item["id"])
    save(tmp_path / "annotations.json", content)
    assert read_folder(tmp_path).facts()["boxes"] == 4


@pytest.mark.parametrize("flag", ["0", "0.0", "false", 0, 0.0, None, False, ""])
def test_a_flag_that_is_not_set(tmp_path, flag):
    content = plain_folder(tmp_path)
    for box in content["annotations"]:
        box["iscrowd"] = flag
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert (folder.facts()["boxes"], folder.left_out) == (4, {})
    assert is_set("1")


@pytest.mark.parametrize(
    ("on_disk", "written"),
    [
        ("a b.png", "a%20b.png"),
        ("a%20b.png", "a%20b.png"),
        ("A.PNG", "a.png"),
        ("a.png", "A.PNG"),
        (unicodedata.normalize("NFD", "café.png"), unicodedata.normalize("NFC", "café.png")),
        (unicodedata.normalize("NFC", "café.png"), unicodedata.normalize("NFD", "café.png")),
        ("sub/a.png", "sub\\a.png"),
        ("a.png", "C:\\Users\\me\\a.png"),
        ("a.png", "/home/me/labelling/a.png"),
        ("images/a.png", "a.png"),
        ("data/a.png", "a.png"),
        ("images/Sub/A.png", "sub/a.PNG"),
    ],
)
def test_names_of_files(tmp_path, on_disk, written):
    content = plain_folder(tmp_path, where="labels.json")
    (tmp_path / "0.png").unlink()
    picture(tmp_path / on_disk)
    content["images"][0]["file_name"] = written
    save(tmp_path / "labels.json", content)
    folder = read_folder(tmp_path)
    assert (folder.facts()["boxes"], folder.left_out) == (4, {})


def test_the_same_name_in_two_folders_is_never_merged(tmp_path):
    content = plain_folder(tmp_path, images="images")
    content["images"][0]["file_name"] = "cam1/0.png"  # neither folder is there, and one file is
    content["images"][1]["file_name"] = "cam2/0.png"
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert folder.left_out["images whose file is missing"] == 2
    assert folder.facts()["boxes"] == 2
    for camera in ("cam1", "cam2"):
        picture(tmp_path / camera / "0.png")
    folder = read_folder(tmp_path)
    assert (folder.facts()["boxes"], folder.facts()["images"]) == (4, 4)
    assert all(len(image.kinds) == 1 for image in (*folder.training, *folder.held_out))


def test_a_name_that_fits_two_files_is_none(tmp_path):
    content = plain_folder(tmp_path)
    content["images"][0]["file_name"] = "ABC.png"
    for name in ("abc.png", "Abc.png"):
        picture(tmp_path / name)
    save(tmp_path / "annotations.json", content)
    assert read_folder(tmp_path).left_out["images whose name fits several files"] == 1


@pytest.mark.parametrize("way", ["..", "link", "folder of links", "absolute"])
def test_a_picture_outside_the_folder_is_never_read(tmp_path, way):
    inside = tmp_path / "data"
    content = plain_folder(inside)
    picture(tmp_path / "secret.png")
    (inside / "0.png").unlink()
    if way == "..":
        content["images"][0]["file_name"] = "../secret.png"
    elif way == "absolute":
        content["images"][0]["file_name"] = str(tmp_path / "secret.png")
    elif way == "link":
        os.symlink(tmp_path / "secret.png", inside / "0.png")
    else:
        os.symlink(tmp_path, inside / "more")
        content["images"][0]["file_name"] = "more/secret.png"
    save(inside / "annotations.json", content)
    folder = read_folder(inside)
    assert folder.facts()["images"] == 3
    reason = "file is missing" if way == "absolute" else "outside the folder"
    assert sum(n for what, n in folder.left_out.items() if reason in what) == 1


def turned_picture(path):
    """Stored 40 x 30, to be shown 30 x 40."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(path, exif=exif)


@pytest.mark.parametrize(
    ("stated", "bbox", "wh_px", "changed"),
    [
        ((40, 30), [2, 25, 10, 14], (30, 40), 1),  # states the stored size, drawn on the shown one
        ((80, 60), [4, 50, 20, 28], (30, 40), 1),  # of another scale as well
        ((30, 40), [25, 2, 14, 10], (40, 30), 1),
        (None, [25, 2, 14, 10], (40, 30), 1),
        ((40, 30), [25, 2, 14, 10], (40, 30), 0),
        ((30, 40), [2, 25, 10, 14], (30, 40), 0),
        (None, [2, 2, 10, 10], (30, 40), 0),
    ],
)
def test_boxes_decide_how_a_picture_is_turned(tmp_path, stated, bbox, wh_px, changed):
    content = plain_folder(tmp_path, 3)
    turned_picture(tmp_path / "t.jpg")
    image = {"id": 9, "file_name": "t.jpg"}
    if stated:
        image |= {"width": stated[0], "height": stated[1]}
    content["images"].append(image)
    add_box(content, 9, 3, bbox)
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    (found,) = (p for p in (*folder.training, *folder.held_out) if p.name == "t.jpg")
    assert found.wh_px == wh_px
    assert folder.changed.get("images turned so that their boxes fit", 0) == changed
    scale = 2 if stated == (80, 60) else 1
    x, y, width, height = (value / scale for value in bbox)
    expected = np.array([x, y, x + width, y + height]) / (*wh_px, *wh_px)
    np.testing.assert_allclose(found.xyxy[0], expected, atol=1e-9)


def test_clipping_is_counted_and_said(tmp_path):
    content = plain_folder(tmp_path)
    add_box(content, 0, 3, [-5, 5, 20, 10])
    add_box(content, 1, 3, [30, 20, 12, 11])
    add_box(content, 2, 3, [30, 20, 10.4, 10.4])  # rounding
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert folder.changed == {"boxes clipped to their image": 2}
    assert "changed: 2 boxes clipped to their image" in folder.describe()
    assert folder.facts()["changed"] == folder.changed


@pytest.mark.parametrize("empty", [{}, {"bbox": []}, {"bbox": None}])
def test_masks_without_boxes_give_boxes(tmp_path, empty):
    content = plain_folder(tmp_path)
    for box in content["annotations"]:
        del box["bbox"]
        box |= {"segmentation": [[5, 10, 15, 10, 15, 20, 5, 20]], **empty}
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    assert folder.changed == {"boxes taken from masks": 4}
    np.testing.assert_allclose(folder.training[0].xyxy, [[5 / 40, 10 / 30, 15 / 40, 20 / 30]])


def text_of_runs(runs):
    """COCO's text of run lengths, written down once more from its description."""
    text = ""
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        while True:
            low, value = value & 31, value >> 5
            more = value != (-1 if low & 16 else 0)
            text += chr(48 + low + 32 * more)
            if not more:
                break
    return text


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_boxes_of_run_lengths(height, width, data):
    cells = height * width
    drawn = data.draw(st.lists(st.booleans(), min_size=cells, max_size=cells))
    mask = np.array(drawn).reshape(height, width)
    runs, inside, length = [], False, 0
    for value in mask.T.ravel():
        if value != inside:
            runs.append(length)
            inside, length = value, 0
        length += 1
    runs.append(length)
    rows, columns = np.nonzero(mask)
    expected = None
    if len(rows):
        left, top = columns.min(), rows.min()
        expected = [left, top, columns.max() - left + 1, rows.max() - top + 1]
    for counts in (runs, text_of_runs(runs)):
        assert box_of_mask({"size": [height, width], "counts": counts}) == expected


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner) | st.dictionaries(
                        st.sampled_from(["size", "counts", "x"]), inner)))  # fmt: skip
def test_any_mask_gives_a_box_or_none(segmentation):
    box = box_of_mask(segmentation)
    assert box is None or (len(box) == 4 and np.isfinite(box).all())


@given(st.text())
def test_any_name_has_relative_spellings(name):
    for spelling in file_spellings(name):
        assert not spelling.startswith("/")
    assert isinstance(id_key(name), str)


def test_thirty_thousand_categories(tmp_path):
    content = plain_folder(tmp_path)
    content["categories"] += [{"id": n, "name": f"thing {n}"} for n in range(100, 30_100)]
    add_box(content, 0, 30_000, [1, 1, 9, 9])
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    assert read_folder(tmp_path).categories == ("bin", "thing 30000")


def test_json_that_is_nested_without_end_is_named(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(
        UserError, match=r"deep\.json can't be read \(its JSON is nested too deeply\)"
    ):
        read_folder(tmp_path)
