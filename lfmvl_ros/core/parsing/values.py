# SPDX-License-Identifier: Apache-2.0
"""Converts boxes in any form that models generate into four numbers and their layout."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from lfmvl_ros.core.parsing.nodes import Container, Document, Node, Scalar

XYXY, XYWH, CXCYWH = "xyxy", "xywh", "cxcywh"

_DIGITS = r"[-+]?(?:\d{1,20}(?:\.(\d{0,20}))?|\.(\d{1,20}))(?:[eE]([-+]?\d{1,3}))?"
_NUMBER = re.compile(rf"\s{{0,8}}({_DIGITS})\s{{0,8}}(?:px|pixels|%)?\s{{0,8}}")
_NUMBER_IN_STRING = re.compile(_DIGITS)
_NOT_FINITE = re.compile(r"[-+]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_MAX_BOX_STRING = 120

# Names of the four numbers of a box given as an object, without "_", "-" and spaces.
_CORNER_NAMES: tuple[tuple[str, tuple[str, str, str, str]], ...] = (
    (XYXY, ("x1", "y1", "x2", "y2")),
    (XYXY, ("xmin", "ymin", "xmax", "ymax")),
    (XYXY, ("minx", "miny", "maxx", "maxy")),
    (XYXY, ("left", "top", "right", "bottom")),
    (XYXY, ("x0", "y0", "x1", "y1")),
    (XYWH, ("x", "y", "w", "h")),
    (XYWH, ("x", "y", "width", "height")),
    (XYWH, ("left", "top", "width", "height")),
    (XYWH, ("x1", "y1", "w", "h")),
    (XYWH, ("x1", "y1", "width", "height")),
    (XYWH, ("xmin", "ymin", "width", "height")),
    (CXCYWH, ("cx", "cy", "w", "h")),
    (CXCYWH, ("cx", "cy", "width", "height")),
    (CXCYWH, ("xcenter", "ycenter", "width", "height")),
    (CXCYWH, ("centerx", "centery", "width", "height")),
)


@dataclass(frozen=True)
class Number:
    """A printed number: its value, how many decimals it was printed with, and where."""

    value: float
    decimals: int
    span: tuple[int, int]


@dataclass(frozen=True)
class RawBox:
    """Four finite numbers in the order of ``layout``, in the model's unit."""

    numbers: tuple[Number, Number, Number, Number]
    layout: str = XYXY


class NoBoxError(Exception):
    """A value is not a box. ``cut`` is True if it was cut off by the end of the text."""

    def __init__(self, reason: str, *, cut: bool = False) -> None:
        super().__init__(reason)
        self.cut = cut


def fold_key(text: str) -> str:
    """Return a key in the form in which keys are compared.

    >>> fold_key(" Bounding-Box_2D ")
    'boundingbox2d'
    """
    return "".join(c for c in text[:64].casefold() if c.isalnum())


def read_boxes(document: Document, node: Node, layout: str = XYXY) -> list[RawBox]:
    """Return the boxes in a value, at least one.

    Understands ``[a, b, c, d]``, ``[[x, y], [x, y]]``, polygons of such points, ``{"x": ..}``
    points, objects with named sides, lists of all these, and the same written as a string.

    Raises:
        NoBoxError: with the reason.
    """
    if isinstance(node, Scalar):
        return [_box_from_string(document, node, layout)]
    if node.kind == "{":
        return [_box_from_names(document, node)]
    if not node.items:
        raise NoBoxError("its box is empty", cut=node.open_at_end)
    if all(isinstance(item, Scalar) for item in node.items):
        return [_box_from_list(document, node, layout)]
    points = [_point(document, item) for item in node.items]
    if all(points) and len(points) > 1:
        if node.open_at_end and len(points) != 2:
            raise NoBoxError("it is cut off", cut=True)
        return [_box_around([p for p in points if p is not None])]
    boxes = []
    for item in node.items:
        boxes += read_boxes(document, item, layout)
    return boxes


def looks_like_numbers(document: Document, node: Node) -> bool:
    """Return True for an array that starts with a number and holds scalars only."""
    if isinstance(node, Scalar) or node.kind != "[" or not node.items:
        return False
    scalars = all(isinstance(item, Scalar) for item in node.items)
    return scalars and _has_number(document, node.items[0])


def has_side_names(names: set[str]) -> bool:
    """Return True when keys (folded) name the four sides of a box."""
    return any(names.issuperset(sides) for _, sides in _CORNER_NAMES)


