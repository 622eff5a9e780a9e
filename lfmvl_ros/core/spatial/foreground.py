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

import math
from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.candidates import LEAST_SAMPLES, Candidate, candidates_in
from lfmvl_ros.core.spatial.depth import BoolArray, DepthArray, Patch, median
from lfmvl_ros.core.spatial.planes import Plane, surrounding_planes

# A second difference of inverse depth above this share of the inverse depth is a jump; on planes it
# is 0.
JUMP = 0.028
_LARGEST_JUMP = 0.12
_NOISE_FACTOR = 5.0
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
    candidates = candidates_in(patch, focal_px, free, jump, noise, planes)
    if not candidates:
        return None
    return _choose(patch, focal_px, free, expected, candidates, noise, planes)


def _jumps(inverse: DepthArray, has_depth: BoolArray) -> tuple[BoolArray, float]:
    """Return ``(R, C)`` where depth jumps, and the noise of second differences, relative."""
    width = inverse.shape[1]
    flat = inverse.ravel()
    across = _second_difference(flat, 1)
    valid = has_depth.ravel()
    whole = np.zeros(inverse.shape, dtype=bool)
    np.logical_and(valid[:-2], valid[2:], out=whole.ravel()[1:-1])
    whole &= has_depth
    whole[:, 0] = whole[:, -1] = False  # their neighbours are in other rows
    noise = 1.0
    at = whole.ravel().nonzero()[0]
    if len(at):
        at = at[:: max(1, len(at) // 600)]
        noise = median(across[at - 1] / flat[at])
    limit = flat * np.float32(min(max(JUMP, _NOISE_FACTOR * noise), _LARGEST_JUMP))
    jump = np.zeros(inverse.shape, dtype=bool)
    np.greater(across, limit[1:-1], out=jump.ravel()[1:-1])
    jump[:, 0] = jump[:, -1] = False
    jump.ravel()[width:-width] |= _second_difference(flat, width) > limit[width:-width]
    return jump, noise


def _second_difference(flat: DepthArray, step: int) -> DepthArray:
    """Return the absolute second differences of samples ``step`` apart; one less at each end."""
    found: DepthArray = flat[2 * step :] - 2 * flat[step:-step]
    found += flat[: -2 * step]
    np.abs(found, out=found)
    return found


def _choose(
    patch: Patch,
    focal_px: float,
    free: BoolArray,
    expected: ExpectedDepth | None,
    candidates: list[Candidate],
    noise: float,
    planes: list[Plane],
) -> Foreground | None:
    within = patch.inverse[patch.inside]

    def depth_of(candidate: Candidate) -> float:
        return 1.0 / median(within[candidate.mask[patch.inside]])

    scores = [c.score for c in candidates]
    if expected is not None:
        off = [(depth_of(c) - expected.depth_m) / expected.sigma_m for c in candidates]
        scores = [s * (0.03 + math.exp(-0.5 * x * x)) for s, x in zip(scores, off, strict=True)]
    best, *others = sorted(range(len(scores)), key=lambda k: -scores[k])
    if scores[best] <= 0:
        return None
    chosen, depth = candidates[best].mask.copy(), depth_of(candidates[best])
    reach = max(0.6 * min(patch.box_wh_px) * depth / focal_px, 0.02 * depth)
    rival, rival_m = 0.0, depth
    for j in others:
        other = candidates[j]
        may_join = other.purity > 0.6 and other.prior > 0.5
        if not may_join and scores[j] <= rival:
            continue
        other_m = depth_of(other)
        if may_join and abs(other_m - depth) < reach:
            chosen |= other.mask
        elif scores[j] > rival:
            rival, rival_m = scores[j], other_m
    x, y = patch.box_units
    near = 0.5 + _BEYOND_BOX
    chosen &= patch.has_depth & free & (np.abs(x) <= near)[None] & (np.abs(y) <= near)[:, None]
    rows, columns = chosen.nonzero()
    if len(rows) < LEAST_SAMPLES:
        return None
    z = 1.0 / patch.inverse[rows, columns].astype(np.float64)
    return Foreground(
        patch.u_px[columns],
        patch.v_px[rows],
        z,
        median_m=median(z),
        score=scores[best],
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
