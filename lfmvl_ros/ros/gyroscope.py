# SPDX-License-Identifier: Apache-2.0
"""One camera's gyroscope: its topic, its orientation to the camera, and the rotation at a frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Imu
from tf2_msgs.msg import TFMessage

from lfmvl_ros.core.camera_names import topic_prefix
from lfmvl_ros.core.config import EgoMotionSettings, PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import EgoMotion
from lfmvl_ros.core.warn_once import WarnOnce
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.diagnostics.health import Health
from lfmvl_ros.ros.diagnostics.rate_health import Placement, RateMonitor
from lfmvl_ros.ros.sensors.frames import Matrix, StaticFrames, given_turn
from lfmvl_ros.ros.sensors.lens import Lens, are_rectified, to_lens
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.sensors.rates import RateLog
from lfmvl_ros.ros.sensors.sensing import take_transforms, taken_rate
from lfmvl_ros.ros.streams import StreamReader


class EgoMotionInput:
    """Subscribes when made, until :meth:`stop`.

    Args:
        node: which has the topics.
        streams: reads them.
        camera: name of the camera; "" when it is the only one.
        images: resolved topic of its images.
        settings: returns the settings in force.
        warn: called with a sentence, once for each problem.
    """

    def __init__(
        self,
        node: LifecycleNode,
        streams: StreamReader,
        camera: str,
        images: str,
        settings: Callable[[], PerceptionSettings],
        warn: Callable[[str], None],
    ) -> None:
        self._node, self._streams = node, streams
        self._settings, self._warn = settings, warn
        self._rectified = are_rectified(images)
        self._log = RateLog(lambda: int(settings().tracker.reorder_window_s * 1e9))
        self._frames = StaticFrames()
        self._lens: Lens | None = None
        self._lens_problem = "no camera_info has been received yet"
        self._given: tuple[EgoMotionSettings, Matrix] | None = None
        self._imu_frame, self._placed = "", Placement()
        self._warn_once = WarnOnce(warn)
        self.prefix = topic_prefix(camera)
        topic = node.resolve_topic_name(self.prefix + "imu")
        self._monitor = RateMonitor(topic, time.monotonic(), camera)
        self._subscriptions: list[Subscription] = []
        overridable = qos.overridable()
        self._subscribe(TFMessage, "/tf_static", self._on_transforms, qos.STATIC_TRANSFORMS)
        self._subscribe(Imu, self.prefix + "imu", self._on_imu, qos.RATES, overridable)

    def _subscribe(
        self,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        profile: QoSProfile,
        overridable: QoSOverridingOptions | None = None,
    ) -> None:
        subscription = self._streams.subscribe(
            kind,
            topic,
            lambda message, _info: callback(message),
            qos.own(profile),
            qos_overriding_options=overridable,
        )
        self._subscriptions.append(subscription)

    def stop(self) -> None:
        """Unsubscribe."""
        while self._subscriptions:
            self._streams.unsubscribe(self._subscriptions.pop())

    def camera_info(self, message: CameraInfo) -> None:
        """Store the camera's calibration."""
        try:
            self._lens, self._lens_problem = to_lens(message, rectified=self._rectified), ""
        except ConversionError as error:
            self._lens, self._lens_problem = None, str(error)

    def at(self, frame: Frame) -> EgoMotion | None:
        """Return the camera's measured rotation for a frame; None if it is unknown."""
        settings, lens, problem = self._settings().ego_motion, self._lens, self._lens_problem
        if settings.source == "none":
            return None
        if lens is not None and (unfit := lens.unfit_for(frame.wh)):
            lens, problem = None, unfit
        turn = self._turn(settings, frame.frame_id)
        self._placed = Placement(
            imu_frame=self._imu_frame,
            camera_frame=frame.frame_id,
            lens_problem=problem,
            mount_problem="" if turn is not None else self._unconnected(frame.frame_id),
        )
        intrinsics = None if lens is None else lens.intrinsics
        return self._log.at_frame(frame.stamp_ns, intrinsics, turn)

    def health(self, now_s: float) -> list[Health]:
        """Return the diagnostics of the gyroscope; nothing while it is not used."""
        if self._settings().ego_motion.source == "none":
            return []
        status, placed = self._log.status(), self._placed
        if status.received:
            self._warn_once(placed.lens_problem)
            self._warn_once(placed.mount_problem)
        return [self._monitor.report(status, placed, now_s)]

    # -- messages ----------------------------------------------------------------------------------

    def _on_imu(self, message: Imu) -> None:
        rate = taken_rate(message, self._log, self._warn)
        if rate is None:
            return
        self._imu_frame = rate.frame_id
        taken_ns = rate.stamp_ns or self._node.get_clock().now().nanoseconds
        verdict = self._log.put(taken_ns, rate.rad_s, stamped=bool(rate.stamp_ns))
        if verdict is Verdict.RESTARTED:
            self._warn("stamps of the IMU jumped back; its earlier rates are forgotten")
        elif verdict is Verdict.UNSTAMPED:
            self._warn_once("IMU messages without a stamp are dropped (unstamped)")
        elif not rate.stamp_ns:
            self._warn_once("the IMU sends messages without a stamp; the time of receipt is used")

    def _on_transforms(self, message: TFMessage) -> None:
        take_transforms(message, self._frames, self._warn_once)

    # -- mounting ----------------------------------------------------------------------------------

    def _turn(self, settings: EgoMotionSettings, camera_frame: str) -> Matrix | None:
        """Return ``(3, 3)`` from the gyroscope's axes to the camera's; None when it is unknown."""
        if settings.mount == "tf":
            return self._frames.rotation(self._imu_frame, camera_frame)
        if self._given is None or self._given[0] != settings:
            self._given = (settings, given_turn(settings))
        return self._given[1]

    def _unconnected(self, camera_frame: str) -> str:
        if not self._imu_frame or not camera_frame:
            nameless = "the IMU" if not self._imu_frame else "the camera"
            return f"{nameless} names no frame_id; ego_motion.mount given needs none"
        return (
            f"no static transforms from {self._imu_frame} to {camera_frame} on /tf_static; publish "
            "them, or set ego_motion.mount to given"
        )
