# SPDX-License-Identifier: Apache-2.0
"""Measures one box in one depth image: surface, middle, size and pick point, optical frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import DepthImage, sample_patch
from lfmvl_ros.core.spatial.extent import measure_extent, points_of
from lfmvl_ros.core.spatial.foreground import ExpectedDepth, Foreground, find_foreground
from lfmvl_ros.core.spatial.memory import TrackMemory
from lfmvl_ros.core.spatial.occlusion import Claim
from lfmvl_ros.core.spatial.pick import find_pick_point
from lfmvl_ros.core.spatial.places import PickPoint, Refusal
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.shape import Located, locate, visible_surface
from lfmvl_ros.core.tracking import Intrinsics

# Least share of valid pixels. `find_foreground` has the same limit; here it is a reason of its own.
_LEAST_VALID = 0.02
_SIZE_GUESS_SIGMA = 0.22


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one box.

    Attributes:
        located: surface, middle and size; middle and size use earlier images as well.
        points_m: ``(N, 3)`` samples of this image, in the optical frame.
        seen: share of the box that is the object, in [0, 1].
        pick: where to take hold of it; None where no normal could be measured.
    """

    located: Located
    points_m: FloatArray
    seen: float
    pick: PickPoint | None


def claim_of(
    depth: DepthImage,
    lens: Intrinsics,
    box_px: FloatArray,
    known_size_m: FloatArray | None,
    remembered: ExpectedDepth | None,
    *,
    seen_lately: bool,
) -> Claim | Refusal:
    """Return which samples of a box look like its object.

    Args:
        depth: registered to the image of the box.
        lens: of that image.
        box_px: ``(4,)`` the box x1, y1, x2, y2.
        known_size_m: ``(3,)`` full extents of the object; None where they are not known.
        remembered: depth predicted from the track's past; None for a new one.
        seen_lately: whether the model has just seen the object; otherwise the box is predicted.

    Returns:
        The samples, or why there are none: ``outside_image``, ``too_few_valid``, ``no_foreground``.
    """
    patch = sample_patch(depth.depth_m, box_px)
    if patch is None:
        return Refusal.OUTSIDE_IMAGE
    if patch.valid < _LEAST_VALID:
        return Refusal.TOO_FEW_VALID
    expected = remembered
    if expected is None and known_size_m is not None:
        expected = expected_by_size(box_px, lens, known_size_m)
    fore = find_foreground(patch, lens.fx_px, expected)
    if fore is None:
        return Refusal.NO_FOREGROUND
    return Claim(box_px, fore, lens.fx_px, remembered, expected, seen_lately)


def measure(
    fore: Foreground,
    lens: Intrinsics,
    wh: tuple[int, int],
    known_size_m: FloatArray | None,
    memory: TrackMemory | None,
    camera: RigidTransform,
    stamp_ns: int,
) -> Measured:
    """Return where an object is, from its samples and what is remembered of its track.

    Args:
        fore: the samples.
        lens: of the image.
        wh: size of the image, px.
        known_size_m: ``(3,)`` full extents of the object; None where they are not known.
        memory: of the track; None for a new one.
        camera: pose of the camera in the target frame.
        stamp_ns: of the image.
    """
    whole = fore
    if memory is not None:
        memory.fused.predict(stamp_ns)
        surface_m = camera.apply(visible_surface(fore, lens))
        whole = _pooled(fore, memory.earlier_points(stamp_ns, surface_m), lens, camera)
    extent = measure_extent(whole, lens, wh)
    located = locate(whole, extent, lens, known_size_m, surface_of=fore)
    pick = find_pick_point(fore, extent, lens, located.surface_covariance)
    return Measured(located, points_of(lens, fore), min(fore.cover, 1.0), pick)


def expected_by_size(box: FloatArray, lens: Intrinsics, size_m: FloatArray) -> ExpectedDepth:
    """Return how far away an object of known size is, roughly, by the area of its box."""
    sides = np.sort(size_m)
    area = float((box[2] - box[0]) * (box[3] - box[1]))
    depth = lens.fx_px * float(np.sqrt(sides[2] * sides[1] / area))
    return ExpectedDepth(0.95 * depth, _SIZE_GUESS_SIGMA * depth)


def _pooled(
    fore: Foreground, earlier_m: FloatArray, lens: Intrinsics, camera: RigidTransform
) -> Foreground:
    """Return the samples of an object with those of earlier images, as this camera sees them."""
    points = camera.inverse().apply(earlier_m)
    points = points[points[:, 2] > 0.05]
    if not len(points):
        return fore
    u, v = lens.project(points).T + 0.5
    return replace(
        fore,
        u_px=np.concatenate([fore.u_px, u]),
        v_px=np.concatenate([fore.v_px, v]),
        depth_m=np.concatenate([fore.depth_m, points[:, 2]]),
    )
