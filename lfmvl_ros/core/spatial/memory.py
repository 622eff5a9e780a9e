# SPDX-License-Identifier: Apache-2.0
"""What is remembered of one track from image to image, in the target frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.foreground import ExpectedDepth
from lfmvl_ros.core.spatial.fusion import FusedPlace
from lfmvl_ros.core.spatial.places import Place, PlaceSource
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.timeline import NS

# How fast an object may move away from its predicted position, m/s; and how far at most, m, while
# it stands still. The limit keeps an object that hides it for long from being taken for it.
_STRAY_M_S, _LARGEST_STRAY_M = 0.5, 0.15
# What was measured longer ago is forgotten: the object may be anywhere within 100 m, and after days
# (a clock is set) the filter's numbers would overflow each other.
LONGEST_PAST_S = 60.0


class TrackMemory:
    """The filter of one track, and its last measured place.

    Args:
        stamp_ns: of the first measurement.
        centre_m: ``(3,)`` in the target frame.
        covariance: ``(3, 3)`` of it, in the target frame, m^2.
        camera: pose of the camera in the target frame.
    """

    def __init__(
        self, stamp_ns: int, centre_m: FloatArray, covariance: FloatArray, camera: RigidTransform
    ) -> None:
        self.fused = FusedPlace(stamp_ns, centre_m, covariance, camera)
        self.last: Place | None = None

    def expected(self, camera: RigidTransform, stamp_ns: int) -> ExpectedDepth | None:
        """Return the depth at which the track's surface should be, and how uncertain that is."""
        last = self.last
        if last is None:
            return None
        age_s = self.age_s(stamp_ns)
        velocity = self.fused.velocity_m_s
        z = float(camera.inverse().apply(last.surface_m + velocity * age_s)[2])
        axis = camera.rotation[:, 2]
        sigma = float(np.sqrt(axis @ last.surface_covariance @ axis))
        stray = _STRAY_M_S * age_s if velocity.any() else min(_STRAY_M_S * age_s, _LARGEST_STRAY_M)
        return ExpectedDepth(z, sigma + 0.04 * abs(z) + 0.1 + stray)

    def age_s(self, stamp_ns: int) -> float:
        """Return how long ago the last measurement was, s, >= 0."""
        return max((stamp_ns - self.fused.measured_ns) * NS, 0.0)

    def earlier_points(self, stamp_ns: int, surface_m: FloatArray) -> FloatArray:
        """Return points ``(N, 3)`` of earlier images, if the object has not moved; target frame.

        Args:
            stamp_ns: now.
            surface_m: ``(3,)`` middle of the visible surface now, in the target frame.
        """
        if self.last is None:
            return np.zeros((0, 3))
        return self.fused.points(stamp_ns, surface_m, float(self.last.size_m[:2].min()))

    def coasted(self, stamp_ns: int, limit_s: float) -> Place | None:
        """Return the predicted place; None if the last measurement is older than ``limit_s``."""
        last = self.last
        age_s = (stamp_ns - self.fused.measured_ns) * NS
        if last is None or age_s > limit_s:
            return None
        shift = self.fused.velocity_m_s * age_s
        self.fused.predict(stamp_ns)
        covariance = self.fused.covariance
        grown = covariance - last.covariance
        surface = last.surface_covariance + (grown if np.linalg.eigvalsh(grown)[0] > 0 else 0.0)
        return replace(
            last,
            centre_m=self.fused.centre_m,
            covariance=covariance,
            surface_m=last.surface_m + shift,
            surface_covariance=surface,
            velocity_m_s=self.fused.velocity_m_s,
            seen=0.0,
            source=PlaceSource.COASTED,
            pick=None,
        )
