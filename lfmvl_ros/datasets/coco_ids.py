# SPDX-License-Identifier: Apache-2.0
"""Ids of images and categories: each stands for one thing, or the file is refused.

An annotation names its image and its category by their ids. Where an id is missing, nothing can
belong to it: what has none is left out and counted, and so is an annotation that names none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.safe_text import quoted, shown_value
from lfmvl_ros.datasets.coco import names_of
from lfmvl_ros.datasets.left_out import LeftOut
from lfmvl_ros.datasets.spelling import id_key, loose, plain_text

UNNAMED = "categories that can't be asked for"

Names = tuple[str, ...]
"""The names that a question may use for a category, the plain one first."""


def objects_of(items: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the JSON objects of a list; :func:`count_others` counts what else is in it."""
    return [item for item in items if isinstance(item, dict)]


def count_others(content: Mapping[str, Any], parts: Iterable[str], left_out: LeftOut) -> None:
    """Count what is in the lists of an annotation file, and is no JSON object."""
    for part in parts:
        others = [item for item in content[part] if not isinstance(item, dict)]
        example = shown_value(others[0], 40) if others else ""
        left_out.add(f"items of {part!r} that are no JSON objects", example, len(others))


def category_name(value: object) -> str:
    """Return the name of a category as text; "" if it is not a name.

    >>> category_name("bin"), category_name(7), category_name(None), category_name(["bin"])
    ('bin', '7', '', '')
    """
    return plain_text(value) if isinstance(value, str) or is_number(value) else ""


def categories_by_id(
    file: Path | str, categories: Iterable[Any], left_out: LeftOut
) -> dict[str, Names | None]:
    """Return the names of each category of a file by its id; None where it can't be asked for.

    Args:
        file: for the message.
        categories: as the file lists them.
        left_out: takes what can't be used.

    Raises:
        UserError: an id stands for two names.
    """
    found: dict[str, Names | None] = {}
    written: dict[str, str] = {}
    for category in objects_of(categories):
        name, number = category_name(category.get("name")), id_key(category.get("id"))
        if not number:
            left_out.add("categories without an id", quoted(name))
            continue
        if written.setdefault(number, name) != name:
            raise UserError(
                f"{file} has category id {number} twice, for {quoted(written[number])} and "
                f"{quoted(name)}; give each category an id of its own"
            )
        if number in found:
            continue
        try:
            found[number] = names_of(name)
        except UserError:
            left_out.add(UNNAMED, quoted(name))
            found[number] = None
    return found


class ImageIds:
    """The ids of one file's images: each stands for one file name.

    Args:
        file: for the message.
    """

    def __init__(self, file: Path | str) -> None:
        self._file = file
        self._names: dict[str, str] = {}

    def is_again(self, number: str, file_name: str) -> bool:
        """Note an image, and return whether the same one had this id before.

        Raises:
            UserError: another one had it.
        """
        if number not in self._names:
            self._names[number] = file_name
            return False
        before = self._names[number]
        if loose(before) != loose(file_name):
            raise UserError(
                f"{self._file} has image id {number} twice, for {quoted(before)} and "
                f"{quoted(file_name)}; give each image an id of its own"
            )
        return True


def reference_problem(
    annotation: Mapping[str, Any], images: Mapping[str, Any], categories: Mapping[str, Any]
) -> str:
    """Return why an annotation belongs to no image or no category, as a reason; "" if it does.

    Args:
        annotation: with ``image_id`` and ``category_id``.
        images: by id; None for those that can't be used.
        categories: likewise.
    """
    image, category = id_key(annotation.get("image_id")), id_key(annotation.get("category_id"))
    if not image:
        return "boxes without image_id"
    if image not in images:
        return "boxes of an image that is not listed"
    if images[image] is None:
        return "boxes of unusable images"
    if not category:
        return "boxes without category_id"
    if category not in categories:
        return "boxes of a category that is not listed"
    return "boxes of a category that can't be asked for" if categories[category] is None else ""


def listed_categories(
    image: Mapping[str, Any], key: str, categories: Mapping[str, Any], left_out: LeftOut
) -> set[str]:
    """Return the ids of categories that an image lists under a key of LVIS.

    Unknown ones are counted: without them, labels that were looked for would not be known as such.
    """
    value = image.get(key)
    if value is None:
        return set()
    if not isinstance(value, list):
        left_out.add(f"{key} that are no lists", shown_value(value, 40))
        return set()
    known = {number for item in value if (number := id_key(item)) in categories}
    others = [item for item in value if id_key(item) not in categories]
    left_out.add(
        f"{key} of no listed category", shown_value(others[0], 40) if others else "", len(others)
    )
    return known
