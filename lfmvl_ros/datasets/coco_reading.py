# SPDX-License-Identifier: Apache-2.0
"""Read a folder in COCO format; whatever can't be used is counted.

The format: https://cocodataset.org/#format-data, object detection.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.annotated_box import OF_MASKS, annotated_box
from lfmvl_ros.datasets.coco import CocoFolder, CocoImage
from lfmvl_ros.datasets.coco_categories import without_unused
from lfmvl_ros.datasets.coco_converting import converted
from lfmvl_ros.datasets.coco_files import PARTS, AnnotationFile, annotation_files
from lfmvl_ros.datasets.coco_ids import (
    ImageIds,
    categories_by_id,
    count_others,
    objects_of,
    reference_problem,
)
from lfmvl_ros.datasets.coco_listed import (
    NOT_LOOKED_FOR,
    SIZE_UNREADABLE,
    ListedImage,
    file_name_of,
    note_checked,
    stated_size,
)
from lfmvl_ros.datasets.coco_split import split_images
from lfmvl_ros.datasets.expressions import NO_TEXT, expressions_of
from lfmvl_ros.datasets.image_finder import ImageFinder, listed_names
from lfmvl_ros.datasets.image_sizes import CheckedImage, check_images
from lfmvl_ros.datasets.left_out import LeftOut, reason_phrases
from lfmvl_ros.datasets.occlusion import hidden_share
from lfmvl_ros.datasets.spelling import id_key, is_set

CROWDS = "crowds (iscrowd)"
"""The reason for which a training leaves areas with uncounted objects out."""

_UNUSABLE = "boxes of unusable images"
_MOST_UNUSABLE = 0.5


class _Reader:
    """Puts the annotation files of a folder together, counting what can't be used."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.names: list[tuple[str, ...]] = []
        self._numbers: dict[str, int] = {}  # index into names by the plain name in small letters
        self.listed: dict[Path, ListedImage] = {}
        self.left_out = LeftOut()
        self.changed = LeftOut()
        self.expressions_left_out: Counter[str] = Counter()
        self.pictures = 0

    def add(self, file: AnnotationFile, listed: Counter[str]) -> None:
        """Take over one file's images and boxes.

        Raises:
            UserError: an id stands for two images or two categories.
        """
        for reason, example in file.left_out:
            self.left_out.add(reason, example)
        count_others(file.content, PARTS, self.left_out)
        kinds = self._kinds(file)
        finder = ImageFinder(self.directory, file.path, file.split, listed)
        ids = ImageIds(file.path)
        by_id: dict[str, ListedImage | None] = {}
        for image in objects_of(file.content["images"]):
            number, file_name = id_key(image.get("id")), file_name_of(image)
            if not number:
                self.pictures += 1
                self.left_out.add("images without an id", file_name)
                continue
            ids.is_again(number, file_name)
            picture = by_id[number] = self._picture(image, finder, file.split)
            if picture is not None and NOT_LOOKED_FOR in image:
                note_checked(picture, image, kinds, self.left_out)
        for box in objects_of(file.content["annotations"]):
            self._add_box(box, by_id, kinds)

    def _add_box(
        self,
        annotation: dict[str, Any],
        by_id: Mapping[str, ListedImage | None],
        kinds: Mapping[str, int | None],
    ) -> None:
        problem = reference_problem(annotation, by_id, kinds)
        kind = kinds.get(id_key(annotation.get("category_id")))
        picture = by_id.get(id_key(annotation.get("image_id")))
        box = annotated_box(annotation)
        if picture is not None and is_set(annotation.get("iscrowd")):
            self.left_out.add(CROWDS)
            if kind is not None:
                picture.add_crowd(kind, box)
            return
        if problem or box.problem or picture is None or kind is None:
            self.left_out.add(problem or box.problem, "" if picture is None else picture.name)
            return
        picture.note_mask(box)
        self.changed.add(OF_MASKS, picture.name, int(box.of_mask))
        texts, others = expressions_of(annotation)
        self.expressions_left_out[NO_TEXT] += others
        picture.expressions += [(len(picture.kinds), text) for text in texts]
        picture.kinds.append(kind)
        picture.xywh_px.append(box.xywh_px)
        picture.hidden.append(hidden_share(annotation))

    def _kinds(self, file: AnnotationFile) -> dict[str, int | None]:
        """Return the number of each category by its id; None where it can't be asked for."""
        kinds: dict[str, int | None] = {}
        listed = categories_by_id(file.path, file.content["categories"], self.left_out)
        for category, names in listed.items():
            if names is None:
                kinds[category] = None
                continue
            number = self._numbers.setdefault(names[0].casefold(), len(self.names))
            if number == len(self.names):
                self.names.append(names)
            elif names != self.names[number]:
                self.names[number] = tuple(dict.fromkeys((*self.names[number], *names)))
            kinds[category] = number
        return kinds

    def _picture(
        self, image: dict[str, Any], finder: ImageFinder, split: str
    ) -> ListedImage | None:
        self.pictures += 1
        file_name = file_name_of(image)
        path = finder.find(file_name)
        if isinstance(path, str):
            self.left_out.add(path, file_name or "one without file_name")
            return None
        stated, can_be_read = stated_size(image)
        if not can_be_read:
            self.changed.add(SIZE_UNREADABLE, file_name)
        inside = Path(os.path.relpath(path, self.directory)).as_posix()
        entry = ListedImage(inside, split)
        known = self.listed.setdefault(path.resolve(), entry)
        known.stated.setdefault(stated)
        if known is not entry:
            self.pictures -= 1  # listed by another file as well: boxes of both count
            known.split = "val" if "val" in (known.split, split) else known.split
        return known

    def usable(self) -> list[tuple[CocoImage, str]]:
        """Every image that can be decoded, with its split, in the order of its name."""
        paths = sorted(self.listed, key=lambda path: self.listed[path].name)
        checks = check_images([(path, self.listed[path].stated) for path in paths])
        pictures = []
        for path, check in zip(paths, checks, strict=True):
            listed = self.listed[path]
            if isinstance(check, CheckedImage):
                picture = converted(path, listed, check, self.left_out, self.changed,
                                    self.expressions_left_out)  # fmt: skip
                if picture.checked is None or set(picture.checked) & set(picture.kinds.tolist()):
                    pictures.append((picture, listed.split))
                else:
                    self.pictures -= 1
                    self.left_out.add("images without a category that was searched to its end")
                continue
            self.left_out.add("images that can't be used", f"{listed.name}, which {check}")
            self.left_out.add(_UNUSABLE, "", len(listed.kinds))
        return pictures


