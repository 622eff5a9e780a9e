# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms between coordinate frames, with the quaternion order of ROS (x, y, z, w)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lfmvl_ros.core.boxes import FloatArray

# tf2 refuses a quaternion whose squared length is further from 1 than this; so do we.
UNIT_TOLERANCE = 1e-2
# No frame is further from another, on earth or above it; there, a number still has micrometres.
FURTHEST_M = 1e9
# The least variance is at least this share of the largest: where a covariance is rotated, less is
# lost to rounding, and may come out negative.
_LEAST_SHARE = 1e-12
# Between rotations closer than this (cosine of half the angle), the chord replaces the arc.
_NEARLY_EQUAL = 0.9995


def as_quaternion(xyzw: ArrayLike) -> FloatArray:
    """Return a unit quaternion ``(4,)`` x, y, z, w.

    Raises:
        ValueError: not four finite numbers, or the squared length is not 1 within 0.01.
    """
    q = np.asarray(xyzw, dtype=np.float64)
    if q.shape != (4,) or not np.isfinite(q).all():
        raise ValueError(f"a rotation must be four finite numbers x, y, z, w, got {xyzw!r}")
    squared = float(q @ q)
    if abs(squared - 1.0) >= UNIT_TOLERANCE:
        raise ValueError(f"the quaternion {q.tolist()} has length {squared**0.5:.3g}, expected 1")
    return np.asarray(q / squared**0.5)


def as_translation(translation_m: ArrayLike) -> FloatArray:
    """Return a translation ``(3,)``, m, as a copy.

    Raises:
        ValueError: not three numbers of at most :data:`FURTHEST_M`.
    """
    translation = np.array(translation_m, dtype=np.float64)
    if translation.shape != (3,) or not (np.abs(translation) <= FURTHEST_M).all():
        raise ValueError(
            f"a translation must be three finite numbers of at most {FURTHEST_M:g} m, "
            f"got {translation_m!r}"
        )
    return translation


def rotation_matrix(q: FloatArray) -> FloatArray:
    """Return the ``(3, 3)`` matrix of a unit quaternion x, y, z, w."""
    x, y, z, w = q.tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion(rotation: FloatArray) -> FloatArray:
    """Return the unit quaternion x, y, z, w (w >= 0) of a ``(3, 3)`` rotation matrix.

    The eigenvector method of Bar-Itzhack (J. Guidance, Control and Dynamics, 2000): it has no
    special cases and tolerates a matrix that is slightly off.
    """
    m = rotation
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], 0],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], np.trace(m)],
        ]
    )
    q = np.linalg.eigh(k, UPLO="L")[1][:, 3]
    return np.asarray(-q if q[3] < 0 else q)


def slerp(one: FloatArray, two: FloatArray, share: float) -> FloatArray:
    """Return the rotation at ``share`` of the way from ``one`` to ``two``, the shorter way."""
    dot = float(one @ two)
    if dot < 0:
        two, dot = -two, -dot
    if dot > _NEARLY_EQUAL:
        q = one + share * (two - one)
    else:
        angle = np.arccos(dot)
        q = np.sin((1 - share) * angle) * one + np.sin(share * angle) * two
    return np.asarray(q / np.sqrt(q @ q))


def least_variance(least_m2: float, total_m2: float) -> float:
    """Return what to add to the variance in each direction, m^2.

    Args:
        least_m2: usual.
        total_m2: variance of all directions together; where it is huge, more has to be added.
    """
    return max(least_m2, _LEAST_SHARE * total_m2)


def with_least_variance(covariance: FloatArray, least_m2: float) -> FloatArray:
    """Return a ``(3, 3)`` covariance with :func:`least_variance` added in each direction, m^2."""
    return np.asarray(covariance + least_variance(least_m2, np.trace(covariance)) * np.eye(3))


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """A frame's pose in another: takes points of the source frame to the target frame.

    Attributes:
        rotation: ``(3, 3)``.
        translation_m: ``(3,)`` origin of the source frame in the target frame.

    Raises:
        ValueError: a shape differs, a value is not finite, ``rotation`` is not a rotation, or the
            translation is longer than :data:`FURTHEST_M` in one of its directions.

    >>> turn = RigidTransform.from_quaternion([1, 2, 3], [0, 0, 1, 0])
    >>> turn.apply(np.array([[1.0, 0.0, 0.0]])).round(6).tolist()
    [[0.0, 2.0, 3.0]]
    """

    rotation: FloatArray
    translation_m: FloatArray

    def __post_init__(self) -> None:
        r, t = self.rotation, self.translation_m
        if r.shape != (3, 3) or t.shape != (3,):
            raise ValueError(
                f"RigidTransform needs a (3, 3) rotation and a (3,) translation, "
                f"got {r.shape} and {t.shape}"
            )
        if not (np.isfinite(t).all() and np.isfinite(r).all()):
            raise ValueError("RigidTransform needs finite values")
        if not (np.abs(t) <= FURTHEST_M).all():
            raise ValueError(f"RigidTransform reaches {FURTHEST_M:g} m at most, got {t}")
        if np.abs(r @ r.T - np.eye(3)).max() > 1e-6 or np.linalg.det(r) < 0:
            raise ValueError("RigidTransform.rotation must be orthonormal with determinant 1")

    @classmethod
    def identity(cls) -> RigidTransform:
        """Return the transform that changes nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_quaternion(cls, translation_m: ArrayLike, xyzw: ArrayLike) -> RigidTransform:
        """Return the transform of a ``geometry_msgs/Transform``: translation and x, y, z, w.

        Raises:
            ValueError: see :func:`as_quaternion` and :func:`as_translation`.
        """
        return cls(rotation_matrix(as_quaternion(xyzw)), as_translation(translation_m))

    @property
    def quaternion(self) -> FloatArray:
        """``(4,)`` the rotation as x, y, z, w."""
        return quaternion(self.rotation)

    def inverse(self) -> RigidTransform:
        """Return the transform back, from target to source."""
        back = np.ascontiguousarray(self.rotation.T)
        return RigidTransform(back, -(back @ self.translation_m))

    def __matmul__(self, other: RigidTransform) -> RigidTransform:
        """Return the transform that applies ``other`` first, then this."""
        return RigidTransform(
            self.rotation @ other.rotation,
            self.rotation @ other.translation_m + self.translation_m,
        )

    def apply(self, points_m: FloatArray) -> FloatArray:
        """Return points ``(..., 3)`` of the source frame in the target frame."""
        return np.asarray(points_m @ self.rotation.T + self.translation_m)

    def rotate(self, covariance: FloatArray) -> FloatArray:
        """Return a covariance ``(3, 3)`` of the source frame in the axes of the target frame."""
        turned = self.rotation @ covariance @ self.rotation.T
        return np.asarray((turned + turned.T) / 2)
