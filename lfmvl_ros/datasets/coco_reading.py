# SPDX-License-Identifier: Apache-2.0
"""Read a folder in COCO format; whatever can't be used is counted.

The format: https://cocodataset.org/#format-data, object detection.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.datasets.coco import CocoFolder, CocoImage, boxes_from_xywh, names_of
from lfmvl_ros.datasets.coco_categories import without_unused
from lfmvl_ros.datasets.coco_files import (
    AnnotationFile,
    CheckedImage,
    annotation_files,
    check_images,
)
from lfmvl_ros.datasets.coco_listed import (
    ListedImage,
    box_of,
    boxes_misfit,
    file_name_of,
    note_checked,
    objects_of,
    overhang_px,
    size_of_boxes,
)
from lfmvl_ros.datasets.coco_split import split_images
from lfmvl_ros.datasets.expressions import expressions_of, usable_expressions
from lfmvl_ros.datasets.image_finder import ImageFinder, listed_names
from lfmvl_ros.datasets.spelling import id_key, is_set, plain_text

CROWDS = "crowds (iscrowd)"
"""The reason for which a training leaves areas with uncounted objects out."""

_NO_BOX = [float("nan")] * 4
_MOST_UNUSABLE = 0.5
_ROUNDING_PX = 1.0  # over the edge by less is no clipping


class _Reader:
    """Puts the annotation files of a folder together, counting what can't be used."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.names: list[tuple[str, ...]] = []
        self._numbers: dict[str, int] = {}  # index into names by the plain name in small letters
        self.listed: dict[Path, ListedImage] = {}
        self.left_out: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self.expressions_left_out: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.pictures = 0

    def leave_out(self, reason: str, example: str = "") -> None:
        """Count something that can't be used."""
        self.left_out[reason] += 1
        if example:
            self.examples.setdefault(reason, example)

    def add(self, file: AnnotationFile, listed: Counter[str]) -> None:
        """Take over one file's images and boxes."""
        kinds = self._kinds(file.content["categories"])
        finder = ImageFinder(self.directory, file.path, file.split, listed)
        by_id: dict[str, ListedImage | None] = {}
        for image in objects_of(file.content["images"]):
            number, picture = id_key(image.get("id")), self._picture(image, finder, file.split)
            if number in by_id and by_id[number] is not picture:
                self.leave_out("ids that two images have", number)
                picture = None
            by_id[number] = picture
            if picture is not None and "neg_category_ids" in image:
                note_checked(picture, image, kinds)
        for box in objects_of(file.content["annotations"]):
            number, category = id_key(box.get("image_id")), id_key(box.get("category_id"))
            kind = kinds.get(category)
            if number not in by_id:
                self.leave_out("boxes of an image that is not listed")
                continue
            picture = by_id[number]
            if picture is None:
                self.leave_out("boxes of unusable images")
            elif is_set(box.get("iscrowd")):
                self.leave_out(CROWDS)
                if kind is not None:
                    picture.crowd_kinds.append(kind)
                    picture.crowd_xywh_px.append(box_of(box)[0] or _NO_BOX)
            elif kind is None:
                why = "can't be asked for" if category in kinds else "is not listed"
                self.leave_out(f"boxes of a category that {why}")
            else:
                texts = expressions_of(box)
                picture.expressions += [(len(picture.kinds), text) for text in texts]
                picture.kinds.append(kind)
                picture.xywh_px.append(self._xywh(box))

    def _kinds(self, categories: list[Any]) -> dict[str, int | None]:
        """Return the number of each category by its id; None where it can't be asked for."""
        kinds: dict[str, int | None] = {}
        for category in objects_of(categories):
            name = plain_text(category.get("name", ""))
            try:
                names = names_of(name)
            except UserError:
                self.leave_out("categories that can't be asked for", quoted(name))
                kinds[id_key(category.get("id"))] = None
                continue
            number = self._numbers.setdefault(names[0].casefold(), len(self.names))
            if number == len(self.names):
                self.names.append(names)
            elif names != self.names[number]:
                self.names[number] = tuple(dict.fromkeys((*self.names[number], *names)))
            kinds[id_key(category.get("id"))] = number
        return kinds

    def _xywh(self, box: dict[str, Any]) -> list[float]:
        """The box, or that of its mask; NaN where it has none: an empty one."""
        xywh, of_mask = box_of(box)
        self.changed["boxes taken from masks"] += of_mask
        return xywh or _NO_BOX

    def _picture(
        self, image: dict[str, Any], finder: ImageFinder, split: str
    ) -> ListedImage | None:
        self.pictures += 1
        file_name = file_name_of(image)
        path = finder.find(file_name)
        if isinstance(path, str):
            self.leave_out(path, file_name or "one without file_name")
            return None
        try:
            stated = (int(image["width"]), int(image["height"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            stated = (0, 0)
        inside = Path(os.path.relpath(path, self.directory)).as_posix()
        entry = ListedImage(inside, split, stated if min(stated) > 0 else None)
        known = self.listed.setdefault(path.resolve(), entry)
        if known is not entry:
            self.pictures -= 1  # listed by another file as well: boxes of both count
            known.split = "val" if "val" in (known.split, split) else known.split
        return known

    def usable(self) -> list[tuple[CocoImage, str]]:
        """Every image that can be decoded, with its split, in the order of its name."""
        paths = sorted(self.listed, key=lambda path: self.listed[path].name)
        checks = check_images([(path, self.listed[path].stated_wh_px) for path in paths])
        pictures = []
        for path, check in zip(paths, checks, strict=True):
            listed = self.listed[path]
            if isinstance(check, CheckedImage):
                picture = self._converted(path, listed, check)
                if picture.checked is None or set(picture.checked) & set(picture.kinds.tolist()):
                    pictures.append((picture, listed.split))
                else:
                    self.pictures -= 1
                    self.leave_out("images without a category that was searched to its end")
                continue
            self.leave_out("images that can't be used", f"{listed.name}, which {check}")
            for _ in listed.kinds:
                self.leave_out("boxes of unusable images")
        return pictures

    def _converted(self, path: Path, listed: ListedImage, check: CheckedImage) -> CocoImage:
        check = self._turned_to_fit(listed, check)
        about = size_of_boxes(listed, check)
        xywh_px = np.array(listed.xywh_px).reshape(-1, 4)
        xyxy, empty, outside = boxes_from_xywh(xywh_px, about)
        for reason, which in (("empty boxes", empty), ("boxes outside their image", outside)):
            for _ in range(int(which.sum())):
                self.leave_out(reason, listed.name)
        kept = ~(empty | outside)
        cut = kept & (overhang_px(xywh_px, about) > _ROUNDING_PX)
        self.changed["boxes clipped to their image"] += int(cut.sum())
        kinds = np.array(listed.kinds, np.int64)[kept]
        checked = None
        if listed.checked is not None:
            checked = tuple(sorted((listed.checked | set(listed.kinds)) - listed.unfinished))
        where = (path, listed.name, check.wh_px, check.orientation)
        areas, *unusable = boxes_from_xywh(np.array(listed.crowd_xywh_px).reshape(-1, 4), about)
        usable = ~(unusable[0] | unusable[1])
        crowds = np.array(listed.crowd_kinds, np.int64)[usable], areas[usable]
        expressions, refused = usable_expressions(listed.expressions, kept.tolist())
        self.expressions_left_out.update(refused)
        return CocoImage(*where, kinds, xyxy[kept], checked, *crowds, expressions)

    def _turned_to_fit(self, listed: ListedImage, check: CheckedImage) -> CheckedImage:
        """The image turned the other way, where only then its boxes are in it.

        Annotations may state the size of the stored image and hold boxes of the one that EXIF
        turns, and the other way round, or state none.
        """
        if check.other is None or not listed.xywh_px:
            return check
        xywh_px = np.array(listed.xywh_px)
        now, then = (
            boxes_misfit(xywh_px, size_of_boxes(listed, each)) for each in (check, check.other)
        )
        if not now or then:
            return check
        self.changed["images turned so that their boxes fit"] += 1
        return check.other


def read_folder(directory: Path, *, least: int = 2) -> CocoFolder:
    """Read a folder in COCO format and look at each of its images once.

    A ``val`` split is what the training is judged by, a ``test`` split is left alone; without a
    ``val`` split a tenth of the images, chosen by their names, is kept for judging.

    Args:
        directory: the folder.
        least: images that are needed. A training needs two, an evaluation one, which is then held
            out.

    Raises:
        UserError: no annotations, fewer than ``least`` images, no boxes, or more than half of the
            images missing or damaged.
    """
    reader = _Reader(directory)
    files, strange = annotation_files(directory)
    for what in strange:
        reader.leave_out("JSON files that hold no annotations of objects", what)
    names = [file_name_of(item) for file in files for item in objects_of(file.content["images"])]
    listed = listed_names(names)
    for file in files:
        if file.split == "test":
            reader.left_out["images of a test split"] += len(file.content["images"])
        else:
            reader.add(file, listed)
    pictures = reader.usable()
    _check(reader, pictures, least)
    training, held_out = split_images(pictures)
    if least > 1 and not any(len(picture.kinds) for picture in training):
        raise UserError(f"all boxes of {directory} are in its val split; annotate the train split")
    used, crowded, *parts = without_unused(reader.names, training, held_out)
    for category in reader.names:
        if category not in used:
            reader.leave_out("categories without a box", repr(category[0]))
    return CocoFolder(
        directory,
        used,
        parts[0],
        parts[1],
        dict(reader.left_out),
        reader.examples,
        dict(+reader.changed),
        dict(reader.expressions_left_out),
        crowded,
    )


def _check(reader: _Reader, pictures: list[tuple[CocoImage, str]], least: int) -> None:
    unusable = reader.pictures - len(pictures)
    if unusable > _MOST_UNUSABLE * reader.pictures:
        reasons = [
            f"{reader.left_out[reason]} {reason}, such as {example}"
            for reason, example in reader.examples.items()
            if reason.startswith("images")
        ]
        raise UserError(
            f"{unusable} of {reader.pictures} images of {reader.directory} can't be used "
            f"({'; '.join(reasons)}); put the images where the annotations say they are"
        )
    left_out = ", ".join(
        f"{count} {reason}"
        + (f", such as {shown}" if (shown := reader.examples.get(reason)) else "")
        for reason, count in reader.left_out.items()
    )
    left_out = f" (left out: {left_out})" if left_out else ""
    if len(pictures) < least:
        count = "1 image" if pictures else "no image"
        needed = "at least two are needed" if least > 1 else "one is needed"
        raise UserError(f"{reader.directory} has {count} that can be used{left_out}; {needed}")
    if not any(len(picture.kinds) for picture, _ in pictures):
        raise UserError(
            f"{reader.directory} has no boxes that can be used{left_out}; annotate objects with "
            "bbox, [x, y, width, height] in pixels"
        )
