# SPDX-License-Identifier: Apache-2.0
"""What is beside and behind an object: what hides its sides, and the plane that it may stand on."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

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


class Side(NamedTuple):
    """One side of an object.

    Attributes:
        edge: ``(N,)`` samples of the object, up to _BESIDE deep, as indices into the padded grid.
        step: from one sample to the next one further out.
        length: how many samples the side is long, > 0.
    """

    edge: IntArray
    step: int
    length: int


def sides_of(mask: BoolArray) -> list[Side]:
    """Return left, top, right and bottom of an object."""
    inside = _padded(mask)
    width = mask.shape[1] + 2 * _REACH
    at = inside.nonzero()[0]
    rows = max(int(np.count_nonzero(mask.any(axis=1))), 1)
    columns = max(int(np.count_nonzero(mask.any(axis=0))), 1)
    steps = (_ACROSS + width * _DOWN).tolist()
    return [
        Side(at[~inside[at + _BESIDE * step]], step, length)
        for step, length in zip(steps, (rows, columns, rows, columns), strict=True)
    ]


def backdrop_depth(fore: Foreground, lens: Intrinsics, sides: list[Side]) -> float:
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


def _surrounds(plane: Plane, sides: list[Side]) -> bool:
    """Tell whether a plane is seen beside every side of an object."""
    on_plane = _padded(plane.mask)
    beyond = _BESIDE + _OUTWARD
    return all(
        np.count_nonzero(on_plane[side.edge[:, None] + side.step * beyond].any(axis=1))
        > _SURROUNDED * _BESIDE * side.length
        for side in sides
    )


def hidden_shares(
    fore: Foreground, sides: list[Side], wh: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return which share of each side ends at something nearer, not at the object's own edge."""
    inverse = _padded(fore.patch.inverse)
    edge = np.concatenate([side.edge for side in sides])
    which = np.arange(len(sides)).repeat([len(side.edge) for side in sides])
    step = np.array([side.step for side in sides])[which]
    beyond = _next_depth(inverse, edge + _BESIDE * step, step)
    at = (beyond > inverse[edge] * (1 + _IN_FRONT)).nonzero()[0]
    if len(at):
        at = at[~_on_support(fore, edge[at], which[at])]
    hidden = np.bincount(which[at], minlength=len(sides)).tolist()
    ends = [min(n / side.length / _BESIDE, 0.99) for n, side in zip(hidden, sides, strict=True)]
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
    found = inverse[at[:, None] + step[:, None] * _OUTWARD]
    return np.asarray(found[np.arange(len(at)), (found > 0).argmax(axis=1)])


def _on_support(fore: Foreground, edge: IntArray, which: IntArray) -> BoolArray:
    """Return ``(N,)`` which samples at the sides of an object stand on a plane.

    A floor comes nearer below its object, but hides nothing of it. A face in front does not come
    nearer, and a board seen from below goes away.

    Args:
        fore: the samples of the object.
        edge: ``(N,)`` indices into the padded grid; beyond them is something nearer.
        which: ``(N,)`` index of the side that each is at.
    """
    width = fore.mask.shape[1] + 2 * _REACH
    rows = edge // width
    columns = edge - width * rows - _REACH
    rows -= _REACH
    across, down = _ACROSS[which], _DOWN[which]
    x, y = fore.patch.box_units
    x, y, inverse = x[columns], y[rows], fore.patch.inverse[rows, columns]
    standing = np.zeros(len(edge), dtype=bool)
    for plane in fore.planes:
        a, b, c = plane.coefficients.tolist()
        comes_nearer = across * a + down * b >= _APPROACH / fore.median_m
        predicted = a * x + b * y + c
        touches = np.abs(inverse - predicted) < _CONTACT * np.abs(predicted)
        beside = plane.mask[rows + _BESIDE * down, columns + _BESIDE * across]
        standing |= comes_nearer & touches & beside
    return standing


def _cut_by_border(
    patch: Patch, mask: BoolArray, wh: tuple[int, int]
) -> tuple[bool, bool, bool, bool]:
    """Return for left, top, right, bottom whether the image cuts the box or the object."""
    x0, y0, x1, y1 = patch.xyxy_px
    width, height = patch.box_wh_px
    close_x = max(_BORDER_PX, _BORDER_SHARE * width)
    close_y = max(_BORDER_PX, _BORDER_SHARE * height)
    u, v = patch.u_px[mask.any(axis=0)], patch.v_px[mask.any(axis=1)]
    reach = 1.5 * patch.stride_px + 1  # one pixel is left free, see `sample_patch`
    return (
        x0 <= close_x or u[0] <= reach,
        y0 <= close_y or v[0] <= reach,
        x1 >= wh[0] - close_x or u[-1] >= wh[0] - reach,
        y1 >= wh[1] - close_y or v[-1] >= wh[1] - reach,
    )
