# SPDX-License-Identifier: Apache-2.0
"""A depth image in metres, and the grid of samples that is taken around a box."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.timeline import check_capture_stamp

DepthArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

# The surroundings of a box that are sampled with it, as a share of its sides.
MARGIN = 0.30
# About how many samples a box and its surroundings get. More take time and gain nothing.
SAMPLES = 900
_LEAST_MARGIN_PX = 5
# Smaller boxes have no place.
LEAST_BOX_PX = 2
_BELOW_MM, _ABOVE_KM = 0.000999, 1000.1
_INFINITY = np.float32(np.inf).view(np.uint32)


@dataclass(frozen=True, eq=False)
class DepthImage:
    """Depth along the optical axis, registered to the colour image. Its array is never written to.

    Attributes:
        depth_m: ``(H, W)`` float32, C-contiguous, metres, 1 mm to 1 km; NaN where there is no
            depth. No camera measures less or more, and inverses would overflow.
        stamp_ns: capture time, integer nanoseconds, >= 0.
        frame_id: optical frame of the camera it is registered to.

    Raises:
        ValueError: shape, type, stamp or a depth differs from what is said above.

    >>> DepthImage.from_mm(np.array([[0, 2000]], np.uint16), stamp_ns=0).depth_m.tolist()
    [[nan, 2.0]]
    """

    depth_m: DepthArray
    stamp_ns: int
    frame_id: str = ""
    # The array if its depths are in range for certain, so that each frame's are looked at once.
    _sound: DepthArray | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        depth = self.depth_m
        if not isinstance(depth, np.ndarray) or depth.dtype != np.float32 or depth.ndim != 2:
            got = getattr(depth, "dtype", type(depth).__name__)
            raise ValueError(
                f"DepthImage.depth_m must be a float32 array (H, W), "
                f"got {got} {getattr(depth, 'shape', '')}"
            )
        if 0 in depth.shape or not depth.flags.c_contiguous:
            raise ValueError(f"DepthImage.depth_m must be contiguous, H, W >= 1, got {depth.shape}")
        check_capture_stamp("DepthImage.stamp_ns", self.stamp_ns)
        if depth is not self._sound:
            wrong = depth[~(_is_depth(depth) | np.isnan(depth))]
            if wrong.size:
                raise ValueError(
                    f"DepthImage.depth_m must be 1 mm to 1 km or NaN, got {wrong[0]:g} and "
                    f"{wrong.size - 1} more of these; DepthImage.from_m makes NaN of them"
                )
            object.__setattr__(self, "_sound", depth)

    @classmethod
    def from_mm(cls, depth_mm: NDArray[np.uint16], stamp_ns: int, frame_id: str = "") -> DepthImage:
        """Return an image in encoding ``16UC1``: millimetres, 0 where there is no depth (REP 118).

        Raises:
            ValueError: not a uint16 array ``(H, W)``.
        """
        if depth_mm.dtype.newbyteorder("=") != np.uint16:
            raise ValueError(f"depth in millimetres must be uint16, got {depth_mm.dtype}")
        depth = depth_mm.astype(np.float32)
        depth *= np.float32(0.001)
        depth[depth_mm == 0] = np.nan
        return cls(depth, stamp_ns, frame_id, _sound=depth)

    @classmethod
    def from_m(
        cls,
        depth_m: NDArray[np.floating],
        stamp_ns: int,
        frame_id: str = "",
        *,
        near_m: float = 0.0,
        far_m: float = np.inf,
    ) -> DepthImage:
        """Return an image in encoding ``32FC1``: metres; NaN where outside (near_m, far_m).

        Also where below 1 mm or above 1 km.

        Raises:
            ValueError: not an array ``(H, W)`` of floats, or ``near_m`` is not below ``far_m``.
        """
        if np.asarray(depth_m).dtype.kind != "f":
            raise ValueError(
                f"depth in metres must be floats, got {np.asarray(depth_m).dtype}; "
                "DepthImage.from_mm takes millimetres"
            )
        if not near_m < far_m:
            raise ValueError(f"near_m must be below far_m, got {near_m} and {far_m}")
        with np.errstate(over="ignore"):  # what is too large for a float32 is no depth either
            depth = np.ascontiguousarray(depth_m, dtype=np.float32)
        sound = np.where(_is_depth(depth, near_m, far_m), depth, np.float32(np.nan))
        return cls(sound, stamp_ns, frame_id, _sound=sound)

    @property
    def wh(self) -> tuple[int, int]:
        """``(width, height)`` in px."""
        return int(self.depth_m.shape[1]), int(self.depth_m.shape[0])


def _is_depth(depth: DepthArray, near_m: float = 0.0, far_m: float = np.inf) -> BoolArray:
    """Return where there is a depth between two limits that a camera can measure."""
    return np.asarray((depth > max(near_m, _BELOW_MM)) & (depth < min(far_m, _ABOVE_KM)))


@dataclass(frozen=True, eq=False)
class Patch:
    """Inverse depth on a regular grid over a box and its surroundings.

    Attributes:
        inverse: ``(R, C)`` float32, 1/m; 0 where no depth is near the sample.
        u_px, v_px: ``(C,)`` and ``(R,)`` float64, where the columns and rows are in the image.
        rows, columns: slices of the rows and columns that lie within the box.
        xyxy_px: the box, within the image.
        stride_px: distance between neighbouring samples.
        valid: share of the box's samples that have depth.
    """

    inverse: DepthArray
    u_px: FloatArray
    v_px: FloatArray
    rows: slice
    columns: slice
    xyxy_px: tuple[float, float, float, float]
    stride_px: int
    valid: float

    @cached_property
    def has_depth(self) -> BoolArray:
        """``(R, C)`` where a sample has depth."""
        return np.asarray(self.inverse > 0)

    @property
    def inside(self) -> tuple[slice, slice]:
        """Index of the samples within the box."""
        return self.rows, self.columns

    @cached_property
    def box_units(self) -> tuple[FloatArray, FloatArray]:
        """Where columns ``(C,)`` and rows ``(R,)`` are: 0 in the middle of the box, 1 a side on."""
        x0, y0, x1, y1 = self.xyxy_px
        return (self.u_px - (x0 + x1) / 2) / (x1 - x0), (self.v_px - (y0 + y1) / 2) / (y1 - y0)

    @cached_property
    def box_samples(self) -> int:
        """How many samples lie within the box."""
        return int(self.inverse[self.inside].size)

    @property
    def box_wh_px(self) -> tuple[float, float]:
        """Width and height of the box, px."""
        x0, y0, x1, y1 = self.xyxy_px
        return x1 - x0, y1 - y0


def median(values: NDArray[np.floating]) -> float:
    """Return the lower median of at least one value, in a fifth of the time of ``np.median``."""
    middle = (values.size - 1) // 2
    ordered = values.flatten()
    ordered.partition(middle)
    return float(ordered[middle])


def sample_patch(depth_m: DepthArray, xyxy_px: FloatArray) -> Patch | None:
    """Return the samples around a box; None if fewer than 2x2 of them lie within it.

    Each sample is the median of the valid pixels among the 3x3 around it, which fills the holes
    that registration leaves and removes single false pixels. The cost does not depend on the size
    of the box.

    Args:
        depth_m: ``(H, W)``, as of :class:`DepthImage`.
        xyxy_px: ``(4,)`` the box, finite; it may reach beyond the image.
    """
    height, width = depth_m.shape
    x0, y0, x1, y1 = xyxy_px.tolist()
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height)
    if x1 - x0 < LEAST_BOX_PX or y1 - y0 < LEAST_BOX_PX:
        return None
    across = max(MARGIN * (x1 - x0), _LEAST_MARGIN_PX)
    down = max(MARGIN * (y1 - y0), _LEAST_MARGIN_PX)
    # One pixel at the border is left free for the 3x3 around a sample.
    left, right = int(max(x0 - across, 1)), int(min(x1 + across, width - 1))
    top, bottom = int(max(y0 - down, 1)), int(min(y1 + down, height - 1))
    if right - left < 3 or bottom - top < 3:
        return None
    stride = max(1, round(((right - left) * (bottom - top) / SAMPLES) ** 0.5))
    left, top = left + (stride - 1) // 2, top + (stride - 1) // 2
    u, v = np.arange(left, right, stride), np.arange(top, bottom, stride)
    columns = slice(*np.searchsorted(u + 0.5, [x0, x1]).tolist())
    rows = slice(*np.searchsorted(v + 0.5, [y0, y1]).tolist())
    if columns.stop - columns.start < 2 or rows.stop - rows.start < 2:
        return None
    inverse = _medians(depth_m, left, top, (len(v), len(u)), stride)
    share = float(np.count_nonzero(inverse[rows, columns])) / inverse[rows, columns].size
    return Patch(
        inverse, u + 0.5, v + 0.5, rows, columns, (x0, y0, x1, y1), stride, share
    )  # fmt: skip


def _medians(
    depth_m: DepthArray, left: int, top: int, shape: tuple[int, int], stride: int
) -> DepthArray:
    """Return 1/median of the valid depths around each sample, 0 where there is none."""
    rows, columns = shape
    # In two steps, as the image is in memory row by row, and nine passes over it miss the cache.
    lines = np.empty((3, rows, stride * (columns - 1) + 3), np.float32)
    for k in range(3):
        first = top - 1 + k
        lines[k] = depth_m[first : first + stride * rows : stride, left - 1 :][:, : lines.shape[2]]
    windows = np.empty((9, rows, columns), np.float32)
    for k in range(3):
        windows[k::3] = lines[:, :, k : k + stride * columns : stride]
    near = windows.reshape(9, -1)
    missing = np.isnan(near)
    if missing.any():
        _fill(near, missing.view(np.uint8))
    inverse: DepthArray = np.float32(1.0) / _median_of_nine(near)
    inverse += np.float32(0.0)  # makes 0 of -0
    return inverse.reshape(shape)


def _fill(values: DepthArray, missing: NDArray[np.uint8]) -> None:
    """Put -inf and inf in turn in place of missing values, so that medians are those of the others.

    With an even number of others, it is the lower one. Where all nine are missing, it is -inf.

    Args:
        values: ``(9, N)``.
        missing: ``(9, N)`` 1 where there is no value.
    """
    below = missing.copy()
    for k in range(1, len(below)):  # `np.logical_xor.accumulate` takes four times as long
        np.bitwise_xor(below[k - 1], below[k], out=below[k])
    below &= missing
    # The sign bit of an infinity.
    bits = below.astype(np.uint32)
    bits <<= 31
    bits |= _INFINITY
    np.fmin(values, bits.view(np.float32), out=values)


def _median_of_nine(values: DepthArray) -> DepthArray:
    """Return ``(N,)`` the medians of the columns of ``(9, N)``.

    Three triples are ordered at once; of the lowest the highest, of the middle ones the middle and
    of the highest the lowest can be the median (A. W. Paeth, "Median finding on a 3x3 grid",
    Graphics Gems, 1990).
    """
    first, second, third = values.reshape(3, 3, -1)
    low, high = np.minimum(first, second), np.maximum(first, second)
    middle, high = np.minimum(high, third), np.maximum(high, third)
    low, middle = np.minimum(low, middle), np.maximum(low, middle)
    return _middle(
        np.maximum(np.maximum(low[0], low[1]), low[2]),
        _middle(*middle),
        np.minimum(np.minimum(high[0], high[1]), high[2]),
    )


def _middle(a: DepthArray, b: DepthArray, c: DepthArray) -> DepthArray:
    """Return the medians of three values each."""
    middle: DepthArray = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    return middle
