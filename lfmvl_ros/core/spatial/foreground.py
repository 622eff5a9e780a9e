# SPDX-License-Identifier: Apache-2.0
"""Finds the samples of a box that belong to its object; a model's box also contains other things.

1. Planes in the surroundings (floor, wall, shelf) are removed.
2. What is left is split into candidates: parts connected without a jump of depth, and slabs of
   depth that are more frequent within the box than around it (for what is hollow or full of holes).
   The planes themselves are candidates with a lower score: the object may be a poster on a wall.
3. Each candidate is scored by how much of the box it covers, weighted towards the middle, times the
   square of its share inside the box, times how well its own extent fits the box. If a depth is
   expected, the score is also multiplied by how well the candidate's depth agrees with it.
4. The best candidate is taken, together with other parts at its depth. The score and depth of the
   best other one are kept, because they widen the covariance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import BoolArray, DepthArray, Patch, median
from lfmvl_ros.core.spatial.planes import Plane, surrounding_planes

# A second difference of inverse depth above this share of the inverse depth is a jump; on planes it
# is 0.
JUMP = 0.028
_LARGEST_JUMP = 0.12
_NOISE_FACTOR = 5.0
_CENTRE_SIGMA = 0.38  # of the weight within the box, in box sides
_PLANE_PRIOR = 0.35
_SLAB_PRIOR = 0.8
_BIN = 0.025  # of log depth
_LEAST_SAMPLES = 4
_LEAST_VALID = 0.02
_BEYOND_BOX = 0.12  # the object may extend this far beyond its box, in box sides


@dataclass(frozen=True)
class ExpectedDepth:
    """Depth that a track or a known size predicts: mean and standard deviation, m."""

    depth_m: float
    sigma_m: float


@dataclass(frozen=True, eq=False)
class Foreground:
    """The samples that are the object.

    Attributes:
        u_px, v_px, depth_m: ``(N,)`` float64 each.
        median_m: median depth of the samples.
        score: of the chosen candidate, in [0, 1].
        rival, rival_m: score and depth of the best other candidate; 0 without one.
        cover: share of the box that is the object.
        purity: share of the candidate that is inside the box.
        fit: IoU of the candidate's extent and the box.
        noise: median second difference of inverse depth, relative.
        on_plane: whether it lies in a plane of the surroundings.
        planes: found in the surroundings.
        mask: ``(R, C)`` which samples of the patch they are.
        patch: where the samples are from.
    """

    u_px: FloatArray
    v_px: FloatArray
    depth_m: FloatArray
    median_m: float
    score: float
    rival: float
    rival_m: float
    cover: float
    purity: float
    fit: float
    noise: float
    on_plane: bool
    planes: list[Plane]
    mask: BoolArray
    patch: Patch


@dataclass(frozen=True, eq=False)
class _Candidate:
    mask: BoolArray
    cover: float  # weighted towards the middle of the box
    purity: float
    fit: float  # of its extent to the box, in [0, 1]
    prior: float  # factor for the kind of candidate, in (0, 1]

    @property
    def score(self) -> float:
        return self.cover * self.purity**2 * (0.25 + self.fit) * self.prior


def find_foreground(
    patch: Patch,
    focal_px: float,
    expected: ExpectedDepth | None,
    taken: BoolArray | None = None,
) -> Foreground | None:
    """Return the samples of a patch that are the object; None where nothing stands out.

    Args:
        patch: of :func:`~lfmvl_ros.core.spatial.depth.sample_patch`.
        focal_px: focal length.
        expected: at what depth the object should be; None if nothing is known.
        taken: ``(R, C)`` samples that belong to another object; they count neither for nor against
            a candidate.
    """
    has_depth = patch.has_depth if taken is None else patch.has_depth & ~taken
    if np.count_nonzero(has_depth[patch.inside]) < max(6, _LEAST_VALID * patch.box_samples):
        return None
    jump, noise = _jumps(patch.inverse, has_depth)
    free = ~taken if taken is not None else np.ones(has_depth.shape, dtype=bool)
    usable = has_depth & ~jump
    usable[patch.inside] = False
    planes = surrounding_planes(patch, usable)
    candidates = list(_candidates(patch, focal_px, free, jump, noise, planes))
    if not candidates:
        return None
    return _choose(patch, focal_px, free, expected, candidates, noise, planes)


def _jumps(inverse: DepthArray, has_depth: BoolArray) -> tuple[BoolArray, float]:
    """Return ``(R, C)`` where depth jumps, and the noise of second differences, relative."""
    jump = np.zeros(inverse.shape, dtype=bool)
    twice = 2 * inverse
    middle_x, middle_y = inverse[:, 1:-1], inverse[1:-1]
    across = inverse[:, 2:] - twice[:, 1:-1] + inverse[:, :-2]
    down = inverse[2:] - twice[1:-1] + inverse[:-2]
    np.abs(across, out=across)
    np.abs(down, out=down)
    whole = has_depth[:, 1:-1] & has_depth[:, 2:] & has_depth[:, :-2]
    noise = 1.0
    at = whole.ravel().nonzero()[0]
    if len(at):
        at = at[:: max(1, len(at) // 600)]
        noise = median(across.ravel()[at] / middle_x.ravel()[at])
    limit = min(max(JUMP, _NOISE_FACTOR * noise), _LARGEST_JUMP)
    jump[:, 1:-1] |= across > limit * middle_x
    jump[1:-1] |= down > limit * middle_y
    return jump, noise


def _centre_weight(patch: Patch) -> FloatArray:
    """Return the weights of the samples within the box."""
    x, y = patch.box_units
    wx = np.exp(-0.5 * (x[patch.columns] / _CENTRE_SIGMA) ** 2)
    wy = np.exp(-0.5 * (y[patch.rows] / _CENTRE_SIGMA) ** 2)
    return np.asarray(wy[:, None] * wx[None])


def _candidates(
    patch: Patch,
    focal_px: float,
    free: BoolArray,
    jump: BoolArray,
    noise: float,
    planes: list[Plane],
) -> Iterator[_Candidate]:
    has_depth = patch.has_depth & free
    background = np.zeros(has_depth.shape, dtype=bool)
    for plane in planes:
        background |= plane.mask
    weight = _centre_weight(patch)
    weight *= free[patch.inside]
    weight /= max(float(weight.sum()), 1e-9)
    count = 0
    smooth = ~jump
    for candidate in _parts(patch, has_depth & smooth & ~background, weight, 1.0):
        count += 1
        yield candidate
    for plane in planes:
        on_plane = plane.mask & free
        if np.count_nonzero(on_plane[patch.inside]) > 0.04 * patch.box_samples:
            for candidate in _parts(patch, on_plane & smooth, weight, _PLANE_PRIOR):
                count += 1
                yield candidate
    for candidate in _slabs(patch, focal_px, has_depth & ~background, weight, noise):
        count += 1
        yield candidate
    for mask, prior in ((has_depth & ~background, 0.8), (has_depth, 0.5)):
        if count:
            return
        for candidate in _parts(patch, mask, weight, prior):
            count += 1
            yield candidate


def _parts(patch: Patch, mask: BoolArray, weight: FloatArray, prior: float) -> Iterator[_Candidate]:
    """Yield the connected parts of a mask that matter within the box, whose weights are given."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.view(np.uint8), connectivity=4, ltype=cv2.CV_32S
    )
    if number <= 1:
        return
    within = np.asarray(labels[patch.inside], dtype=np.intp).ravel()
    inside = np.bincount(within, minlength=number)
    cover = np.bincount(within, weight.ravel(), minlength=number)
    least = max(_LEAST_SAMPLES, 0.012 * patch.box_samples)
    for k in (inside >= least).nonzero()[0].tolist():
        if k:
            x, y, w, h, size = stats[k].tolist()
            yield _Candidate(
                labels == k,
                float(cover[k]),
                float(inside[k]) / size,
                _fit(patch, x, y, w, h),
                prior,
            )


