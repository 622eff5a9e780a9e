# SPDX-License-Identifier: Apache-2.0
"""The unit of a model's coordinates: known, or recognised from its answers and then kept.

One answer alone is not always enough: ``[3, 5, 40, 60]`` may be thousandths of the image, percent
or pixels. But a checkpoint does not change its unit from answer to answer. So the unit in the
catalogue is used; if it has none, :class:`CoordinateScale` collects evidence over the answers and
keeps the unit that they agree on. Fractions (0-1) can't be confused with the others, since they are
printed with decimals; an answer that is clearly in another unit is read in that, with a remark.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, iou_matrix
from lfmvl_ros.core.coordinate_scales import SCALE_NAMES, UNIT, Scale, scale_named

_log = logging.getLogger(__name__)
# Log density of an outlier box, over its four numbers: uniform over 0-10,000, once in 10^6.
_LOG_OUTLIER = -6 * np.log(10.0) - 4 * np.log(1e4)
_LARGEST_SHARE = 1.5
_KEPT_BOXES = 64
_SAME_BOX_IOU = 0.3
"""Boxes that overlap this much are one piece of evidence: the same object, not moving."""
_ANSWERS_TO_HOLD = 3
_ANSWERS_TO_CHANGE = 3
_MARGIN_TO_HOLD = 20.0  # nats
PRIORS_NATS = {"0-1000": 0.0, "pixels": -60.0, "0-100": -140.0}
"""Log prior of each unit other than 0-1. Models of this family print 0-1 or 0-1000. Percent needs
about 16 different boxes in its range before it is believed; pixels need 26 in a VGA image, and 3 in
a larger one."""
_GRIDS, _PRIORS = tuple(PRIORS_NATS), np.array(list(PRIORS_NATS.values()))


def decide_scale(xyxy: FloatArray, wh: tuple[int, int], *, expects_unit: bool = True) -> Scale:
    """Return the unit in which the boxes ``(N, 4)`` of one answer are most likely.

    Boxes are assumed to be uniform over the image, so a unit in which they fill the image beats one
    in which they crowd into a corner; a box that does not fit is an outlier. ``expects_unit`` (the
    prompt asked for 0-1) decides ties.
    """
    scales = [scale_named(name, wh) for name in SCALE_NAMES]
    low, high = _with_area(xyxy)
    if not len(low):
        return UNIT
    evidence = [float(_log_density(low, high, scale).sum()) for scale in scales]
    if not expects_unit:
        evidence[0] -= 1e-6
    return scales[int(np.argmax(evidence))]


def _with_area(xyxy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper corners, ``(M, 2)`` each, of the boxes with an area."""
    low = np.minimum(xyxy[:, :2], xyxy[:, 2:])
    high = np.maximum(xyxy[:, :2], xyxy[:, 2:])
    has_area = (low < high).all(axis=1)
    return low[has_area], high[has_area]


def _fits(low: FloatArray, high: FloatArray, scale: Scale) -> NDArray[np.bool_]:
    if scale is UNIT:
        return np.asarray((high.max(axis=1) <= _LARGEST_SHARE) & (low.min(axis=1) >= -0.5))
    extent = np.array(scale.extent)
    inside = (low >= -0.05 * extent).all(axis=1) & (high <= 1.05 * extent).all(axis=1)
    # A box of a pixel or less in the very corner: those are shares of 1.
    return np.asarray(inside & (high.max(axis=1) > _LARGEST_SHARE))


def _log_density(low: FloatArray, high: FloatArray, scale: Scale) -> FloatArray:
    log_density = -2.0 * float(np.log(np.array(scale.extent)).sum())
    return np.where(_fits(low, high, scale), log_density, _LOG_OUTLIER)


@dataclass(frozen=True)
class Decision:
    """The unit of one answer.

    Attributes:
        scale: to read it in.
        remark: what a user should know about it, one phrase; "" if it is the expected unit.
    """

    scale: Scale
    remark: str = ""