def read_folder(directory: Path, *, least: int = 2) -> CocoFolder:
    """Read a folder in COCO format and look at each of its images once.

    A ``val`` split is what the training is judged by, a ``test`` split is left alone; without a
    ``val`` split a tenth of the images, chosen by their names, is kept for judging.

    Args:
        directory: the folder.
        least: images that are needed. A training needs two, an evaluation one, which is then held
            out.

    Raises:
        UserError: no annotations, fewer than ``least`` images, no boxes, more than half of the
            images missing or damaged, or an id that stands for two images or two categories.
    """
    reader = _Reader(directory)
    files, strange = annotation_files(directory)
    for what in strange:
        reader.left_out.add("JSON files that hold no annotations of objects", what)
    names = [file_name_of(item) for file in files for item in objects_of(file.content["images"])]
    listed = listed_names(names)
    for file in files:
        if file.split == "test":
            count = len(file.content["images"])
            reader.left_out.add("images of a test split", count=count)
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
            reader.left_out.add("categories without a box", repr(category[0]))
    return CocoFolder(
        directory,
        used,
        parts[0],
        parts[1],
        left_out=dict(reader.left_out.counts),
        changed=dict(reader.changed.counts),
        examples={**reader.changed.examples, **reader.left_out.examples},
        expressions_left_out=dict(+reader.expressions_left_out),
        crowd_names=crowded,
    )


def _check(reader: _Reader, pictures: list[tuple[CocoImage, str]], least: int) -> None:
    unusable = reader.pictures - len(pictures)
    if unusable > _MOST_UNUSABLE * reader.pictures:
        examples = reader.left_out.examples
        reasons = reason_phrases(
            {each: reader.left_out.counts[each] for each in examples if each.startswith("images")},
            examples,
        )
        raise UserError(
            f"{unusable} of {reader.pictures} images of {reader.directory} can't be used "
            f"({'; '.join(reasons)}); put the images where the annotations say they are"
        )
    left_out = ", ".join(reason_phrases(reader.left_out.counts, reader.left_out.examples))
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