def _fit(patch: Patch, column: int, row: int, columns: int, rows: int) -> float:
    """Return the IoU of a part's extent and the box."""
    x0, y0, x1, y1 = patch.xyxy_px
    half = patch.stride_px / 2
    a0, a1 = float(patch.u_px[column]) - half, float(patch.u_px[column + columns - 1]) + half
    b0, b1 = float(patch.v_px[row]) - half, float(patch.v_px[row + rows - 1]) + half
    both = max(min(a1, x1) - max(a0, x0), 0.0) * max(min(b1, y1) - max(b0, y0), 0.0)
    return both / ((a1 - a0) * (b1 - b0) + (x1 - x0) * (y1 - y0) - both)


def _slabs(
    patch: Patch, focal_px: float, fore: BoolArray, weight: FloatArray, noise: float
) -> Iterator[_Candidate]:
    """Yield up to two ranges of depth that the box has more of than its surroundings."""
    within = fore[patch.inside]
    if np.count_nonzero(within) < 6:
        return
    log_depth = np.zeros(fore.shape, np.float32)
    np.log(patch.inverse, out=log_depth, where=fore)
    np.negative(log_depth, out=log_depth)
    here = log_depth[patch.inside][within]
    around = fore.copy()
    around[patch.inside] = False
    low = float(here.min())
    bins = int(min(max((float(here.max()) - low) / _BIN, 1), 160)) + 1
    outside = max(fore.size - patch.box_samples, 1)
    place = np.minimum(((here - low) / _BIN).astype(np.intp), bins - 1)
    net = np.asarray(np.bincount(place, weight[within], bins), dtype=np.float64)
    there = ((log_depth[around] - low) / _BIN).astype(np.intp)
    there = there[(there >= 0) & (there < bins)]
    padded = np.zeros(bins + 2)
    padded[1:-1] = net - 0.8 / outside * np.bincount(there, minlength=bins)
    net = np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)
    side = 0.5 * min(patch.box_wh_px) / focal_px
    half = max(0.03, min(0.9 * side, 0.25), 4 * noise)
    for _ in range(2):
        k = int(net.argmax())
        if net[k] <= 0:
            return
        mask = fore & (np.abs(log_depth - (low + (k + 0.5) * _BIN)) < half)
        reach = int(half / _BIN)
        net[max(0, k - reach - 1) : k + reach + 2] = -1
        inside = mask[patch.inside]
        count = int(np.count_nonzero(inside))
        if count >= 5:
            rows, columns = (inside.any(axis=k).nonzero()[0].tolist() for k in (1, 0))
            extent = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
            yield _Candidate(
                mask,
                float(weight[inside].sum()),
                count / int(np.count_nonzero(mask)),
                min(1.0, extent / patch.box_samples),
                _SLAB_PRIOR,
            )


