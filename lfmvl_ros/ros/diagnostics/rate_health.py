# SPDX-License-Identifier: Apache-2.0
"""Judges from counters whether a gyroscope is usable, for diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.camera_names import health_name
from lfmvl_ros.ros.diagnostics.health import OK, WARN, Health, newly_dropped
from lfmvl_ros.ros.sensors.rates import RateStatus

SILENT_S = 1.0
# Reasons that mean that the gyroscope is broken; some drivers send each stamp twice.
_BROKEN = ("not_provided", "corrupt", "unstamped")


@dataclass(frozen=True)
class Placement:
    """Intrinsics and mounting that connect a gyroscope to a camera, and what is missing.

    Attributes:
        imu_frame, camera_frame: the frame_ids of the newest messages, "" before the first.
        lens_problem: why the camera's intrinsics are unknown, "" when it is known.
        mount_problem: why the orientation of the IMU to the camera is unknown, "" when it is known.
    """

    imu_frame: str = ""
    camera_frame: str = ""
    lens_problem: str = ""
    mount_problem: str = ""


class RateMonitor:
    """The health of one gyroscope: compares each report's counters with those of the one before.

    Args:
        topic: of the IMU, for the message.
        started_s: monotonic time since which rates are expected.
        camera: name of the camera that it is for; "" when it is the only one.
    """

    def __init__(self, topic: str, started_s: float, camera: str = "") -> None:
        self._topic, self._started_s, self._camera = topic, started_s, camera
        self._last_s = started_s
        self._received = self._frames = self._frames_known = 0
        self._dropped: dict[str, int] = {}

    def report(self, status: RateStatus, placed: Placement, now_s: float) -> Health:
        """Return the health of the gyroscope at the monotonic time ``now_s``."""
        rate_hz = (status.received - self._received) / max(now_s - self._last_s, 1e-3)
        level, message = self._judge(status, placed, now_s, rate_hz)
        values: dict[str, object] = {
            "topic": self._topic,
            "rate_hz": f"{rate_hz:.2f}",
            "received": status.received,
            "used": status.used,
            "without_stamp": status.without_stamp,
            "stamps_jumped_back": status.jumps_back,
            "frames": status.frames,
            "frames_known": status.frames_known,
            "ahead_s": "" if status.ahead_s is None else f"{status.ahead_s:.3f}",
            "imu_frame": placed.imu_frame,
            "camera_frame": placed.camera_frame,
        }
        values |= {f"dropped.{reason}": count for reason, count in status.dropped.items()}
        self._last_s, self._received, self._dropped = now_s, status.received, status.dropped
        self._frames, self._frames_known = status.frames, status.frames_known
        return Health(level, health_name("imu", self._camera), message, values)

    def _judge(
        self, status: RateStatus, placed: Placement, now_s: float, rate_hz: float
    ) -> tuple[int, str]:
        if status.silent_s is None:
            if now_s - self._started_s > SILENT_S:
                return WARN, f"no angular velocity yet on {self._topic}"
            return OK, f"waiting for the first angular velocity on {self._topic}"
        if status.silent_s > SILENT_S:
            return WARN, f"no angular velocity for {status.silent_s:.1f} s on {self._topic}"
        problem = self._broken(status) or self._useless(status, placed)
        return (WARN, problem) if problem else (OK, f"{rate_hz:.0f} rates per second")

    def _broken(self, status: RateStatus) -> str:
        """Return a message if IMU messages can't be used."""
        counts = newly_dropped(status.dropped, self._dropped, _BROKEN)
        return f"rates dropped: {counts}; {status.problem}" if counts else ""

    def _useless(self, status: RateStatus, placed: Placement) -> str:
        """Return a message if valid rates can't be used with the images."""
        frames = status.frames - self._frames
        if frames and (placed.lens_problem or placed.mount_problem):
            return f"rates are not used: {placed.lens_problem or placed.mount_problem}"
        unknown = frames - (status.frames_known - self._frames_known)
        if 2 * unknown <= frames:
            return ""
        return (
            f"no rate belongs to {unknown} of {frames} images; the newest is "
            f"{status.ahead_s or 0.0:+.3f} s off the last image's stamp (one clock has to stamp "
            "both, at 10 rates per second or more)"
        )
