# SPDX-License-Identifier: Apache-2.0
"""What is beside and behind an object: what hides its sides, and the plane that it may stand on."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.spatial.depth import BoolArray, DepthArray, Patch
from lfmvl_ros.core.spatial.foreground import Foreground
from lfmvl_ros.core.spatial.planes import Plane
from lfmvl_ros.core.tracking import Intrinsics

IntArray = NDArray[np.intp]
_Kind = TypeVar("_Kind", bound=np.generic)

# Nearer than the object by this share of its depth: in front of it.
_IN_FRONT = 0.03
# How many samples beyond its edge; one may be a mixture of both.
_BESIDE = 2
# An edge within this share of a plane's inverse depth stands on the plane.
_CONTACT = 0.08
# A plane that touches it there comes nearer by at least this share for each side of the box.
_APPROACH = 0.05
# Samples without depth that are looked across to find what is beside the object.
_ACROSS_HOLES = 4
# How far from a sample others are looked at.
_REACH = _BESIDE + _ACROSS_HOLES
_OUTWARD = np.arange(_ACROSS_HOLES + 1)
# Outward, in columns and rows, from the left, top, right and bottom of an object.
_ACROSS, _DOWN = np.array([-1, 0, 1, 0]), np.array([0, -1, 0, 1])
# A backdrop is a plane whose normal is within 32 degrees of the ray (cosine), and which is seen
# beside this share of each side of the object.
_FACE_ON, _SURROUNDED = 0.85, 0.3
# A box that ends this close to the border of the image may continue beyond it.
_BORDER_PX = 2.0
_BORDER_SHARE = 0.03


class Sides(NamedTuple):
    """Left, top, right and bottom of an object, in this order.

    Attributes:
        edge: ``(N,)`` samples of the object, up to _BESIDE deep, as indices into the padded grid;
            one at a corner is there twice.
        which: ``(N,)`` index of the side that each is at, ascending.
        step: ``(N,)`` from each sample to the next one further out.
        lengths: how many samples each side is long, > 0.
    """

    edge: IntArray
    which: IntArray
    step: IntArray
    lengths: tuple[int, int, int, int]


def sides_of(mask: BoolArray) -> Sides:
    """Return the sides of an object."""
    inside = _padded(mask)
    steps = _ACROSS + (mask.shape[1] + 2 * _REACH) * _DOWN
    at = inside.nonzero()[0]
    which, k = (~inside[at + _BESIDE * steps[:, None]]).nonzero()
    rows = max(int(np.count_nonzero(mask.any(axis=1))), 1)
    columns = max(int(np.count_nonzero(mask.any(axis=0))), 1)
    return Sides(at[k], which, steps[which], (rows, columns, rows, columns))


def backdrop_depth(fore: Foreground, lens: Intrinsics, sides: Sides) -> float:
    """Return the depth of the backdrop of an object, m; infinite without one.

    A backdrop is a plane behind the object that is seen face-on and on all sides of it.
    """
    x0, y0, x1, y1 = fore.patch.xyxy_px
    width, height = fore.patch.box_wh_px
    x = ((x0 + x1 - 1) / 2 - lens.cx_px) / lens.fx_px
    y = ((y0 + y1 - 1) / 2 - lens.cy_px) / lens.fy_px
    found = math.inf
    for plane in fore.planes:
        a, b, c = plane.coefficients.tolist()
        if c * fore.median_m >= 1 or c * found <= 1:
            continue
        # 1/z = p x + q y + r on the plane, so that (p, q, r) is normal to it.
        p, q = a * lens.fx_px / width, b * lens.fy_px / height
        r = c - p * x - q * y
        face_on = c > _FACE_ON * math.hypot(p, q, r) * math.hypot(x, y, 1.0)
        if face_on and _surrounds(plane, sides):
            found = 1 / c
    return found


def _surrounds(plane: Plane, sides: Sides) -> bool:
    """Tell whether a plane is seen beside every side of an object."""
    on_plane = _padded(plane.mask)
    beyond = on_plane[sides.edge[:, None] + sides.step[:, None] * (_BESIDE + _OUTWARD)]
    seen = np.bincount(sides.which[beyond.any(axis=1)], minlength=4).tolist()
    return all(
        count > _SURROUNDED * _BESIDE * length
        for count, length in zip(seen, sides.lengths, strict=True)
    )


def hidden_shares(
    fore: Foreground, sides: Sides, wh: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return which share of each side ends at something nearer, not at the object's own edge."""
    inverse = _padded(fore.patch.inverse)
    edge, which = sides.edge, sides.which
    beyond = _next_depth(inverse, edge + _BESIDE * sides.step, sides.step)
    at = (beyond > inverse[edge] * (1 + _IN_FRONT)).nonzero()[0]
    if len(at):
        at = at[~_on_support(fore, edge[at], which[at])]
    hidden = np.bincount(which[at], minlength=4).tolist()
    ends = [
        min(count / length / _BESIDE, 0.99)
        for count, length in zip(hidden, sides.lengths, strict=True)
    ]
    cut = _cut_by_border(fore.patch, fore.mask, wh)
    left, top, right, bottom = (
        1.0 if at_border else share for at_border, share in zip(cut, ends, strict=True)
    )
    return left, top, right, bottom


