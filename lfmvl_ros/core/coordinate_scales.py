# SPDX-License-Identifier: Apache-2.0
"""The units in which a model may write coordinates: the one table of them."""

from __future__ import annotations

from dataclasses import dataclass

_SIDES = {"0-1": 1.0, "0-100": 100.0, "0-1000": 1000.0}
"""Unit -> the coordinate of the right or lower edge of the image."""

SCALE_NAMES = (*_SIDES, "pixels")
"""Every unit that the parser recognises, 0-1 first."""

PROMPT_SCALES = ("0-1", "0-1000")
"""The units that a prompt template (the catalogue's ``prompt.scale``) may state."""


@dataclass(frozen=True)
class Scale:
    """A unit of coordinates.

    Attributes:
        name: one of :data:`SCALE_NAMES`.
        extent: width and height of the image in this unit.
    """

    name: str
    extent: tuple[float, float]


UNIT = Scale("0-1", (1.0, 1.0))


def scale_named(name: str, wh: tuple[int, int]) -> Scale:
    """Return a unit for an image of ``wh`` pixels.

    Raises:
        KeyError: ``name`` is not in :data:`SCALE_NAMES`.
    """
    if name == UNIT.name:
        return UNIT
    if name == "pixels":
        return Scale(name, (float(wh[0]), float(wh[1])))
    side = _SIDES[name]
    return Scale(name, (side, side))


def side_of(name: str) -> float:
    """Return the largest coordinate of a unit that does not depend on the image, such as 1000.

    Raises:
        KeyError: ``name`` is ``pixels``, or not in :data:`SCALE_NAMES`.
    """
    return _SIDES[name]


def has_integers(name: str) -> bool:
    """True for units that are written as integers: all but 0-1. False for "", an unknown unit."""
    return name not in ("", UNIT.name)
