# SPDX-License-Identifier: Apache-2.0
"""Folders in YOLO format: ``labels/*.txt`` beside ``images/``, names in ``data.yaml``.

A line is a class number and centre x, centre y, width, height as shares of the image; or the class
and the corners of a polygon (https://docs.ultralytics.com/datasets/detect/ and /segment/). Shares
are of the image as its EXIF data turns it, as Ultralytics reads it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_folder import is_image_name
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import is_below, read_text, read_yaml, without_links
from lfmvl_ros.datasets.annotated_box import MALFORMED
from lfmvl_ros.datasets.coco_ids import category_name
from lfmvl_ros.datasets.formats import Builder, inside
from lfmvl_ros.datasets.image_sizes import shown_size, stored_size
from lfmvl_ros.datasets.masks import box_of_points

_NAME_FILES = ("classes.txt", "obj.names", "labels.txt")
_OUTSIDE = "boxes with shares outside 0 to 1 (are they pixels?)"
_UNNAMED = "boxes of a class number that nothing names"
_SHARED = "images that share a label file with another one"
_NO_IMAGE = "label files without an image"
_SLACK = 0.01  # of the image: rounding, and polygons drawn a little over the edge

Names = dict[int, str]


def read_yolo(directory: Path) -> dict[str, Builder]:
    """Return what is read by split; empty where this is not such a folder.

    Raises:
        UserError: there are labels, and no names for their class numbers, or two files with
            different ones.
    """
    label_folders = [path for path in sorted(directory.rglob("labels")) if path.is_dir()]
    pairs = [(path.parent / "images", path) for path in label_folders]
    pairs = [pair for pair in pairs if pair[0].is_dir() and any(pair[1].rglob("*.txt"))]
    if not pairs:
        return {}
    names, has_points = class_names(directory)
    builders: dict[str, Builder] = {}
    real = without_links(directory)
    strange: list[tuple[str, str]] = []
    for images, labels in pairs:
        unused = {path for path in labels.rglob("*.txt") if path.name not in _NAME_FILES}
        there = [path for path in sorted(images.rglob("*")) if is_image_name(path.name)]
        texts = [labels / path.relative_to(images).with_suffix(".txt") for path in there]
        shared = Counter(texts)
        for path, text in zip(there, texts, strict=True):
            unused.discard(text)
            name = inside(path, directory)
            if shared[text] > 1 and text.is_file():
                strange.append((_SHARED, name))
                continue
            builder = builders.setdefault(inside(path.parent, directory), Builder())
            wh_px = _shown_wh(path, real)
            builder.image(name, wh_px, path)
            _add(builder, name, wh_px, text, names, has_points)
        strange += [(_NO_IMAGE, inside(path, directory)) for path in sorted(unused)]
    builders.setdefault("", Builder()).left_out += strange
    return builders


def _add(
    builder: Builder, name: str, wh_px: tuple[int, int] | None, text: Path, names: Names,
    points: bool,
) -> None:  # fmt: skip
    """Add the boxes of a label file; if there is no such file, nothing is in the image."""
    lines = read_text(text, replace=True).splitlines() if text.is_file() else []
    width, height = wh_px or (1, 1)  # an image without a size can't be used anyway
    for line in filter(str.strip, lines):
        kind, xywh = _parsed(line, points)
        reason = ""
        if xywh is None:
            reason = MALFORMED
        elif kind not in names:
            reason = _UNNAMED
        elif not _are_shares(xywh):
            reason = _OUTSIDE
        if reason or xywh is None:
            builder.leave_out(reason, f"{line.strip()[:60]!r} of {name}")
            continue
        scaled = [value * (width, height)[i % 2] for i, value in enumerate(xywh)]
        builder.box(name, names[kind], scaled)


def _are_shares(xywh: list[float]) -> bool:
    """Whether a box is one of shares: what is larger than the image was written in pixels."""
    x, y, width, height = xywh
    low, high = min(x, y, x + width, y + height), max(x, y, x + width, y + height)
    return not (low < -_SLACK or high > 1 + _SLACK)


def _parsed(line: str, points: bool) -> tuple[int, list[float] | None]:
    """Class and left, top, width, height as shares; None for what is not a box.

    Behind the four numbers of a box may be a confidence, and key points where there are ``points``.
    """
    try:
        first, *rest = (float(value) for value in line.split())
        kind = int(first)
        if kind != first:
            return -1, None
        if len(rest) in (4, 5) or (points and len(rest) > 4):
            x, y, width, height = rest[:4]
            return kind, [x - width / 2, y - height / 2, width, height]
        return kind, box_of_points(rest) if len(rest) >= 6 else None
    except (ValueError, OverflowError):
        return -1, None


def _shown_wh(path: Path, real_directory: Path) -> tuple[int, int] | None:
    if not path.is_file() or not is_below(path, real_directory):
        return None  # it is left out, and counted, when it is looked for
    try:
        return shown_size(*stored_size(path))
    except Exception:  # whatever a decoder raises on damaged bytes; it is counted when it is read
        return None


def class_names(directory: Path) -> tuple[Names, bool]:
    """Names by class number, and whether lines have key points behind their box.

    Raises:
        UserError: nothing names them, or two YAML files do it differently.
    """
    found: dict[str, tuple[Names, bool]] = {}
    strange = []
    for path in sorted((*directory.glob("*.yaml"), *directory.glob("*.yml"))):
        try:
            content = read_yaml(path)
        except UserError as error:
            strange.append(str(error))
            continue
        if isinstance(content, dict) and content.get("names"):
            found[path.name] = _listed_names(path, content["names"]), "kpt_shape" in content
    for file, one in found.items():
        first = next(iter(found))
        if one != found[first]:
            raise UserError(
                f"{first} and {file} in {directory} name different classes; keep the one that is "
                "about these labels"
            )
    if found:
        return next(iter(found.values()))
    for name in _NAME_FILES:
        for path in (directory / name, directory / "labels" / name):
            if path.is_file():
                lines = read_text(path, replace=True).splitlines()
                return {i: line.strip() for i, line in enumerate(lines) if line.strip()}, False
    raise UserError(
        f"{directory} holds labels in YOLO format, and nothing that names their class numbers"
        + (f" ({'; '.join(strange)})" if strange else "")
        + "; add data.yaml with `names: [first, second]`, or classes.txt with one name a line"
    )


def _listed_names(path: Path, names: object) -> Names:
    """Names as a YAML file has them: a list, or a mapping of class numbers to them."""
    items = dict(enumerate(names)) if isinstance(names, list) else names
    numbers: Names = {}
    for key, value in items.items() if isinstance(items, dict) else [(names, names)]:
        name = category_name(value)
        if isinstance(key, bool) or not str(key).strip().isdecimal() or not name:
            raise UserError(
                f"{path}: `names` has {quoted(f'{key}: {value}')}; it is a list of names, or a "
                "mapping of class numbers, from 0, to names"
            )
        numbers[int(str(key))] = name
    return numbers
