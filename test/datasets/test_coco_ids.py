# SPDX-License-Identifier: Apache-2.0
"""Ids that stand for two things are refused; what has none, and what is no object, is counted."""

import re

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco_reading import read_folder

from .coco_folders import add_box, plain_folder, save

NO_IDS = [None, "", " ", True, [1], {"a": 1}, "missing"]


def read(directory, content):
    save(directory / "annotations.json", content)
    return read_folder(directory)


def put(item, key, value):
    """Set a key, or leave it out."""
    item.pop(key, None)
    if value != "missing":
        item[key] = value


@pytest.mark.parametrize("again", [3, "3", 3.0])
def test_a_category_id_of_two_names_is_refused_with_both(tmp_path, again):
    content = plain_folder(tmp_path)
    content["categories"].append({"id": again, "name": "lid"})
    with pytest.raises(UserError, match="category id 3 twice, for 'bin' and 'lid'"):
        read(tmp_path, content)
    content["categories"][-1]["name"] = "bin"
    assert read(tmp_path, content).facts()["boxes_by_category"] == {"bin": 4}


def test_an_image_id_of_two_files_is_refused_with_both(tmp_path):
    content = plain_folder(tmp_path)
    content["images"][1]["id"] = "0"
    with pytest.raises(UserError, match=re.escape("image id 0 twice, for '0.png' and '1.png'")):
        read(tmp_path, content)
    content = plain_folder(tmp_path)
    content["images"].append(dict(content["images"][0]))
    folder = read(tmp_path, content)
    assert (folder.facts()["images"], folder.facts()["boxes"]) == (4, 4)


@pytest.mark.parametrize("none", NO_IDS)
def test_an_image_without_an_id_gets_no_boxes_of_another(tmp_path, none):
    content = plain_folder(tmp_path)
    put(content["images"][0], "id", none)
    put(content["annotations"][0], "image_id", none)
    folder = read(tmp_path, content)
    assert folder.left_out == {"images without an id": 1, "boxes without image_id": 1}
    assert "images without an id, such as 0.png" in folder.describe()
    assert (folder.facts()["images"], folder.facts()["boxes"]) == (3, 3)


@pytest.mark.parametrize("none", NO_IDS)
def test_a_category_without_an_id_gets_no_boxes_of_another(tmp_path, none):
    content = plain_folder(tmp_path)
    content["categories"].append({"name": "lid"})
    put(content["categories"][-1], "id", none)
    put(content["annotations"][0], "category_id", none)
    folder = read(tmp_path, content)
    assert folder.left_out == {"categories without an id": 1, "boxes without category_id": 1}
    assert folder.facts()["boxes_by_category"] == {"bin": 3}


def test_items_that_are_no_objects_are_counted(tmp_path):
    content = plain_folder(tmp_path)
    for part, others in (("images", ["0.png"]), ("annotations", [[1, 2], None]),
                         ("categories", ["bin", 3, False])):  # fmt: skip
        content[part] += others
    assert read(tmp_path, content).left_out == {
        "items of 'images' that are no JSON objects": 1,
        "items of 'annotations' that are no JSON objects": 2,
        "items of 'categories' that are no JSON objects": 3,
    }


@pytest.mark.parametrize("name", [None, ["bin"], {}, True])
def test_a_name_that_is_no_text_is_no_label(tmp_path, name):
    content = plain_folder(tmp_path)
    content["categories"].append({"id": 4, "name": name})
    add_box(content, 0, 4, [1, 1, 9, 9])
    folder = read(tmp_path, content)
    assert folder.categories == ("bin",)
    assert folder.left_out == {
        "categories that can't be asked for": 1,
        "boxes of a category that can't be asked for": 1,
    }


def test_unknown_ids_of_labels_that_were_looked_for_are_counted(tmp_path):
    content = plain_folder(tmp_path)
    content["categories"].append({"id": 4, "name": "lid"})
    for image in content["images"]:
        image |= {"neg_category_ids": [4, 99], "not_exhaustive_category_ids": "none"}
    assert read(tmp_path, content).left_out == {
        "neg_category_ids of no listed category": 4,
        "not_exhaustive_category_ids that are no lists": 4,
        "categories without a box": 1,
    }


def test_expressions_that_are_no_text_are_counted(tmp_path):
    content = plain_folder(tmp_path)
    content["annotations"][0] |= {"caption": 7, "sentences": [["a"], {"raw": "the left bin"}, {}]}
    content["annotations"][1] |= {"caption": None}
    folder = read(tmp_path, content)
    assert folder.expressions_left_out == {"referring expressions that are no text": 3}
    assert "left out: 3 referring expressions that are no text" in folder.describe()
    texts = [image.expressions for image in (*folder.training, *folder.held_out)]
    assert sorted(texts) == [(), (), (), ((0, "the left bin"),)]
