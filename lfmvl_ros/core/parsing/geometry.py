# SPDX-License-Identifier: Apache-2.0
"""Converts four printed numbers to a box in pixels, with the uncertainty due to rounding.

The scale is that of the whole answer; :mod:`lfmvl_ros.core.parsing.scales` decides it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, clip
from lfmvl_ros.core.coordinate_scales import UNIT, Scale
from lfmvl_ros.core.parsing.scales import CoordinateScale, Decision, decide_scale
from lfmvl_ros.core.parsing.values import CXCYWH, XYWH, RawBox

OUTSIDE_TOLERANCE = 0.25
"""A side outside the image by up to this share of it is clipped; further out, the box is wrong."""
SIGMA_FLOOR_PX = 0.5
"""Lower limit of the standard deviation of a side, so that no box is trusted without limit."""
_MAX_TOKEN_SIGMA = 0.1

# Rows: x1, y1, x2, y2; columns: the four printed numbers.
_TO_XYXY = {
    XYWH: np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]], dtype=np.float64),
    CXCYWH: np.array(
        [[1, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]], dtype=np.float64
    ),
}


@dataclass(frozen=True, eq=False)
class PlacedBoxes:
    """Boxes in pixels.

    Attributes:
        xyxy_px: ``(N, 4)``; only rows with an empty ``problems`` entry are boxes.
        sigma_px: ``(N, 4)`` standard deviation of each side.
        problems: per box why it can't be used, or "".
        repairs: per box what was repaired.
        scale: the recognised scale.
        remark: what a user should know about the scale, "" for nothing.
    """

    xyxy_px: FloatArray
    sigma_px: FloatArray
    problems: tuple[str, ...]
    repairs: tuple[tuple[str, ...], ...]
    scale: Scale
    remark: str = ""


def place_boxes(
    boxes: Sequence[RawBox],
    wh: tuple[int, int],
    *,
    decimals: int,
    sigma_steps: FloatArray | None = None,
    coordinates: CoordinateScale | None = None,
) -> PlacedBoxes:
    """Return the boxes of one answer in pixels of an image of ``(width, height)``.

    Args:
        boxes: as printed.
        wh: size of the image the answer is about.
        decimals: how many the checkpoint prints for shares of 1; 0 for integer grids.
        sigma_steps: ``(N, 4)`` deviation of each printed number in units of its last digit.
        coordinates: the model's unit; None decides from these boxes alone.
    """
    n = len(boxes)
    printed = np.array([[x.value for x in box.numbers] for box in boxes]).reshape(n, 4)
    transforms = np.array([_TO_XYXY.get(box.layout, np.eye(4)) for box in boxes]).reshape(n, 4, 4)
    with np.errstate(over="ignore", invalid="ignore"):
        raw = np.einsum("nij,nj->ni", transforms, printed)
    usable = np.isfinite(raw).all(axis=1) & (np.abs(raw) < 1e7).all(axis=1)
    places = np.array([[x.decimals for x in box.numbers] for box in boxes], dtype=np.int64)
    decision = _decide(raw[usable], places.reshape(n, 4)[usable], wh, decimals, coordinates)
    scale = decision.scale
    per_unit = np.array([wh[0] / scale.extent[0], wh[1] / scale.extent[1]] * 2)
    raw[~usable] = 0.0

    shown = max((x.decimals for box in boxes for x in box.numbers), default=0)
    step = 10.0 ** -(max(shown, decimals) if scale is UNIT else shown)
    variance = np.full((n, 4), step**2 / 12)
    if sigma_steps is not None:
        limit = _MAX_TOKEN_SIGMA * min(scale.extent)
        variance = variance + np.minimum(sigma_steps * step, limit) ** 2
    variance = np.einsum("nij,nj->ni", transforms**2, variance)
    sigma_px = np.maximum(np.sqrt(variance) * per_unit, SIGMA_FLOOR_PX)

    placed, repairs = _sort_corners(raw * per_unit, [box.layout for box in boxes])
    xyxy_px = clip(placed, wh)
    problems = []
    for i, box in enumerate(boxes):
        problems.append(_problem(box, placed[i], xyxy_px[i], wh, usable=bool(usable[i])))
        if (np.abs(placed[i] - xyxy_px[i]) > 1e-6 * max(wh)).any():
            repairs[i].append("clipped to the image")
    repaired = tuple(map(tuple, repairs))
    return PlacedBoxes(xyxy_px, sigma_px, tuple(problems), repaired, scale, decision.remark)


def _decide(
    xyxy: FloatArray,
    places: NDArray[np.int64],
    wh: tuple[int, int],
    decimals: int,
    coordinates: CoordinateScale | None,
) -> Decision:
    """Return the unit; one other than the prompt asked for, that nobody stated, is remarked."""
    if coordinates is not None:
        was_held = coordinates.held
        decision = coordinates.decide(xyxy, places, wh)
        if was_held or decision.remark:
            return decision
        scale = decision.scale
    else:
        scale = decide_scale(xyxy, wh, expects_unit=decimals > 0)
    guessed = len(xyxy) > 0 and scale is not UNIT and decimals > 0
    return Decision(scale, f"coordinates read as {scale.name}" if guessed else "")


def _sort_corners(xyxy: FloatArray, layouts: Sequence[str]) -> tuple[FloatArray, list[list[str]]]:
    swapped = (xyxy[:, :2] > xyxy[:, 2:]).any(axis=1)
    # A negative width does not mean swapped corners; such a row stays inside out and is refused.
    swapped &= np.array([layout not in _TO_XYXY for layout in layouts], dtype=bool)
    low = np.minimum(xyxy[:, :2], xyxy[:, 2:])
    high = np.maximum(xyxy[:, :2], xyxy[:, 2:])
    ordered = np.where(swapped[:, None], np.concatenate([low, high], axis=1), xyxy)
    return ordered, [["corners swapped"] if s else [] for s in swapped]


def _problem(
    box: RawBox, placed: FloatArray, clipped: FloatArray, wh: tuple[int, int], *, usable: bool
) -> str:
    shown = ", ".join(f"{x.value:g}" for x in box.numbers)
    size = np.array([wh[0], wh[1]] * 2, dtype=np.float64)
    if not usable:
        return f"its numbers are too large: {shown}"
    if (placed < -OUTSIDE_TOLERANCE * size).any() or (
        placed > (1 + OUTSIDE_TOLERANCE) * size
    ).any():
        return f"its box lies outside the image: {shown}"
    if not (clipped[:2] < clipped[2:]).all():
        return f"its box has no area inside the image: {shown}"
    return ""
