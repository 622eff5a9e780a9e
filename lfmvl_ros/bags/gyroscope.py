# SPDX-License-Identifier: Apache-2.0
"""The gyroscope of a bag, and the rotation of one camera at a frame: as ``ros/gyroscope.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lfmvl_ros.core.config import EgoMotionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.tracking import EgoMotion
from lfmvl_ros.core.warn_once import WarnOnce
from lfmvl_ros.ros.sensors.frames import StaticFrames, given_turn
from lfmvl_ros.ros.sensors.lens import Lens
from lfmvl_ros.ros.sensors.rates import RateLog
from lfmvl_ros.ros.sensors.sensing import take_transforms, taken_rate


class BagGyroscope:
    """Rates and mounting of the gyroscope.

    Args:
        settings: of the pipeline.
        window_ns: ``tracker.reorder_window_s``.
        warn: called with a sentence, once for each problem.
    """

    def __init__(
        self, settings: EgoMotionSettings, window_ns: int, warn: Callable[[str], None]
    ) -> None:
        self._settings, self._warn = settings, warn
        self._log = RateLog(lambda: window_ns)
        self._frames = StaticFrames()
        self._given = given_turn(settings) if settings.mount != "tf" else None
        self._imu_frame = ""
        self._warn_once = WarnOnce(warn)

    def imu(self, message: Any, receipt_ns: int) -> None:
        """Take a ``sensor_msgs/Imu``; one that can't be used is counted."""
        rate = taken_rate(message, self._log, self._warn)
        if rate is None:
            return
        self._imu_frame = rate.frame_id
        self._log.put(rate.stamp_ns or receipt_ns, rate.rad_s, stamped=bool(rate.stamp_ns))

    def transforms(self, message: Any) -> None:
        """Take a ``tf2_msgs/TFMessage`` of ``/tf_static``."""
        take_transforms(message, self._frames, self._warn_once)

    def at(self, frame: Frame, lens: Lens | None) -> EgoMotion | None:
        """Return the camera's measured rotation for a frame; None if it is unknown."""
        if lens is not None and lens.unfit_for(frame.wh):
            lens = None
        turn = self._given
        if turn is None:
            turn = self._frames.rotation(self._imu_frame, frame.frame_id)
        if turn is None:
            self._warn_once(
                f"no static transforms from {self._imu_frame!r} to {frame.frame_id!r} on "
                "/tf_static: ego motion is not used; or give --ego-motion-mount given"
            )
        return self._log.at_frame(frame.stamp_ns, None if lens is None else lens.intrinsics, turn)

    def summary(self) -> dict[str, int]:
        """Return how many rates came and were used, and how many frames had a known rate."""
        status = self._log.status()
        return {"received": status.received, "used": status.used, "frames": status.frames_known}
