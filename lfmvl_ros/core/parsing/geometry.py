# SPDX-License-Identifier: Apache-2.0
"""From four printed numbers to a box in pixels, with the uncertainty that the printing brings.

The unit is decided once for the whole answer: a number such as 37 can't tell 0-100 from 0-1000 or
pixels, all numbers together mostly can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray, clip
from lfmvl_ros.core.parsing.values import CXCYWH, XYWH, RawBox

OUTSIDE_TOLERANCE = 0.25
"""A side may lie this share of the image outside it and is clipped; beyond, the box is wrong."""
SIGMA_FLOOR_PX = 0.5
"""No model places a side better than this; keeps a tracker from trusting a box without limit."""
_MAX_TOKEN_SIGMA = 0.1

# Rows: x1, y1, x2, y2; columns: the four printed numbers.
_TO_XYXY = {
    XYWH: np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]], dtype=np.float64),
    CXCYWH: np.array(
        [[1, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]], dtype=np.float64
    ),
}
# The density that a box from nowhere has, in each number: uniform over 0-10,000, once in 10^6.
_LOG_OUTLIER = -6 * np.log(10.0) - 4 * np.log(1e4)


@dataclass(frozen=True)
class Scale:
    """The unit of an answer: ``extent`` is what the image's (width, height) is in it."""

    name: str
    extent: tuple[float, float]


UNIT = Scale("0-1", (1.0, 1.0))


@dataclass(frozen=True, eq=False)
class PlacedBoxes:
    """Boxes in pixels.

    Attributes:
        xyxy_px: ``(N, 4)``; only rows with an empty ``problems`` entry are boxes.
        sigma_px: ``(N, 4)`` standard deviation of each side.
        problems: per box why it can't be kept, or "".
        repairs: per box what was mended.
        scale: the unit that was recognised.
    """

    xyxy_px: FloatArray
    sigma_px: FloatArray
    problems: tuple[str, ...]
    repairs: tuple[tuple[str, ...], ...]
    scale: Scale


def decide_scale(xyxy: FloatArray, wh: tuple[int, int], *, expects_unit: bool = True) -> Scale:
    """Return the unit under which the boxes ``(N, 4)`` of one answer are likeliest.

    Boxes are taken as uniform over the image, so a unit in which they fill the image beats
    one in which they crowd into a corner; a box that does not fit counts as an outlier.
    ``expects_unit`` decides where nothing else does: the prompt asked for 0-1.
    """
    scales = (
        UNIT,
        Scale("0-100", (100.0, 100.0)),
        Scale("0-1000", (1000.0, 1000.0)),
        Scale("pixels", (float(wh[0]), float(wh[1]))),
    )
    low = np.minimum(xyxy[:, :2], xyxy[:, 2:])
    high = np.maximum(xyxy[:, :2], xyxy[:, 2:])
    has_area = (low < high).all(axis=1)  # [0, 0, 0, 0] is at home in every unit
    if not has_area.any():
        return UNIT
    low, high = low[has_area], high[has_area]
    evidence = []
    for scale in scales:
        extent = np.array(scale.extent)
        if scale is UNIT:
            fits = (high.max(axis=1) <= 1.5) & (low.min(axis=1) >= -0.5)
        else:
            inside = (low >= -0.05 * extent).all(axis=1) & (high <= 1.05 * extent).all(axis=1)
            # A box of a pixel or less in the very corner: those are shares of 1.
            fits = inside & (high.max(axis=1) > 1.5)
        log_density = -2.0 * float(np.log(extent).sum())
        evidence.append(float(np.where(fits, log_density, _LOG_OUTLIER).sum()))
    if not expects_unit:
        evidence[0] -= 1e-6
    return scales[int(np.argmax(evidence))]


def place_boxes(
    boxes: Sequence[RawBox],
    wh: tuple[int, int],
    *,
    decimals: int,
    sigma_steps: FloatArray | None = None,
) -> PlacedBoxes:
    """Return the boxes of one answer in pixels of an image of ``(width, height)``.

    Args:
        boxes: as printed.
        wh: size of the image the answer is about.
        decimals: how many the checkpoint prints for shares of 1; 0 for integer grids.
        sigma_steps: ``(N, 4)`` deviation of each printed number in units of its last digit.
    """
    n = len(boxes)
    printed = np.array([[x.value for x in box.numbers] for box in boxes]).reshape(n, 4)
    transforms = np.array([_TO_XYXY.get(box.layout, np.eye(4)) for box in boxes]).reshape(n, 4, 4)
    with np.errstate(over="ignore", invalid="ignore"):
        raw = np.einsum("nij,nj->ni", transforms, printed)
    usable = np.isfinite(raw).all(axis=1) & (np.abs(raw) < 1e7).all(axis=1)
    scale = decide_scale(raw[usable], wh, expects_unit=decimals > 0)
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
    return PlacedBoxes(xyxy_px, sigma_px, tuple(problems), tuple(map(tuple, repairs)), scale)


def _sort_corners(xyxy: FloatArray, layouts: Sequence[str]) -> tuple[FloatArray, list[list[str]]]:
    swapped = (xyxy[:, :2] > xyxy[:, 2:]).any(axis=1)
    # A negative width is no swapped corner; such a row stays inside out and is refused.
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
