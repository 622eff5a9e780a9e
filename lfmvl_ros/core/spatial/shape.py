# SPDX-License-Identifier: Apache-2.0
"""From the visible surface to the middle of the object, its size, and how uncertain both are.

A camera sees the front of an object. How far the middle lies behind it is modelled as a linear
function of the measured shape (:class:`~lfmvl_ros.core.spatial.extent.Extent`); variances are
linear in its squares. ``benchmarks/places_fit.py`` fits the weights in `weights.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial import weights
from lfmvl_ros.core.spatial.depth import median
from lfmvl_ros.core.spatial.extent import Extent, ray
from lfmvl_ros.core.spatial.foreground import Foreground
from lfmvl_ros.core.spatial.rigid import least_variance
from lfmvl_ros.core.spatial.sizes import HIDDEN, paired_sizes
from lfmvl_ros.core.spatial.terms import (
    centre_terms,
    depth_variance_terms,
    lateral_variance_terms,
    room_behind,
    shift_terms,
    sized_terms,
    surface_variance_terms,
)
from lfmvl_ros.core.tracking import Intrinsics

_LEAST_VARIANCE = 1e-8
_DIAGONAL = np.arange(3), np.arange(3)
# Median size of a second difference of noise, in standard deviations: 0.6745 sqrt(6).
_SECOND_DIFFERENCE = 1.65
# Of the 1.55 deviations that noise alone puts between near and the surface, about half show in what
# the weights make of it.
_NEAR_DEVIATIONS = 0.8
# No object counts as thinner than this share of its width and height.
_THINNEST = 0.3
# Nor for deeper than this many times the longer of the two.
_THICKEST = 2.0


@dataclass(frozen=True, eq=False)
class Located:
    """Surface, middle and size of an object in the optical frame of the camera.

    Attributes:
        surface_m, surface_covariance: ``(3,)``, ``(3, 3)`` middle of the visible surface.
        centre_m, centre_covariance: ``(3,)``, ``(3, 3)`` middle of the object.
        size_m: ``(3,)`` full extents along x, y, z of the camera, the last one inferred.
    """

    surface_m: FloatArray
    surface_covariance: FloatArray
    centre_m: FloatArray
    centre_covariance: FloatArray
    size_m: FloatArray


def _weighted(factors: Iterable[float], terms: Iterable[float]) -> float:
    """Return the sum of products; for so few, arrays take longer."""
    return float(sum(map(mul, factors, terms)))


def middle_ray(
    extent: Extent,
    lens: Intrinsics,
    size_m: FloatArray | None,
    shift: Sequence[Sequence[float]] = weights.SHIFT,
) -> FloatArray:
    """Return ``(3,)`` the ray through the middle of the object, with z = 1.

    Args:
        extent: the shape; its outline is that of the visible part.
        lens: of the camera.
        size_m: of :func:`~lfmvl_ros.core.spatial.sizes.paired_sizes`; the length of a hidden part
            follows from it.
        shift: ``(2, 4)`` weights of :func:`shift_terms`, for objects of unknown size.
    """
    x0, y0, x1, y1 = extent.xyxy_px
    direction = ray(lens, (x0 + x1) / 2, (y0 + y1) / 2)
    if size_m is None:
        if max(extent.hidden) > 0:
            for axis, (factors, terms) in enumerate(zip(shift, shift_terms(extent), strict=True)):
                direction[axis] += _weighted(factors, terms) / extent.median_m
        return direction
    for axis, seen in ((0, extent.width_m), (1, extent.height_m)):
        first, last = extent.hidden[axis], extent.hidden[axis + 2]
        if max(first, last) > HIDDEN:  # what is missing lies at both ends, by how much they hide
            missing = max(float(size_m[axis]) - seen, 0.0)
            share = (last - first) / (last + first)
            direction[axis] += share * missing / 2 / extent.median_m
    return direction


def visible_surface(fore: Foreground, lens: Intrinsics) -> FloatArray:
    """Return ``(3,)`` the middle of the visible surface, in the optical frame, m."""
    return ray(lens, median(fore.u_px), median(fore.v_px)) * fore.median_m


def locate(
    fore: Foreground,
    extent: Extent,
    lens: Intrinsics,
    known_size_m: FloatArray | None = None,
    surface_of: Foreground | None = None,
) -> Located:
    """Return where an object is, from its samples.

    Args:
        fore: the samples, also those of earlier images.
        extent: their shape.
        lens: of the camera.
        known_size_m: ``(3,)`` the object's full extents in any order, where they are known.
        surface_of: the samples of the newest image alone, whose surface is returned; None where
            ``fore`` holds no others.
    """
    size = None if known_size_m is None else paired_sizes(known_size_m, extent)
    middle = middle_ray(extent, lens, size)
    fitted = weights.PLAIN if size is None else weights.SIZED
    if size is None:
        behind, scale = _weighted(fitted.centre, centre_terms(extent)), extent.side_m
        size = np.array([extent.width_m, extent.height_m, _thickness(fore, extent, behind)])
    else:
        behind, scale = _weighted(fitted.centre, sized_terms(extent, size)), float(size.mean())
    behind = max(behind, 0.0)
    depth = extent.near_m + behind
    of_surface = surface_variance_terms(fore, extent)
    along = _weighted(fitted.depth_variance, depth_variance_terms(of_surface, extent, scale))
    along += fitted.room * room_behind(extent, behind) ** 2
    across = [
        _weighted(factors, lateral_variance_terms(fore, extent, lens.fx_px, axis))
        for axis, factors in enumerate(fitted.lateral_variance)
    ]
    surface = visible_surface(surface_of or fore, lens)
    near = _weighted(weights.SURFACE_VARIANCE, of_surface)
    pixel = (extent.median_m / lens.fx_px) ** 2
    aside = [(0.1 * side) ** 2 + pixel for side in (extent.width_m, extent.height_m)]
    return Located(
        surface,
        _along_ray(surface / surface[2], near, aside),
        middle * depth,
        _along_ray(middle, along, across),
        size,
    )


def _thickness(fore: Foreground, extent: Extent, behind_m: float) -> float:
    """Return how deep an object is whose middle is ``behind_m`` behind its near side, m.

    Noise makes the near side seem nearer than it is, so its share is taken off.
    """
    sigma_m = fore.noise / _SECOND_DIFFERENCE * extent.median_m
    thick = 2 * (behind_m - _NEAR_DEVIATIONS * sigma_m)
    longest = max(extent.width_m, extent.height_m)
    return min(max(thick, _THINNEST * extent.side_m), _THICKEST * longest)


def _along_ray(direction: FloatArray, along: float, across: Sequence[float]) -> FloatArray:
    covariance = direction[:, None] * (along * direction)
    least = least_variance(_LEAST_VARIANCE, along * float(direction @ direction) + sum(across))
    covariance[_DIAGONAL] += (across[0] + least, across[1] + least, least)
    return covariance