class CoordinateScale:
    """The unit of one model's coordinates; it takes the answers in their order.

    Args:
        known: name of the unit in the catalogue; "" if it has to be recognised.
        owner: the model, for the log.
    """

    def __init__(self, known: str = "", owner: str = "the model") -> None:
        self._name, self._held = known, bool(known)
        self._owner = owner
        self._answers = 0
        self._contrary = 0
        # Corners of each box, and the log density it has in each of the grids.
        self._boxes: deque[tuple[FloatArray, FloatArray]] = deque(maxlen=_KEPT_BOXES)

    @property
    def name(self) -> str:
        """Name of the unit; "" before the first answer if it is not known."""
        return self._name

    @property
    def held(self) -> bool:
        """True once the unit is certain."""
        return self._held

    def decide(
        self, xyxy: FloatArray, decimals: NDArray[np.int64], wh: tuple[int, int]
    ) -> Decision:
        """Return the unit of an answer, and learn from it.

        Args:
            xyxy: ``(N, 4)`` printed boxes as corners, finite.
            decimals: ``(N, 4)`` int, how many decimals each number was printed with.
            wh: size of the image, pixels.
        """
        kinds = _kinds(xyxy, decimals)
        shares, grids = int((kinds == 1).sum()), int((kinds == 2).sum())
        if not shares + grids:  # no evidence
            return Decision(scale_named(self._name or UNIT.name, wh))
        if shares >= grids:
            return self._take_shares(wh)
        return self._take_grid(xyxy[kinds == 2], wh)

    def _take_shares(self, wh: tuple[int, int]) -> Decision:
        return self._settle(UNIT.name, wh, contrary=bool(self._name) and self._name != UNIT.name)

    def _take_grid(self, xyxy: FloatArray, wh: tuple[int, int]) -> Decision:
        self._note(xyxy, wh)
        best, margin = self._likeliest()
        current = self._name if self._name and self._name != UNIT.name else ""
        if current and best != current and (not self._held or margin > _MARGIN_TO_HOLD):
            self._change(best)
            return Decision(scale_named(best, wh), f"coordinates are {best}, not {current}")
        name = current or best
        low, high = _with_area(xyxy)
        if len(low) and not _fits(low, high, scale_named(name, wh)).any():
            other = decide_scale(xyxy, wh, expects_unit=False)
            if other.name != UNIT.name:
                return Decision(other, f"coordinates read as {other.name}, not {name}")
        certain = margin > _MARGIN_TO_HOLD
        return self._settle(name, wh, contrary=self._name == UNIT.name, certain=certain)

    def _settle(
        self, name: str, wh: tuple[int, int], *, contrary: bool, certain: bool = True
    ) -> Decision:
        """Read the answer in this unit; keep it, or change from the previous one."""
        scale = scale_named(name, wh)
        if contrary:
            self._contrary += 1
            before = self._name
            if not self._held or self._contrary >= _ANSWERS_TO_CHANGE:
                self._change(name)
                return Decision(scale, f"coordinates are {name}, not {before}")
            return Decision(scale, f"coordinates read as {name}, not {before}")
        self._contrary = 0
        self._name = name
        self._answers += 1
        self._held = self._held or (certain and self._answers >= _ANSWERS_TO_HOLD)
        return Decision(scale)

    def _change(self, name: str) -> None:
        _log.warning(
            "%s: its coordinates are %s, not %s as before; boxes of earlier answers may be wrong",
            self._owner, name, self._name,
        )  # fmt: skip
        self._name, self._answers, self._contrary, self._held = name, 0, 0, False

    def _note(self, xyxy: FloatArray, wh: tuple[int, int]) -> None:
        """Add the boxes, except those of objects that are already in the evidence."""
        low, high = _with_area(xyxy)
        corners = np.concatenate([low, high], axis=1)
        densities = np.stack([_log_density(low, high, scale_named(name, wh)) for name in _GRIDS], 1)
        kept = np.array([box for box, _ in self._boxes]).reshape(-1, 4)
        seen = (iou_matrix(corners, kept) > _SAME_BOX_IOU).any(axis=1)
        seen |= np.triu(iou_matrix(corners, corners) > _SAME_BOX_IOU, k=1).any(axis=0)
        self._boxes.extend(
            (box, density) for box, density in zip(corners[~seen], densities[~seen], strict=True)
        )

    def _likeliest(self) -> tuple[str, float]:
        """Return the most likely unit other than 0-1, and its lead over the second, nats."""
        totals = _PRIORS + sum(density for _, density in self._boxes)
        best, second = np.argsort(-totals)[:2]
        return _GRIDS[best], float(totals[best] - totals[second])


def _kinds(xyxy: FloatArray, decimals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each box: 1 fractions (0-1), 2 integers or pixels, 0 not certain.

    Fractions are printed with decimals; the only exception is [0, 0, 1, 1], which may be either.
    """
    low, high = xyxy.min(axis=1, initial=0.0), xyxy.max(axis=1, initial=0.0)
    small = (high <= _LARGEST_SHARE) & (low >= -0.5)
    printed_whole = (decimals == 0).all(axis=1)
    mostly_large = (xyxy > _LARGEST_SHARE).sum(axis=1) >= 3
    found = np.zeros(len(xyxy), dtype=np.int64)
    found[small & ~printed_whole] = 1
    found[~small & (printed_whole | mostly_large)] = 2
    return found