def _choose(
    patch: Patch,
    focal_px: float,
    free: BoolArray,
    expected: ExpectedDepth | None,
    candidates: list[_Candidate],
    noise: float,
    planes: list[Plane],
) -> Foreground | None:
    within = patch.inverse[patch.inside]
    depths = [1.0 / median(within[c.mask[patch.inside]]) for c in candidates]
    scores = np.array([c.score for c in candidates])
    if expected is not None:
        off = (np.array(depths) - expected.depth_m) / expected.sigma_m
        scores *= 0.03 + np.exp(-0.5 * off * off)
    order = np.argsort(-scores, kind="stable")
    best = int(order[0])
    if scores[best] <= 0:
        return None
    chosen, depth = candidates[best].mask.copy(), depths[best]
    reach = max(0.6 * min(patch.box_wh_px) * depth / focal_px, 0.02 * depth)
    rival, rival_m = 0.0, depth
    for j in order[1:].tolist():
        other = candidates[j]
        if abs(depths[j] - depth) < reach and other.purity > 0.6 and other.prior > 0.5:
            chosen |= other.mask
        elif scores[j] > rival:
            rival, rival_m = float(scores[j]), depths[j]
    x, y = patch.box_units
    near = 0.5 + _BEYOND_BOX
    chosen &= patch.has_depth & free & (np.abs(x) <= near)[None] & (np.abs(y) <= near)[:, None]
    rows, columns = chosen.nonzero()
    if len(rows) < _LEAST_SAMPLES:
        return None
    z = 1.0 / patch.inverse[rows, columns].astype(np.float64)
    return Foreground(
        patch.u_px[columns],
        patch.v_px[rows],
        z,
        median_m=median(z),
        score=float(scores[best]),
        rival=rival,
        rival_m=rival_m,
        cover=float(np.count_nonzero(chosen[patch.inside])) / patch.box_samples,
        purity=candidates[best].purity,
        fit=candidates[best].fit,
        noise=noise,
        on_plane=candidates[best].prior < 0.5,
        planes=planes,
        mask=chosen,
        patch=patch,
    )
