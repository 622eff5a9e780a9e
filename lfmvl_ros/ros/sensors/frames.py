# SPDX-License-Identifier: Apache-2.0
"""Rotations between frames that are fixed to each other. No ROS in here.

Static transforms only, on purpose: if a joint between gyroscope and camera moves, the gyroscope
does not measure the camera's rotation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from lfmvl_ros.core.config import EgoMotionSettings

Matrix = NDArray[np.float64]

_LONGEST_NAME, _MOST_FRAMES = 256, 4096  # a robot has some hundreds
# tf2 takes quaternions whose squared length is off by less than this.
_LEAST_UNIT = 1e-2


def rotation_of_rpy(roll_rad: float, pitch_rad: float, yaw_rad: float) -> Matrix:
    """Return ``(3, 3)`` that takes a frame's axes to its parent's, as ``rpy`` of a URDF does.

    >>> ahead = rotation_of_rpy(-np.pi / 2, 0, -np.pi / 2) @ [0, 0, 1]  # of an optical frame
    >>> ahead.round().tolist()
    [1.0, 0.0, 0.0]
    """
    return Rotation.from_euler("xyz", [roll_rad, pitch_rad, yaw_rad]).as_matrix()


def given_turn(settings: EgoMotionSettings) -> Matrix:
    """Return ``(3, 3)`` from the gyroscope's axes to the camera's by the angles of the settings."""
    return rotation_of_rpy(settings.roll_rad, settings.pitch_rad, settings.yaw_rad).T


class StaticFrames:
    """The tree of received ``/tf_static`` transforms. One thread adds, any may read."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, Matrix]] = {}

    def __len__(self) -> int:
        return len(self._parents)

    def add(self, parent: str, child: str, quaternion: Sequence[float]) -> None:
        """Add the rotation of ``child`` in ``parent``; it replaces an earlier one of that child.

        Args:
            parent: frame_id; a leading slash is dropped, as tf2 does.
            child: frame_id.
            quaternion: x, y, z, w.

        Raises:
            ValueError: a name is missing or too long, they are the same, there are too many
                frames, or the quaternion is not a rotation.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        if max(len(parent), len(child)) > _LONGEST_NAME:
            raise ValueError(f"the name of a frame has at most {_LONGEST_NAME} characters")
        if child not in self._parents and len(self._parents) >= _MOST_FRAMES:
            raise ValueError(f"more than {_MOST_FRAMES} frames are not kept")
        if not parent or not child or parent == child:
            raise ValueError(f"a transform needs two frames, got {parent!r} and {child!r}")
        length = math.sqrt(sum(value * value for value in quaternion))
        if not abs(length * length - 1.0) < _LEAST_UNIT:  # also when it is not a number
            raise ValueError(
                f"the rotation of {child!r} in {parent!r} has a quaternion of length {length:g}"
            )
        self._parents[child] = (parent, Rotation.from_quat(quaternion).as_matrix())

    def rotation(self, source: str, target: str) -> Matrix | None:
        """Return ``(3, 3)`` that takes a vector in the axes of ``source`` to those of ``target``.

        None where static transforms do not connect the two.
        """
        up, root = self._to_root(source.lstrip("/"))
        other, same = self._to_root(target.lstrip("/"))
        return other.T @ up if root == same and root else None

    def _to_root(self, frame: str) -> tuple[Matrix, str]:
        """Return the rotation to the axes of the root frame, and its name."""
        total, seen = np.eye(3), {frame}
        while frame in self._parents:
            frame, turn = self._parents[frame]
            total = turn @ total
            if frame in seen:  # a circle has no root
                return total, ""
            seen.add(frame)
        return total, frame
