# SPDX-License-Identifier: Apache-2.0
"""Folders of other formats are read as the same boxes, or refused by their name."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco_images import CocoImages
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.datasets.formats.yolo import _parsed

from ..examples import examples
from .coco_folders import add_box, picture, plain_folder, save

BOX = np.array([5 / 40, 10 / 30, 15 / 40, 20 / 30])  # of images of 40 x 30


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def boxes(folder):
    pictures = (*folder.training, *folder.held_out)
    return {p.name: (p.kinds.tolist(), p.xyxy) for p in pictures}


def assert_one_bin_each(directory, count=4):
    folder = read_folder(directory)
    assert folder.categories == ("bin",)
    assert folder.facts()["images"] == count
    for kinds, xyxy in boxes(folder).values():
        assert kinds == [0]
        np.testing.assert_allclose(xyxy, [BOX], atol=1e-6)
    return folder


def yolo(directory, line, names="names: [lid, bin]\n", count=4, split="train"):
    for i in range(count):
        picture(directory / "images" / split / f"{i}.png")
        write(directory / "labels" / split / f"{i}.txt", line)
    if names:
        write(directory / "data.yaml", names)


@pytest.mark.parametrize("names", ["names: [lid, bin]\n", "names:\n  0: lid\n  1: bin\n"])
@pytest.mark.parametrize(
    "line",
    [
        "1 0.25 0.5 0.25 0.333333333\n",
        "1 0.25 0.5 0.25 0.333333333 0.97\n\n",
        "1 0.125 0.333333333 0.375 0.333333333 0.375 0.666666667 0.125 0.666666667",
    ],
)
def test_yolo(tmp_path, line, names):
    yolo(tmp_path, line, names)
    assert_one_bin_each(tmp_path)


def test_yolo_splits_backgrounds_and_what_is_wrong(tmp_path):
    yolo(tmp_path, "1 0.25 0.5 0.25 0.333333333\n", count=3)
    yolo(tmp_path, "1 0.25 0.5 0.25 0.333333333\n", count=2, split="val")
    picture(tmp_path / "images" / "train" / "empty.png")
    write(tmp_path / "labels" / "train" / "0.txt", "1 0.5\nwords\n7 0.25 0.5 0.25 0.3333\n")
    folder = read_folder(tmp_path)
    assert [p.name for p in folder.held_out] == ["images/val/0.png", "images/val/1.png"]
    assert boxes(folder)["images/train/empty.png"][0] == []
    assert folder.left_out["empty boxes"] == 2
    assert folder.categories == ("class 7", "bin")


def test_yolo_names_of_a_text_file_and_none(tmp_path):
    yolo(tmp_path, "1 0.25 0.5 0.25 0.333333333\n", names="")
    with pytest.raises(UserError, match=r"YOLO format, and nothing that names .* add data\.yaml"):
        read_folder(tmp_path)
    write(tmp_path / "classes.txt", "lid\nbin\n")
    assert_one_bin_each(tmp_path)


def test_yolo_is_about_the_picture_as_it_is_shown(tmp_path):
    yolo(tmp_path, "1 0.25 0.5 0.25 0.333333333\n", count=2)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "images" / "train" / "9.jpg"
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(path, exif=exif)
    write(tmp_path / "labels" / "train" / "9.txt", "1 0.5 0.9 0.5 0.2")
    folder = read_folder(tmp_path)
    (turned,) = (p for p in (*folder.training, *folder.held_out) if p.wh_px == (30, 40))
    np.testing.assert_allclose(turned.xyxy, [[0.25, 0.8, 0.75, 1.0]], atol=1e-6)


VOC = """<annotation><folder>x</folder><filename>{name}</filename>
<size><width>40</width><height>30</height><depth>3</depth></size>
<object><name>bin</name><difficult>0</difficult>
<bndbox><xmin>6</xmin><ymin>11</ymin><xmax>15</xmax><ymax>20</ymax></bndbox></object></annotation>"""


@pytest.mark.parametrize(
    ("xml", "images"), [("Annotations", "JPEGImages"), ("", ""), ("annotations", "images")]
)
def test_pascal_voc(tmp_path, xml, images):
    for i in range(4):
        picture(tmp_path / images / f"{i}.png")
        write(tmp_path / xml / f"{i}.xml", VOC.format(name=f"{i}.png"))
    if xml == "Annotations":
        write(tmp_path / "ImageSets" / "Main" / "val.txt", "2\n")
        assert [p.name for p in assert_one_bin_each(tmp_path).held_out] == ["JPEGImages/2.png"]
    assert_one_bin_each(tmp_path)


def test_damaged_and_hostile_xml_is_refused_within_moments(tmp_path):
    picture(tmp_path / "0.png")
    write(tmp_path / "0.xml", VOC.format(name="0.png")[:-20])
    with pytest.raises(UserError, match=r"0\.xml can't be read as XML"):
        read_folder(tmp_path)
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    write(
        tmp_path / "0.xml",
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><annotation>&l11;</annotation>',
    )
    with pytest.raises(UserError, match=r"0\.xml can't be read as XML"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "shape",
    [
        {"shape_type": "rectangle", "points": [[15, 20], [5, 10]]},
        {"shape_type": "polygon", "points": [[5, 10], [15, 10], [15, 20], [5, 20]]},
        {"shape_type": "circle", "points": [[10, 15], [15, 15]]},
    ],
)
def test_labelme(tmp_path, shape):
    for i in range(4):
        picture(tmp_path / f"{i}.png")
        document = {
            "version": "5", "imagePath": f"..\\photos\\{i}.png", "imageData": None,
            "imageWidth": 40, "imageHeight": 30, "shapes": [{"label": "bin", **shape}],
        }  # fmt: skip
        write(tmp_path / f"{i}.json", json.dumps(document))
    assert_one_bin_each(tmp_path)


def test_lvis_names_pictures_by_their_address(tmp_path):
    content = plain_folder(tmp_path, where="lvis_v1_train.json", images="train2017")
    for image in content["images"]:
        name = image.pop("file_name")
        image["coco_url"] = f"http://images.cocodataset.org/train2017/{name}"
    save(tmp_path / "lvis_v1_train.json", content)
    assert_one_bin_each(tmp_path)


def test_lvis_asks_only_for_what_was_looked_for(tmp_path):
    content = plain_folder(tmp_path, 3, where="lvis_v1_train.json")
    content["categories"] += [{"id": 4, "name": "lid"}, {"id": 5, "name": "cart"}]
    for image in content["images"]:
        image |= {"neg_category_ids": [4], "not_exhaustive_category_ids": []}
    content["images"][1]["not_exhaustive_category_ids"] = [3]
    add_box(content, 0, 4, [1, 1, 9, 9])
    add_box(content, 1, 5, [1, 1, 9, 9])
    save(tmp_path / "lvis_v1_train.json", content)
    folder = read_folder(tmp_path)
    source = CocoImages(folder)
    asked = {
        picture.name: (shown.words.kinds, [shown.words.kinds[t.kind] for t in shown.targets])
        for picture in (*folder.training, *folder.held_out)
        for shown in [source.whole(picture)]
    }
    assert asked == {
        "0.png": (("bin", "lid"), ["bin", "lid"]),
        "1.png": (("lid", "cart"), ["cart"]),
        "2.png": (("bin", "lid"), ["bin"]),
    }


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.xml", '<annotations><version>1.1</version><image id="0"/></annotations>', "CVAT"),
        ("a.json", '[{"annotations": [{"result": [], "completed_by": 1}]}]', "Label Studio"),
        ("a.json", '{"_via_img_metadata": {}}', "VGG Image Annotator"),
        ("a.json", '[{"annotations": [{"coordinates": {"x": 1}}]}]', "CreateML"),
        ("a.tfrecord", "x", "TFRecord"),
        ("metadata.jsonl", '{"file_name": "a.png"}', "Hugging Face"),
        ("boxes.csv", "ImageID,XMin,XMax", "CSV"),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path, name, content, says):
    write(tmp_path / name, content)
    with pytest.raises(UserError, match=rf"looks like {says}.*, which is not read"):
        read_folder(tmp_path)


@given(st.text(alphabet="0123456789.-e nai", max_size=60), st.booleans())
@examples(60)
def test_any_line_of_yolo_is_a_box_or_none(line, points):
    kind, box = _parsed(line, points)
    assert isinstance(kind, int)
    assert box is None or len(box) == 4
