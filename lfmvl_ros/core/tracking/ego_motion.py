# SPDX-License-Identifier: Apache-2.0
"""The camera's own rotation, if the robot measures it: boxes keep their bearings, not their pixels.

A camera that turns moves everything in its image. With the rates of a gyroscope (or of odometry)
and the lens from ``camera_info``, points of the image at one time can be transformed to another: a
pure rotation ``R`` takes a point of the image with the homography ``K R K^-1`` (Hartley, Zisserman,
"Multiple View Geometry", 2004, section 8.4), at any depth. The camera's translation is not
compensated.

Axes are those of a ROS optical frame: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.timeline import NS, check_stamp

KEPT_S = 10.0
# Rates further apart than this, or older, say nothing about the time between.
LONGEST_GAP_S = 0.2
# Drift of the angle: rad per square root of a second.
ANGLE_NOISE = 0.005
# A direction this close to 90 degrees from the optical axis, or beyond, is outside of every image.
LEAST_DEPTH = 0.05
FAR_PX = 1e6


@dataclass(frozen=True, eq=False)
class EgoMotion:
    """The camera's measured rotation in the last ten seconds. Immutable.

    Attributes:
        lens: of the camera.
        stamps_ns: ``(M,)`` int64, growing.
        rates_rad_s: ``(M, 3)`` angular velocity of the camera about its own x (pitch), y (yaw) and
            z (roll) axes.
    """

    lens: Intrinsics
    stamps_ns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    rates_rad_s: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))

    def with_rate(self, stamp_ns: int, rate_rad_s: object) -> EgoMotion:
        """Return this with one more measurement, see :meth:`with_rates`."""
        check_stamp("the stamp of a rate", stamp_ns)
        return self.with_rates([stamp_ns], [rate_rad_s])

    def with_rates(self, stamps_ns: object, rates_rad_s: object) -> EgoMotion:
        """Return this with more measurements; if they are not newer than the last, only with these.

        Each call copies what is kept (10 s at 400 a second: about 20 us), so a gyroscope's rates
        are best added a camera frame's worth at a time.

        Args:
            stamps_ns: ``(M,)``, growing.
            rates_rad_s: ``(M, 3)``.

        Raises:
            ValueError: a rate is not three finite numbers, a stamp no integer, or the stamps do not
                grow.
        """
        stamps = np.atleast_1d(np.asarray(stamps_ns))
        if stamps.ndim != 1 or (stamps.size and stamps.dtype.kind != "i"):
            raise ValueError(f"the stamps of rates must be integer nanoseconds, got {stamps_ns!r}")
        stamps = stamps.astype(np.int64)
        rates = np.asarray(rates_rad_s, dtype=np.float64)
        if rates.shape != (len(stamps), 3) or not np.isfinite(rates).all():
            raise ValueError(
                "an angular rate needs three finite numbers (rad/s) for each stamp, got "
                f"{rates.shape} for {len(stamps)} stamps: {rates}"
            )
        if not (np.diff(stamps) > 0).all():
            raise ValueError(f"the stamps of rates must grow, got {stamps}")
        if not len(stamps):
            return self
        known, before = self.stamps_ns, self.rates_rad_s
        if len(known) and stamps[0] <= known[-1]:
            known, before = known[:0], before[:0]
        first = np.searchsorted(known, stamps[-1] - round(KEPT_S / NS), side="right")
        return replace(
            self,
            stamps_ns=np.concatenate([known[first:], stamps]),
            rates_rad_s=np.concatenate([before[first:], rates]),
        )

    def knows(self, stamp_ns: int) -> bool:
        """Return whether the rate at a time is known, see :meth:`rotation`.

        Raises:
            ValueError: the stamp is no integer.
        """
        check_stamp("the stamp of a rotation", stamp_ns)
        if not len(self.stamps_ns):
            return False
        return bool(self._known(np.array([stamp_ns]), self.stamps_ns)[0])

    def rotation(self, from_ns: int, to_ns: int) -> FloatArray:
        """Return ``(3, 3)`` that takes a direction in the camera's axes at one time to a later one.

        Rates are interpolated linearly between measurements and held for 0.2 s after the last; at
        other times the camera counts as not turning.

        Raises:
            ValueError: a stamp is no integer.
        """
        check_stamp("the start of a rotation", from_ns)
        check_stamp("the end of a rotation", to_ns)
        if to_ns <= from_ns or not len(self.stamps_ns):
            return np.eye(3)
        # What lies between the two times, and its neighbours.
        first = max(int(np.searchsorted(self.stamps_ns, from_ns)) - 1, 0)
        last = int(np.searchsorted(self.stamps_ns, to_ns)) + 1
        stamps_ns, rates_rad_s = self.stamps_ns[first:last], self.rates_rad_s[first:last]
        inner = stamps_ns[(stamps_ns > from_ns) & (stamps_ns < to_ns)]
        ends = stamps_ns[[0, -1]] + np.array([0, round(LONGEST_GAP_S / NS)])
        extra = ends[(ends > from_ns) & (ends < to_ns)]
        knots = np.unique(np.concatenate([[from_ns, to_ns], inner, extra]).astype(np.int64))
        middle = (knots[:-1] + knots[1:]) // 2
        rates = np.stack(
            [np.interp(middle, stamps_ns, rates_rad_s[:, axis]) for axis in range(3)], axis=1
        )
        known = self._known(middle, stamps_ns)
        return _product(_rotations(-rates * known[:, None] * (np.diff(knots) * NS)[:, None]))

    @staticmethod
    def _known(times_ns: NDArray[np.int64], stamps_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which times, ``(T,)``, have a measurement before them and another soon enough."""
        longest = round(LONGEST_GAP_S / NS)
        after = np.searchsorted(stamps_ns, times_ns, side="right")
        last = len(stamps_ns) - 1
        gap = stamps_ns[np.minimum(after, last)] - stamps_ns[np.maximum(after - 1, 0)]
        late = np.where(after > last, times_ns - stamps_ns[-1], 0)
        return np.asarray((after > 0) & (gap <= longest) & (late <= longest))


