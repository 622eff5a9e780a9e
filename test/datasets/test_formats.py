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
    assert folder.left_out == {
        "malformed boxes (not 4 numbers)": 2,
        "boxes of a class number that nothing names": 1,
    }
    assert "'7 0.25 0.5 0.25 0.3333' of images/train/0.png" in folder.describe()
    assert folder.categories == ("bin",)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 320 240 100 80", "boxes with shares outside 0 to 1 (are they pixels?)"),
        ("1 0.5 0.5 3 0.2", "boxes with shares outside 0 to 1 (are they pixels?)"),
        ("1 0.5 0.5 -0.2 0.2", "boxes of negative width or height"),
        ("1 0.5 0.5 0 0.2", "empty boxes"),
        ("1 nan 0.5 0.2 0.2", "boxes with NaN or infinity"),
        ("1.7 0.5 0.5 0.2 0.2", "malformed boxes (not 4 numbers)"),
        ("1 0.1 0.1 0.2 0.1 0.2 0.2 0.1", "malformed boxes (not 4 numbers)"),  # half a point
        ("-1 0.5 0.5 0.2 0.2", "boxes of a class number that nothing names"),
        ("2 0.5 0.5 0.2 0.2", "boxes of a class number that nothing names"),
    ],
)
def test_a_line_of_yolo_that_is_no_box_is_named(tmp_path, line, reason):
    yolo(tmp_path, f"1 0.25 0.5 0.25 0.333333333\n{line}\n")
    assert_one_bin_each(tmp_path)
    assert read_folder(tmp_path).left_out == {reason: 4}


def test_files_of_yolo_that_do_not_go_together_are_counted(tmp_path):
    yolo(tmp_path, "1 0.25 0.5 0.25 0.333333333\n", count=6)
    write(tmp_path / "labels" / "train" / "gone.txt", "1 0.25 0.5 0.25 0.3\n")
    picture(tmp_path / "images" / "train" / "5.jpg")  # beside 5.png
    assert assert_one_bin_each(tmp_path, 5).left_out == {
        "images that share a label file with another one": 2,
        "label files without an image": 1,
    }


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("names: {0: lid, first: bin}", "`names` has 'first: bin'; it is a list of names"),
        ("names: {0: lid, 1: null}", "`names` has '1: None'"),
        ("names: bin", "`names` has 'bin: bin'"),
        ("names: [lid, [bin]]", r"`names` has \"1: \['bin'\]\""),
        ("names: [", r"that names their class numbers \(.*data\.yaml can't be read as YAML"),
    ],
)
def test_names_of_yolo_that_are_none_are_refused(tmp_path, names, says):
    yolo(tmp_path, "1 0.25 0.5 0.25 0.333333333\n", names)
    with pytest.raises(UserError, match=says):
        read_folder(tmp_path)


def test_two_files_that_name_the_classes_differently_are_refused(tmp_path):
    yolo(tmp_path, "1 0.25 0.5 0.25 0.333333333\n")
    write(tmp_path / "old.yaml", "names: [lid, bin]\n")
    assert_one_bin_each(tmp_path)
    write(tmp_path / "old.yaml", "names: [bin, lid]\n")
    with pytest.raises(UserError, match=r"data\.yaml and old\.yaml in .* name different classes"):
        read_folder(tmp_path)


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


@pytest.mark.parametrize(
    ("before", "after", "left_out"),
    [
        ("<xmax>15", "<xmax>2", "boxes of negative width or height"),
        ("<xmax>15", "<xmax>left", "malformed boxes (not 4 numbers)"),
        ("<xmin>6</xmin>", "", "malformed boxes (not 4 numbers)"),
        ("<width>40", "<width>30", "images that can't be used"),
    ],
)
def test_what_is_wrong_with_pascal_voc_is_named(tmp_path, before, after, left_out):
    for i in range(4):
        picture(tmp_path / f"{i}.png")
        write(tmp_path / f"{i}.xml", VOC.format(name=f"{i}.png"))
    write(tmp_path / "0.xml", VOC.format(name="0.png").replace(before, after))
    write(tmp_path / "settings.xml", "<settings/>")
    counts = read_folder(tmp_path).left_out
    assert counts[left_out] == 1
    assert counts["XML files that are no annotation of Pascal VOC"] == 1


def test_two_files_about_one_image_are_refused_with_both(tmp_path):
    for i in range(4):
        picture(tmp_path / "voc" / f"{i}.png")
        write(tmp_path / "voc" / f"{i}.xml", VOC.format(name="0.png" if i == 2 else f"{i}.png"))
        picture(tmp_path / "labelme" / f"{i}.png")
        name = "0.png" if i == 2 else f"{i}.png"
        document = {"imagePath": name, "shapes": [], "imageWidth": 40, "imageHeight": 30}
        write(tmp_path / "labelme" / f"{i}.json", json.dumps(document))
    with pytest.raises(UserError, match=r"0\.xml and .*2\.xml are both about the image '0\.png'"):
        read_folder(tmp_path / "voc")
    with pytest.raises(UserError, match=r"0\.json and .*2\.json are both about the image '0\.png'"):
        read_folder(tmp_path / "labelme")


def test_without_a_file_name_pascal_voc_is_about_the_image_beside_it(tmp_path):
    for i in range(4):
        picture(tmp_path / f"{i}.png")
        write(tmp_path / f"{i}.xml", VOC.replace("<filename>{name}</filename>", ""))
    assert_one_bin_each(tmp_path)


def test_what_is_wrong_with_labelme_is_counted(tmp_path):
    rectangle = {"shape_type": "rectangle", "points": [[15, 20], [5, 10]], "label": "bin"}
    for i in range(4):
        picture(tmp_path / f"{i}.png")
        document = {"imagePath": f"{i}.png", "imageWidth": 40, "imageHeight": 30,
                    "shapes": [rectangle]}  # fmt: skip
        if i == 0:
            point = {"shape_type": "point", "points": [[1, 1]], "label": "bin"}
            document["shapes"] += ["text", point, {**rectangle, "label": None}]
        write(tmp_path / f"{i}.json", json.dumps(document))
    write(tmp_path / "damaged.json", "")
    assert assert_one_bin_each(tmp_path).left_out == {
        "shapes that give no box (points, or unreadable)": 2,
        "JSON files that are no labels of LabelMe": 1,
        "categories that can't be asked for": 1,
        "boxes of a category that can't be asked for": 1,
    }


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


@pytest.fixture(scope="module")
def yolo_folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("yolo")
    yolo(directory, "1 0.25 0.5 0.25 0.333333333\n")
    return directory


VALUES = st.sampled_from(["0", "1", "2", "-1", "0.5", "0.2", "1.5", "nan", "1e400", "x", "320"])
LINES = st.lists(st.lists(VALUES, max_size=9).map(" ".join), max_size=5)


@given(LINES)
@examples(60)
def test_each_line_of_yolo_is_used_or_counted(yolo_folder, lines):
    (yolo_folder / "labels" / "train" / "0.txt").write_text("\n".join(lines))
    folder = read_folder(yolo_folder)
    left_out = sum(
        count for why, count in folder.left_out.items() if not why.startswith("categories")
    )
    assert folder.facts()["boxes"] + left_out == 3 + sum(map(bool, map(str.strip, lines)))
