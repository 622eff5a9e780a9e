# SPDX-License-Identifier: Apache-2.0
"""Candidates for the object in a box: parts of it, slabs of depth, and the planes around it.

Which of them is the object, :mod:`~lfmvl_ros.core.spatial.foreground` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import BoolArray, DepthArray, Patch
from lfmvl_ros.core.spatial.planes import Plane

_CENTRE_SIGMA = 0.38  # of the weight within the box, in box sides
_PLANE_PRIOR = 0.35
_SLAB_PRIOR = 0.8
_BIN = 0.025  # of log depth
# A part with fewer samples within the box is not a candidate.
LEAST_SAMPLES = 4


@dataclass(frozen=True, eq=False)
class Candidate:
    """Samples that may be the object.

    Attributes:
        mask: ``(R, C)`` which samples of the patch they are.
        cover: share of the box that they cover, weighted towards its middle.
        purity: share of them that is inside the box.
        fit: of their extent to the box, in [0, 1].
        prior: factor for the kind of candidate, in (0, 1].
    """

    mask: BoolArray
    cover: float
    purity: float
    fit: float
    prior: float

    @property
    def score(self) -> float:
        """How well it stands for an object in this box, in [0, 1.25]."""
        return self.cover * self.purity**2 * (0.25 + self.fit) * self.prior


def candidates_in(
    patch: Patch,
    focal_px: float,
    free: BoolArray,
    jump: BoolArray,
    noise: float,
    planes: list[Plane],
) -> list[Candidate]:
    """Return what may be the object in a box.

    Args:
        patch: the samples.
        focal_px: focal length.
        free: ``(R, C)`` samples that belong to no other object.
        jump: ``(R, C)`` where depth jumps.
        noise: of second differences of inverse depth, relative.
        planes: of the surroundings.
    """
    has_depth = patch.has_depth & free
    raised = has_depth.copy()  # on none of the planes
    for plane in planes:
        raised &= ~plane.mask
    weight = _centre_weight(patch)
    weight *= free[patch.inside]
    weight /= max(float(weight.sum()), 1e-9)
    smooth = ~jump
    found = _parts(patch, raised & smooth, weight, 1.0)
    for plane in planes:
        on_plane = plane.mask & free
        if _count(on_plane[patch.inside]) > 0.04 * patch.box_samples:
            found += _parts(patch, on_plane & smooth, weight, _PLANE_PRIOR)
    found += _slabs(patch, focal_px, raised, weight, noise)
    for mask, prior in ((raised, 0.8), (has_depth, 0.5)):
        if not found:
            found = _parts(patch, mask, weight, prior)
    return found


def _count(mask: BoolArray) -> int:
    return cv2.countNonZero(mask.view(np.uint8))


def _parts(patch: Patch, mask: BoolArray, weight: FloatArray, prior: float) -> list[Candidate]:
    """Return the connected parts of a mask that matter within the box, whose weights are given."""
    # With statistics, OpenCV takes three times as long; few of the parts need any.
    number, labels = cv2.connectedComponentsWithAlgorithm(
        mask.view(np.uint8), 4, cv2.CV_32S, cv2.CCL_SAUF
    )
    if number <= 1:
        return []
    within = labels[patch.inside].ravel()
    inside = np.bincount(within, minlength=number)
    cover = np.bincount(within, weight.ravel(), minlength=number)
    least = max(LEAST_SAMPLES, 0.012 * patch.box_samples)
    large = (inside >= least).nonzero()[0].tolist()
    masks = [(k, labels == k) for k in large if k]
    return [
        Candidate(
            mask,
            float(cover[k]),
            float(inside[k]) / _count(mask),
            _fit(patch, cv2.boundingRect(mask.view(np.uint8))),
            prior,
        )
        for k, mask in masks
    ]


def _fit(patch: Patch, xywh: Sequence[int]) -> float:
    """Return the IoU of a part's extent, in samples, and the box."""
    column, row, columns, rows = xywh
    x0, y0, x1, y1 = patch.xyxy_px
    half = patch.stride_px / 2
    a0, a1 = float(patch.u_px[column]) - half, float(patch.u_px[column + columns - 1]) + half
    b0, b1 = float(patch.v_px[row]) - half, float(patch.v_px[row + rows - 1]) + half
    both = max(min(a1, x1) - max(a0, x0), 0.0) * max(min(b1, y1) - max(b0, y0), 0.0)
    return both / ((a1 - a0) * (b1 - b0) + (x1 - x0) * (y1 - y0) - both)


def _slabs(
    patch: Patch, focal_px: float, fore: BoolArray, weight: FloatArray, noise: float
) -> list[Candidate]:
    """Return up to two ranges of depth that the box has more of than its surroundings."""
    within = fore[patch.inside]
    if _count(within) < 6:
        return []
    log_depth: DepthArray = np.log(np.where(fore, patch.inverse, np.float32(1.0)))
    np.negative(log_depth, out=log_depth)
    here = log_depth[patch.inside][within]
    low, high = float(np.minimum.reduce(here)), float(np.maximum.reduce(here))
    bins = int(min(max((high - low) / _BIN, 1), 160)) + 1
    net = _net_weight(patch, fore, weight, log_depth - np.float32(low), bins)
    side = 0.5 * min(patch.box_wh_px) / focal_px
    half = max(0.03, min(0.9 * side, 0.25), 4 * noise)
    found = []
    for _ in range(2):
        k = int(net.argmax())
        if net[k] <= 0:
            break
        mask = fore & (np.abs(log_depth - (low + (k + 0.5) * _BIN)) < half)
        reach = int(half / _BIN)
        net[max(0, k - reach - 1) : k + reach + 2] = -1
        inside = mask[patch.inside]
        count = _count(inside)
        if count >= 5:
            _, _, columns, rows = cv2.boundingRect(inside.view(np.uint8))
            fit = min(1.0, columns * rows / patch.box_samples)
            cover = float(np.vdot(weight, inside))
            found.append(Candidate(mask, cover, count / _count(mask), fit, _SLAB_PRIOR))
    return found


def _net_weight(
    patch: Patch, fore: BoolArray, weight: FloatArray, above: DepthArray, bins: int
) -> FloatArray:
    """Return ``(bins,)`` how much more of each depth the box has than its surroundings, smoothed.

    Args:
        patch: the samples.
        fore: ``(R, C)`` which of them count.
        weight: those within the box.
        above: ``(R, C)`` logarithm of depth, from the lower end of the first bin.
        bins: how many there are; what is outside them counts nowhere.
    """
    signed = np.full(fore.shape, -0.8 / max(fore.size - patch.box_samples, 1))
    signed[patch.inside] = weight
    signed *= fore
    place = np.minimum(np.maximum(above / _BIN + 1, 0), bins + 1)
    padded = np.bincount(place.astype(np.intp).ravel(), signed.ravel(), bins + 2)
    padded[0] = padded[-1] = 0.0
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def _centre_weight(patch: Patch) -> FloatArray:
    """Return the weights of the samples within the box."""
    x, y = patch.box_units
    wx = np.exp(-0.5 * (x[patch.columns] / _CENTRE_SIGMA) ** 2)
    wy = np.exp(-0.5 * (y[patch.rows] / _CENTRE_SIGMA) ** 2)
    return np.asarray(wy[:, None] * wx[None])