def _product(steps: FloatArray) -> FloatArray:
    """Return ``steps[-1] @ ... @ steps[0]`` of ``(M, 3, 3)``, two by two."""
    while len(steps) > 1:
        if len(steps) % 2:
            steps = np.concatenate([steps, np.eye(3)[None]])
        steps = steps[1::2] @ steps[::2]
    return np.asarray(steps[0])


def _rotations(vectors: FloatArray) -> FloatArray:
    """Rotation matrices ``(M, 3, 3)`` of rotation vectors ``(M, 3)`` (formula of Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    # sinc has no hole at zero.
    first, half = np.sinc(angle / np.pi), np.sinc(angle / (2 * np.pi))
    return np.asarray(np.eye(3) + first * cross + half**2 / 2 * (cross @ cross))


def turned(
    mean: FloatArray,
    covariance: FloatArray,
    rotation: FloatArray,
    lens: Intrinsics,
    elapsed_s: float,
) -> tuple[FloatArray, FloatArray]:
    """Transform tracks from the image before a rotation of the camera to the one after it.

    Centres move by the homography of the rotation, sizes and velocities by its derivative at the
    centre. A track that turns out of sight is put far outside of the image.

    Args:
        mean: ``(N, 8)`` see :mod:`lfmvl_ros.core.tracking.motion`.
        covariance: ``(N, 8, 8)``.
        rotation: ``(3, 3)`` see :meth:`EgoMotion.rotation`.
        lens: of the camera.
        elapsed_s: seconds in which the camera turned: the rates' error adds up over them.

    Returns:
        Mean ``(N, 8)`` and covariance ``(N, 8, 8)``, new arrays.
    """
    focal = np.array([lens.fx_px, lens.fy_px])
    middle = np.array([lens.cx_px, lens.cy_px])
    before = np.concatenate([(mean[:, :2] - middle) / focal, np.ones((len(mean), 1))], axis=1)
    after = before @ rotation.T
    visible = after[:, 2] > LEAST_DEPTH
    depth = np.where(visible, after[:, 2], 1.0)[:, None]
    bearing = after[:, :2] / depth
    slope = (rotation[None, :2, :2] - bearing[:, :, None] * rotation[None, 2:, :2]) / depth[:, None]
    slope = np.where(visible[:, None, None], slope * focal[:, None] / focal, np.eye(2))
    # A box is taken for the ellipse in it: the box around the turned ellipse.
    sides = np.sqrt(((slope * mean[:, None, 2:4]) ** 2).sum(axis=2))
    growth = sides / mean[:, 2:4]
    moved = np.empty_like(mean)
    moved[:, :2] = np.where(visible[:, None], bearing * focal + middle, FAR_PX)
    moved[:, 2:4] = sides
    moved[:, 4:6] = (slope @ mean[:, 4:6, None])[:, :, 0]
    moved[:, 6:8] = growth * mean[:, 6:8]
    change = np.zeros((len(mean), 8, 8))
    axis = np.arange(2)
    for start in (0, 4):
        change[:, start : start + 2, start : start + 2] = slope
        change[:, axis + start + 2, axis + start + 2] = growth
    spread = change @ covariance @ change.transpose(0, 2, 1)
    spread = (spread + spread.transpose(0, 2, 1)) / 2
    spread[:, axis, axis] += (ANGLE_NOISE * focal) ** 2 * elapsed_s
    return moved, spread
