# SPDX-License-Identifier: Apache-2.0
"""The terms that :mod:`~lfmvl_ros.core.spatial.weights` weigh: what a measured shape says.

Lengths are linear in them, variances in their squares.
"""

from __future__ import annotations

import math

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.extent import Extent
from lfmvl_ros.core.spatial.foreground import Foreground

# A score this low means that the choice was nearly a guess.
_WEAK_SCORE = 0.12
# A rival further away than this share of the depth counts like one at that distance.
_FURTHEST_RIVAL = 0.15
# No object reaches a plane that is further behind than this many sides.
_FURTHEST_BACKDROP = 3.0


def _relief_terms(extent: Extent) -> tuple[float, ...]:
    """Return the six terms that say how the surface is curved and tilted, m."""
    return (
        extent.spread_m,
        extent.median_m - extent.near_m,
        extent.bend_x_m,
        extent.bend_y_m,
        abs(extent.slope_x_m),
        extent.slope_y_m,
    )


def centre_terms(extent: Extent) -> tuple[float, ...]:
    """Return the 14 terms of how far the middle is behind the near side, m."""
    width, height = extent.width_m, extent.height_m
    return (
        extent.side_m,
        min(width, height),
        width,
        height,
        *_relief_terms(extent),
        abs(extent.slope_y_m),
        max(height - 2 * width, 0.0),
        max(width - 2 * height, 0.0),
        (extent.hidden[0] + extent.hidden[2]) * width,
    )


def sized_terms(extent: Extent, size_m: FloatArray) -> tuple[float, ...]:
    """Return the nine terms of how far the middle is behind, if the size is known, m.

    Args:
        extent: the shape.
        size_m: see :func:`~lfmvl_ros.core.spatial.sizes.paired_sizes`.
    """
    return (
        float(size_m[2]),
        float(size_m.mean()),
        *_relief_terms(extent),
        min(extent.width_m, extent.height_m),
    )


def _weakness(fore: Foreground) -> float:
    """Return how weak the choice of the samples was, in [0, 1]."""
    return math.exp(-fore.score / _WEAK_SCORE)


def _rival_share(fore: Foreground) -> float:
    """Return the score of the best other candidate as a share of both, in [0, 1)."""
    return fore.rival / (fore.rival + fore.score)


def surface_variance_terms(fore: Foreground, extent: Extent) -> tuple[float, ...]:
    """Return the five terms of the variance of the surface's depth, m^2."""
    z = extent.median_m
    off = min(abs(fore.rival_m - fore.median_m), _FURTHEST_RIVAL * z)
    return (
        (0.01 * z) ** 2,
        (0.004 * z * z) ** 2,
        extent.spread_m**2,
        (_weakness(fore) * z) ** 2,
        _rival_share(fore) * off**2,
    )


def room_behind(extent: Extent, behind_m: float) -> float:
    """Return how much further behind the middle would be if the object reached its backdrop, m.

    What has the same plane on all sides stands on it, or on something that it hides. The plane
    bounds the unseen thickness, so that there is no room where it is close.

    Args:
        extent: the shape.
        behind_m: how far the middle is taken to be behind the near side.
    """
    if max(extent.hidden) >= 1 or extent.backdrop_m > _FURTHEST_BACKDROP * extent.side_m:
        return 0.0
    return max(extent.backdrop_m / 2 - behind_m, 0.0)


def depth_variance_terms(
    of_surface: tuple[float, ...], extent: Extent, scale_m: float
) -> tuple[float, ...]:
    """Return the eight terms of the variance of the middle along its ray, m^2.

    Args:
        of_surface: of :func:`surface_variance_terms`, which are the first five.
        extent: the shape.
        scale_m: size of the object.
    """
    hidden = max((end for end in extent.hidden if end < 1), default=0.0)
    cut = float(max(extent.hidden) >= 1)
    square = scale_m**2
    return (*of_surface, square, hidden * square, cut * square)


def lateral_variance_terms(
    fore: Foreground, extent: Extent, focal_px: float, axis: int
) -> tuple[float, ...]:
    """Return the nine terms of the variance across (axis 0) or down (axis 1), m^2.

    A rival in the box means that several surfaces meet there, so that it is uncertain which samples
    bound the object.
    """
    side = extent.width_m if axis == 0 else extent.height_m
    longest = max(extent.width_m, extent.height_m)
    ends = (extent.hidden[axis], extent.hidden[axis + 2])
    hidden = max((end for end in ends if end < 1), default=0.0)
    cut = float(max(ends) >= 1)
    return (
        side**2,
        (extent.median_m / focal_px) ** 2,
        (_weakness(fore) * side) ** 2,
        extent.spread_m**2,
        cut * longest**2,
        hidden * side**2,
        hidden * longest**2,
        ((1 - fore.purity) * side) ** 2,
        math.sqrt(_rival_share(fore)) * side**2,
    )


def shift_terms(extent: Extent) -> list[list[float]]:
    """Return the ``(2, 4)`` terms of the distance from the outline's middle to the object's, m.

    Rows are across and down. The middle lies towards an end that is hidden or cut.
    """
    sides = (extent.width_m, extent.height_m)
    rows = []
    for axis in (0, 1):
        ends = (extent.hidden[axis], extent.hidden[axis + 2])
        hidden = [0.0 if end >= 1 else end for end in ends]
        cut = [float(end >= 1) for end in ends]
        towards = hidden[1] - hidden[0], cut[1] - cut[0]
        rows.append([share * side for share in towards for side in (sides[axis], sides[1 - axis])])
    return rows
