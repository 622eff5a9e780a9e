# SPDX-License-Identifier: Apache-2.0
"""One object over time, in the target frame: position, velocity, and the points seen of it.

**Points are fused.** Samples of the last seconds are kept in the target frame and shown to the
estimator together with those of the newest image, as the newest camera pose sees them: a moving
camera sees more sides of an object, and the jitter of its box averages out.

**Errors that never average out are kept apart.** Most of a place's error is the same in each
image: the unseen thickness, calibration, registration. A filter that treats this error as noise
becomes certain of a wrong position. So each measurement's error is split into a part that is
independent in each image and a constant part, which is fixed in the camera's axes for the life of
the track. The filter estimates with the first part, and keeps its sensitivity to the second (a
Schmidt-Kalman or consider filter, S. F. Schmidt, "Application of state-space methods to navigation
problems", 1966). The constant part shrinks only if the camera moves around the object, since its
directions then differ.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.rigid import RigidTransform, with_least_variance
from lfmvl_ros.core.timeline import NS

# Share of a measurement's variance that stays for the life of a track, and that is new each time.
# Neighbouring frames share some of what is new, so it counts for more than once.
LASTING, FRESH = 0.9, 0.6
KEEP_POINTS_S = 3.0
_POINTS_A_VIEW = 60
_VIEWS = 12
_VIEW_GAP_S = 0.2
# If the surface is further away than this (in sides of the object, plus m), the object has moved.
_MOVED, _MOVED_M = 0.15, 0.02
_FIRST_SPEED_M_S = 0.7
# Process noise of moving and of standing objects, m/s per square root of a second.
_ACCELERATION, _STILL_ACCELERATION = 0.5, 0.02
# A speed below this many standard deviations counts as zero.
_STILL = 2.5
# Squared distance (chi-square, 3 degrees of freedom) beyond which the object has moved by itself.
_JUMP = 21.0
_LEAST_VARIANCE = 1e-9


@dataclass(frozen=True, eq=False)
class _PointView:
    stamp_ns: int
    surface_m: FloatArray  # (3,) middle of the visible surface, in the target frame
    points_m: FloatArray  # (N, 3) in the target frame


class FusedPlace:
    """Position and velocity of one object in the target frame.

    Args:
        stamp_ns: of the first measurement.
        centre_m: ``(3,)`` in the target frame.
        covariance: ``(3, 3)`` of it, in the target frame, m^2.
        camera: pose of the camera in the target frame.
    """

    def __init__(
        self, stamp_ns: int, centre_m: FloatArray, covariance: FloatArray, camera: RigidTransform
    ) -> None:
        self.stamp_ns = stamp_ns
        self.measured_ns = stamp_ns
        self._views: deque[_PointView] = deque(maxlen=_VIEWS)
        self._start(centre_m, covariance, camera)

    def _start(self, centre: FloatArray, covariance: FloatArray, camera: RigidTransform) -> None:
        self._state: FloatArray = np.concatenate([centre, np.zeros(3)])
        self._fresh: FloatArray = np.zeros((6, 6))
        self._fresh[:3, :3] = FRESH * covariance
        self._fresh[3:, 3:] = np.eye(3) * _FIRST_SPEED_M_S**2
        self._sensitivity: FloatArray = np.zeros((6, 3))
        self._sensitivity[:3] = _root(LASTING * covariance, camera)
        self._views.clear()

    @property
    def centre_m(self) -> FloatArray:
        """``(3,)`` in the target frame, at the stamp."""
        return self._state[:3].copy()

    @property
    def covariance(self) -> FloatArray:
        """``(3, 3)`` of the centre, both parts, m^2."""
        lasting = self._sensitivity[:3]
        total = self._fresh[:3, :3] + lasting @ lasting.T
        return with_least_variance((total + total.T) / 2, _LEAST_VARIANCE)

    @property
    def velocity_m_s(self) -> FloatArray:
        """``(3,)`` m/s; zero unless it exceeds 2.5 standard deviations."""
        velocity = self._state[3:]
        squared = float(velocity @ np.linalg.solve(self._fresh[3:, 3:], velocity))
        return velocity.copy() if squared > _STILL**2 else np.zeros(3)

    def predict(self, stamp_ns: int) -> None:
        """Predict the state at a later stamp; an earlier one changes nothing."""
        seconds = (stamp_ns - self.stamp_ns) * NS
        if seconds <= 0:
            return
        step = np.eye(6)
        step[:3, 3:] = np.eye(3) * seconds
        self._state = np.concatenate(
            [self._state[:3] + self.velocity_m_s * seconds, self._state[3:]]
        )
        self._fresh = step @ self._fresh @ step.T
        strays = _ACCELERATION if self.velocity_m_s.any() else _STILL_ACCELERATION
        noise = strays**2 * np.array([[seconds**3 / 3, seconds**2 / 2],
                                             [seconds**2 / 2, seconds]])  # fmt: skip
        self._fresh += np.kron(noise, np.eye(3))
        self._sensitivity = step @ self._sensitivity
        self.stamp_ns = stamp_ns

    def update(
        self, stamp_ns: int, centre_m: FloatArray, covariance: FloatArray, camera: RigidTransform
    ) -> bool:
        """Apply a measurement; False if it contradicts the prediction, and the filter starts again.

        Args:
            stamp_ns: not before the last one.
            centre_m: ``(3,)`` in the target frame.
            covariance: ``(3, 3)`` of it, in the target frame, m^2.
            camera: pose of the camera in the target frame.
        """
        self.predict(stamp_ns)
        self.measured_ns = stamp_ns
        off = centre_m - self._state[:3]
        root = _root(LASTING * covariance, camera)
        differing = self._sensitivity[:3] - root
        total = self._fresh[:3, :3] + FRESH * covariance + differing @ differing.T
        if float(off @ np.linalg.solve(total, off)) > _JUMP:
            self._start(centre_m, covariance, camera)
            return False
        # The best gain for the total error: measurements along new directions count for more.
        shared = self._fresh[:, :3] + self._sensitivity @ differing.T
        gain = np.linalg.solve(total, shared.T).T
        self._state = self._state + gain @ off
        keep = np.eye(6)
        keep[:, :3] -= gain
        self._fresh = keep @ self._fresh @ keep.T + gain @ (FRESH * covariance) @ gain.T
        self._sensitivity = keep @ self._sensitivity + gain @ root
        return True

    def add_points(self, stamp_ns: int, surface_m: FloatArray, points_m: FloatArray) -> None:
        """Keep some of the points of a view.

        Args:
            stamp_ns: of the view.
            surface_m: ``(3,)`` middle of the visible surface, in the target frame.
            points_m: ``(N, 3)`` in the target frame.
        """
        if self._views and (stamp_ns - self._views[-1].stamp_ns) * NS < _VIEW_GAP_S:
            return
        every = max(1, len(points_m) // _POINTS_A_VIEW)
        self._views.append(_PointView(stamp_ns, surface_m, points_m[::every].copy()))

    def points(self, stamp_ns: int, surface_m: FloatArray, side_m: float) -> FloatArray:
        """Return the points ``(N, 3)`` of earlier views in which the object was where it is now.

        A view in which the surface was elsewhere is left out: the object has moved since then.

        Args:
            stamp_ns: now.
            surface_m: ``(3,)`` middle of the visible surface now, in the target frame.
            side_m: the smaller of the object's visible width and height.
        """
        limit = _MOVED * side_m + _MOVED_M
        kept = [
            view.points_m
            for view in self._views
            if (stamp_ns - view.stamp_ns) * NS <= KEEP_POINTS_S
            and float(np.linalg.norm(view.surface_m - surface_m)) < limit
        ]
        return np.concatenate(kept) if kept else np.zeros((0, 3))


def _root(covariance: FloatArray, camera: RigidTransform) -> FloatArray:
    """Return ``(3, 3)`` how an error in units of the camera's axes shows in the target frame."""
    axes = camera.rotation
    values, vectors = np.linalg.eigh(axes.T @ covariance @ axes)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return np.asarray(axes @ root)