def box_from_sides(document: Document, fields: dict[str, Node]) -> RawBox:
    """Return the box whose sides are named by the keys (folded) of ``fields``.

    Raises:
        NoBoxError: the names are unknown, or a side is not a number.
    """
    for layout, sides in _CORNER_NAMES:
        if fields.keys() >= set(sides):
            a, b, c, d = (_number(document, fields[side]) for side in sides)
            return RawBox((a, b, c, d), layout)
    raise NoBoxError(f"its box has no sides that are known, but {', '.join(fields) or 'nothing'}")


def _has_number(document: Document, node: Node) -> bool:
    try:
        _number(document, node)
    except NoBoxError:
        return False
    return True


def _number(document: Document, node: Node) -> Number:
    if not isinstance(node, Scalar):
        raise NoBoxError("a coordinate is not a number")
    if not node.terminated:
        raise NoBoxError("it is cut off", cut=True)
    text = document.text[node.start : min(node.end, node.start + 64)]
    match = _NUMBER.fullmatch(text) if node.end - node.start <= 64 else None
    if match is None:
        finite = "finite" if _NOT_FINITE.fullmatch(text) else "a number"
        raise NoBoxError(f"a coordinate is not {finite}: {text[:20]!r}")
    if node.kind == "string":
        document.repairs.add("number written as a string", node.start)
    return _as_number(match.groups(), node.start + match.start(1), node.start + match.end(1))


def _as_number(groups: tuple[str | None, ...], start: int, end: int) -> Number:
    text, fraction, bare_fraction, exponent = groups
    value = float(text or "nan")
    if not math.isfinite(value):
        raise NoBoxError(f"a coordinate is not finite: {text!r}")
    decimals = len(fraction or bare_fraction or "") - int(exponent or 0)
    return Number(value, min(max(decimals, 0), 6), (start, end))


def _box_from_list(document: Document, node: Container, layout: str) -> RawBox:
    numbers = [_number(document, item) for item in node.items]
    if len(numbers) != 4:
        reason = f"its box has {len(numbers)} numbers instead of 4"
        raise NoBoxError(reason, cut=node.open_at_end and len(numbers) < 4)
    a, b, c, d = numbers
    return RawBox((a, b, c, d), layout)


def _box_from_string(document: Document, node: Scalar, layout: str) -> RawBox:
    if not node.terminated:
        raise NoBoxError("it is cut off", cut=True)
    if node.kind != "string":
        text = document.text[node.start : min(node.end, node.start + 20)]
        raise NoBoxError(f"its box is not a list of numbers: {text!r}")
    text = document.text[node.start : min(node.end, node.start + _MAX_BOX_STRING)]
    if _NOT_FINITE.search(text):
        raise NoBoxError(f"a coordinate is not finite: {text[:40]!r}")
    numbers = [
        _as_number((m.group(), *m.groups()), node.start + m.start(), node.start + m.end())
        for m in _NUMBER_IN_STRING.finditer(text)
    ]
    if len(numbers) != 4 or node.end - node.start > _MAX_BOX_STRING:
        raise NoBoxError(f"its box is not a list of 4 numbers: {text[:20]!r}")
    document.repairs.add("box written as a string", node.start)
    a, b, c, d = numbers
    return RawBox((a, b, c, d), layout)


def _box_from_names(document: Document, node: Container) -> RawBox:
    fields: dict[str, Node] = {}
    for key, item in zip(node.keys, node.items, strict=True):
        if key is not None:
            fields[fold_key(document.string(key))] = item
    try:
        return box_from_sides(document, fields)
    except NoBoxError as error:
        raise NoBoxError(str(error), cut=error.cut or node.open_at_end) from None


def _point(document: Document, node: Node) -> tuple[Number, Number] | None:
    """Return ``[x, y]`` or ``{"x": x, "y": y}`` as a pair, None when it is neither."""
    if isinstance(node, Scalar) or len(node.items) != 2:
        return None
    pair = list(node.items)
    if node.kind == "{":
        names = [fold_key(document.string(key)) if key else "" for key in node.keys]
        if sorted(names) != ["x", "y"]:
            return None
        pair = pair if names[0] == "x" else pair[::-1]
    if not all(isinstance(item, Scalar) for item in pair):
        return None
    return _number(document, pair[0]), _number(document, pair[1])


def _box_around(points: list[tuple[Number, Number]]) -> RawBox:
    """Return two corners as they are, or the box around a polygon."""
    if len(points) == 2:
        return RawBox((*points[0], *points[1]))
    xs = sorted((x for x, _ in points), key=lambda number: number.value)
    ys = sorted((y for _, y in points), key=lambda number: number.value)
    return RawBox((xs[0], ys[0], xs[-1], ys[-1]))