def _padded(grid: NDArray[_Kind]) -> NDArray[_Kind]:
    """Return a grid with a frame of zeros that is _REACH wide, flattened."""
    height, width = grid.shape
    padded = np.zeros((height + 2 * _REACH, width + 2 * _REACH), grid.dtype)
    padded[_REACH:-_REACH, _REACH:-_REACH] = grid
    return padded.ravel()


def _next_depth(inverse: DepthArray, at: IntArray, step: IntArray) -> DepthArray:
    """Return ``(N,)`` inverse depth, or where there is none that of the next sample further out.

    A stereo camera has no depth beside the edge of what is in front.

    Args:
        inverse: the padded grid, flattened.
        at: ``(N,)`` indices into it.
        step: ``(N,)`` from each sample to the next one further out.
    """
    found = inverse[at]
    holes = (found <= 0).nonzero()[0]
    for further in range(1, _ACROSS_HOLES + 1):
        if not len(holes):
            break
        found[holes] = inverse[at[holes] + further * step[holes]]
        holes = holes[found[holes] <= 0]
    return found


def _on_support(fore: Foreground, edge: IntArray, which: IntArray) -> BoolArray:
    """Return ``(N,)`` which samples at the sides of an object stand on a plane.

    A floor comes nearer below its object, but hides nothing of it. A face in front does not come
    nearer, and a board seen from below goes away.

    Args:
        fore: the samples of the object.
        edge: ``(N,)`` indices into the padded grid; beyond them is something nearer.
        which: ``(N,)`` index of the side that each is at.
    """
    standing = np.zeros(len(edge), dtype=bool)
    for plane in fore.planes:
        a, b, c = plane.coefficients.tolist()
        comes_nearer = _ACROSS * a + _DOWN * b >= _APPROACH / fore.median_m
        at = comes_nearer[which].nonzero()[0]
        if not len(at):
            continue
        rows, columns = np.divmod(edge[at], fore.mask.shape[1] + 2 * _REACH)
        rows, columns = rows - _REACH, columns - _REACH
        x, y = fore.patch.box_units
        predicted = a * x[columns] + b * y[rows] + c
        inverse = fore.patch.inverse[rows, columns]
        touches = np.abs(inverse - predicted) < _CONTACT * np.abs(predicted)
        across, down = _BESIDE * _ACROSS[which[at]], _BESIDE * _DOWN[which[at]]
        standing[at] |= touches & plane.mask[rows + down, columns + across]
    return standing


def _cut_by_border(
    patch: Patch, mask: BoolArray, wh: tuple[int, int]
) -> tuple[bool, bool, bool, bool]:
    """Return for left, top, right, bottom whether the image cuts the box or the object."""
    x0, y0, x1, y1 = patch.xyxy_px
    width, height = patch.box_wh_px
    close_x = max(_BORDER_PX, _BORDER_SHARE * width)
    close_y = max(_BORDER_PX, _BORDER_SHARE * height)
    column, row, columns, rows = cv2.boundingRect(mask.view(np.uint8))
    u, v = patch.u_px[column : column + columns], patch.v_px[row : row + rows]
    reach = 1.5 * patch.stride_px + 1  # one pixel is left free, see `sample_patch`
    return (
        x0 <= close_x or u[0] <= reach,
        y0 <= close_y or v[0] <= reach,
        x1 >= wh[0] - close_x or u[-1] >= wh[0] - reach,
        y1 >= wh[1] - close_y or v[-1] >= wh[1] - reach,
    )
