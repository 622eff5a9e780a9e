# SPDX-License-Identifier: Apache-2.0
"""Publishes a scene, video, image folder or device as ``image_raw``, like a camera driver."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from lfmvl_ros.core.colour import Pixels
from lfmvl_ros.core.config import CameraSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.conversions import to_camera_info, to_image
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.parameters import SettingsParameters, warn_unused_qos
from lfmvl_ros.ros.process import run, stop_spinning
from lfmvl_ros.ros.sensors.camera_view import CameraView, ViewSource
from lfmvl_ros.ros.sensors.image_sources import open_source
from lfmvl_ros.ros.sensors.pacing import Pacer
from lfmvl_ros.ros.view_outputs import ViewOutputs

USAGE = """camera_node publishes image_raw and camera_info at the source's own rate; with source
scene also depth/image, depth/camera_info, /tf, and true boxes on truth and truth_3d.

  ros2 run lfmvl_ros camera_node --ros-args -p source:=scene -p rate_hz:=15.0
  ros2 run lfmvl_ros camera_node --ros-args -p source:=video.mp4 -p loop:=false

`lfmvl config --camera` prints every parameter. Exit code 2: the source can't be read."""
_REPORT_S = 5.0
_TOGETHER_NS, _MOST_TRIES = 200_000, 5  # of readings of two clocks


class _Views:
    """An image source whose images come with what a simulated camera knows beside them.

    Args:
        source: an image source that is a :class:`ViewSource` as well.
        every: depth comes with each image of this number, at most.
        needs_depth: whether depth images are needed at all; called for each of these images.
    """

    def __init__(self, source: Any, every: int, needs_depth: Callable[[], bool]) -> None:
        self._source, self._every, self._needs_depth = source, every, needs_depth
        self.live, self.rate_hz, self.name = source.live, source.rate_hz, source.name
        self.skip, self.rewind, self.close = source.skip, source.rewind, source.close
        self.next_ns = source.next_ns
        self._since = every

    def read(self) -> CameraView | None:
        """Return the next image with the rest."""
        self._since += 1
        depth = self._since >= self._every and self._needs_depth()
        if depth:
            self._since = 0
        view: CameraView | None = self._source.read_view(depth=depth)
        return view


class CameraNode(Node):
    """Publishes a source's images.

    Raises:
        UserError: a parameter or the source can't be used.
    """

    def __init__(self) -> None:
        super().__init__("camera")
        self.exit_code = 0
        parameters = SettingsParameters(self, CameraSettings(), apply=lambda _: None)
        self._settings = parameters.settings
        source = open_source(self._settings)
        self._intrinsics = source.intrinsics
        self._images = self.create_publisher(
            Image, "image_raw", qos.SENSOR, qos_overriding_options=qos.overridable()
        )
        self._infos = self.create_publisher(CameraInfo, "camera_info", qos.SENSOR)
        self._views: ViewOutputs | None = None
        shown: Any = source
        deliver: Callable[[Any, int], object] = self._publish
        if isinstance(source, ViewSource):
            views = ViewOutputs(self, self._settings.frame_id, self._settings.world_frame)
            every = max(1, round(source.rate_hz / self._settings.depth_rate_hz))
            shown = _Views(source, every, lambda: views.depth_is_wanted)
            self._views, deliver = views, self._publish_view
        warn_unused_qos(self)
        self._pacer = Pacer(shown, deliver, loop=self._settings.loop, ended=self._ended)
        self._skipped, self._gate = 0, Gate()
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_REPORT_S, self._report, clock=clock)
        self.get_logger().info(f"{source.name}: {source.rate_hz:g} images per second")
        self._pacer.start()

    def close(self) -> None:
        """Stop publishing."""
        self._pacer.stop()
        self._gate.close()

    def _publish_view(self, view: CameraView, due_ns: int) -> None:
        stamp_ns, info = self._publish(view.pixels, due_ns)
        if self._views is not None:
            self._gate.call(self._views.publish, view, stamp_ns, info)

    def _publish(self, pixels: Pixels, due_ns: int) -> tuple[int, CameraInfo]:
        stamp_ns = max(0, due_ns + self._clocks_apart_ns())
        wh, frame_id = (pixels.shape[1], pixels.shape[0]), self._settings.frame_id
        image = to_image(pixels, stamp_ns, frame_id, self._settings.encoding)
        info = to_camera_info(stamp_ns, frame_id, wh, self._intrinsics(wh))
        self._gate.call(self._images.publish, image)
        self._gate.call(self._infos.publish, info)
        return stamp_ns, info

    def _clocks_apart_ns(self) -> int:
        """Return how far the clock of the stamps is ahead of ``time.monotonic_ns``.

        One is read between two readings of the other; again where the machine stood still then.
        """
        tries: list[tuple[int, int]] = []
        while not tries or (tries[-1][0] > _TOGETHER_NS and len(tries) < _MOST_TRIES):
            before_ns = time.monotonic_ns()
            now_ns = self.get_clock().now().nanoseconds
            after_ns = time.monotonic_ns()
            tries.append((after_ns - before_ns, now_ns - (before_ns + after_ns) // 2))
        return min(tries)[1]

    def _report(self) -> None:
        status = self._pacer.status()
        if status.skipped > self._skipped:
            self.get_logger().warning(
                f"this machine can't produce images fast enough: "
                f"{status.skipped - self._skipped} skipped in {_REPORT_S:g} s; "
                "lower rate_hz, width or height"
            )
        self._skipped = status.skipped

    def _ended(self, error: UserError | None) -> None:
        if error is None:
            self.get_logger().info("the source has ended")
        else:
            self.get_logger().error(str(error))
            self.exit_code = 2
        stop_spinning()


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the node as this process."""
    run(CameraNode, USAGE, args)


if __name__ == "__main__":
    main()
