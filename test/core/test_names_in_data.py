# SPDX-License-Identifier: Apache-2.0
"""A name that stands in data never leads out of its folder: the rule, and every reader of names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from lfmvl_ros.bags.reading import open_bag
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import inside, is_inside, without_links
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.datasets.image_finder import ImageFinder, listed_names
from lfmvl_ros.models.catalog import directory_of
from lfmvl_ros.models.checkpoint_files import check_directory

from ..bags.recordings import bag

WAYS = ("dots", "absolute", "link", "folder that is a link", "backslashes")


def led_out(folder: Path, secret: Path, way: str) -> str:
    """Make a way out of the folder to the file; return the name that takes it."""
    if way == "absolute":
        return str(secret)
    if way == "link":
        (folder / secret.name).symlink_to(secret)
        return secret.name
    if way == "folder that is a link":
        (folder / "sub").symlink_to(secret.parent)
        return f"sub/{secret.name}"
    dots = f"../{secret.parent.name}/{secret.name}"
    return dots.replace("/", "\\") if way == "backslashes" else dots


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "away").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize("way", [*WAYS, "loop"])
def test_the_rule(folder: Path, way: str) -> None:
    secret = folder.parent / "away" / "a.bin"
    secret.write_bytes(b"x")
    name = led_out(folder, secret, way) if way != "loop" else "round"
    if way == "loop":
        (folder / "round").symlink_to("round")
    with pytest.raises(UserError, match=r"index names '.*', which is outside of") as caught:
        inside(folder, name, "index")
    assert "copy the file there" in str(caught.value)


def test_what_stays_inside_is_fine(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.bin").write_bytes(b"x")
    (folder / "b.bin").symlink_to("sub/a.bin")
    for name in ("sub/a.bin", "sub\\a.bin", "b.bin", "not there", "..a", "a..b/c"):
        assert is_inside(inside(folder, name, "index"), folder)
    (folder.parent / "here").symlink_to(folder)  # a folder may itself be a link
    assert inside(folder.parent / "here", "sub/a.bin", "index").is_file()
    with pytest.raises(UserError):
        inside(folder, "a\0b", "index")


def coco(folder: Path, name: str) -> None:
    document = {
        "images": [{"id": 1, "file_name": name, "width": 40, "height": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20]}],
        "categories": [{"id": 1, "name": "tote"}],
    }
    (folder / "annotations.json").write_text(json.dumps(document))


def voc(folder: Path, name: str) -> None:
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "x.xml").write_text(
        f"<annotation><filename>{name}</filename><object><name>tote</name><bndbox><xmin>5</xmin>"
        "<ymin>5</ymin><xmax>25</xmax><ymax>25</ymax></bndbox></object></annotation>"
    )


def labelme(folder: Path, name: str) -> None:
    shape = {"label": "tote", "points": [[5, 5], [25, 25]], "shape_type": "rectangle"}
    document = {"imagePath": name, "imageWidth": 40, "imageHeight": 30, "shapes": [shape]}
    (folder / "x.json").write_text(json.dumps(document))


def yolo(folder: Path, name: str) -> None:
    """Names are not in its text: only what lies in ``images`` is read, by link or not."""
    (folder / "labels").mkdir()
    (folder / "images").mkdir()
    (folder / "images" / "x.png").symlink_to(
        name if name.startswith("/") else folder / name.replace("\\", "/")
    )
    (folder / "labels" / "x.txt").write_text("0 0.4 0.4 0.3 0.3\n")
    (folder / "data.yaml").write_text("names: [tote]\n")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("written", [coco, voc, labelme, yolo])
def test_labelled_folders(folder: Path, way: str, written: object) -> None:
    secret = folder.parent / "away" / "a.png"
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(secret)
    written(folder, led_out(folder, secret, way))  # type: ignore[operator]
    with pytest.raises(UserError, match=r"no pictures|outside|missing|can be used"):
        read_folder(folder)


@pytest.mark.parametrize("way", WAYS)
def test_bags(folder: Path, way: str) -> None:
    source = bag(folder / "bag", count=2)
    (file,) = source.glob("*.mcap")
    secret = Path(shutil.move(file, folder.parent / "away" / file.name))
    document = yaml.safe_load((source / "metadata.yaml").read_text())
    name = led_out(source, secret, way)
    if way in ("link", "folder that is a link"):
        (source / file.name).unlink(missing_ok=True)
        (source / file.name).symlink_to(secret)
        name = file.name
    document["rosbag2_bagfile_information"]["relative_file_paths"] = [name]
    (source / "metadata.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UserError, match="outside of"), open_bag(source):
        pass


def test_a_bag_whose_recorder_wrote_its_folder_before_the_name(folder: Path) -> None:
    source = bag(folder / "bag", count=2)
    (file,) = source.glob("*.mcap")
    text = (source / "metadata.yaml").read_text()
    (source / "metadata.yaml").write_text(text.replace(f"- {file.name}", f"- bag/{file.name}"))
    with open_bag(source) as opened:
        assert len(opened.topics) == 2


@pytest.mark.parametrize("endless", ["metadata.yaml", "bag.mcap"])
def test_a_bag_without_end(folder: Path, endless: str) -> None:
    source = bag(folder / "bag", count=2)
    (source / endless).unlink()
    (source / endless).symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"is a device|outside of"), open_bag(source):
        pass


@pytest.fixture
def checkpoint(folder: Path) -> Path:
    bundled = directory_of("bundled")
    assert bundled is not None
    copy = Path(shutil.copytree(bundled, folder / "copy"))
    shutil.move(copy / "model.safetensors", folder.parent / "away" / "a.safetensors")
    return copy


@pytest.mark.parametrize("way", WAYS)
def test_weights_of_a_checkpoint(checkpoint: Path, way: str) -> None:
    secret = checkpoint.parents[1] / "away" / "a.safetensors"
    shutil.copy(secret, checkpoint / "model-1.safetensors")
    name = led_out(checkpoint, secret, "link" if way == "link" else way)
    index = {"weight_map": {"one": "model-1.safetensors", "two": name}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"outside of|files beside it|is missing"):
        check_directory(checkpoint)


@pytest.mark.parametrize(
    ("file", "key"),
    [("config.json", "transformers_weights"), ("tokenizer_config.json", "fast_tokenizer_files")],
)
def test_other_names_in_a_checkpoint(checkpoint: Path, file: str, key: str) -> None:
    secret = checkpoint.parents[1] / "away" / "a.safetensors"
    shutil.copy(secret, checkpoint / "model.safetensors")
    document = json.loads((checkpoint / file).read_text())
    (checkpoint / file).write_text(json.dumps({**document, key: f"../../away/{secret.name}"}))
    with pytest.raises(UserError, match="files beside it"):
        check_directory(checkpoint)


def test_links_of_a_hubs_cache_are_its_own(checkpoint: Path) -> None:
    """``snapshots/COMMIT/x.safetensors`` is a link into ``blobs``."""
    root = checkpoint.parent / "models--owner--name"
    (root / "blobs").mkdir(parents=True)
    (root / "snapshots").mkdir()
    moved = Path(shutil.move(checkpoint, root / "snapshots" / "abc"))
    shutil.copy(root.parents[1] / "away" / "a.safetensors", root / "blobs" / "0a1b")
    (moved / "model-1.safetensors").symlink_to("../../blobs/0a1b")
    index = {"weight_map": {"one": "model-1.safetensors"}}
    (moved / "model.safetensors.index.json").write_text(json.dumps(index))
    check_directory(moved)


def test_the_folder_of_many_images_is_resolved_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    names = [f"{number}.png" for number in range(5)]
    for name in names:
        (tmp_path / "images" / name).write_bytes(b"x")
    resolved: list[Path] = []

    def counted(path: Path) -> Path:
        resolved.append(path)
        return without_links(path)

    for module in ("core.user_files", "datasets.image_finder"):
        monkeypatch.setattr(f"lfmvl_ros.{module}.without_links", counted)
    finder = ImageFinder(tmp_path, tmp_path / "labels.json", "", listed_names(names))
    assert all(isinstance(finder.find(name), Path) for name in names)
    assert resolved.count(tmp_path) == 1
