# SPDX-License-Identifier: Apache-2.0
"""Text on one camera's tracks: frames with their tracks in; the topic ``readings`` out."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from lfmvl_ros.core.camera_names import topic_prefix
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.readings import TextReader, TrackText
from lfmvl_ros.core.readings.reading import Texts
from lfmvl_ros.core.readings.worker import ReadingWorker
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.diagnostics.health import Health
from lfmvl_ros.ros.diagnostics.reading_health import reading_health
from lfmvl_ros.ros.gate import Gate


def _load() -> TextReader:
    from lfmvl_ros.models.text_reader import shared_text_reader  # imported only if used

    return shared_text_reader()


class ReadingChannel:
    """Reads text on the tracks of one camera. It exists from configure to cleanup.

    Args:
        node: publishes what is read.
        gate: it is published through it.
        camera: name; "" when it is the only one.
        settings: asked for the settings in force.
        on_warning: takes a sentence where nothing can be read.
    """

    def __init__(
        self,
        node: LifecycleNode,
        gate: Gate,
        camera: str,
        settings: Callable[[], PerceptionSettings],
        on_warning: Callable[[str], None],
    ) -> None:
        self._node, self._gate, self._camera, self._settings = node, gate, camera, settings
        prefix = topic_prefix(camera)
        self._readings = node.create_lifecycle_publisher(
            String,
            prefix + "readings",
            qos.own(qos.RESULTS),
            qos_overriding_options=qos.overridable(),
        )
        self.worker = ReadingWorker(
            _load, lambda: settings().reading, self._publish, on_warning
        )  # fmt: skip

    def _publish(self, text: TrackText) -> None:
        self._gate.call(self._readings.publish, conversions.to_json(text.to_dict()))

    def tracks(self, frame: Frame, tracks: Tracks) -> None:
        """Take a frame and the tracks at it; returns at once."""
        self.worker.tracks(frame, tracks)

    def texts(self) -> Texts:
        """Return what is known with at least ``reading.min_confidence``, by id."""
        low = self._settings().reading.min_confidence
        found = self.worker.texts.items()
        return {key: text for key, text in found if text.text and text.confidence >= low}

    def stop(self) -> None:
        """Forget what was read: the camera is not observed any more."""
        self.worker.forget()

    def close(self) -> None:
        """End the thread and withdraw the topic."""
        self.worker.close()
        self._node.destroy_lifecycle_publisher(self._readings)

    def health(self) -> list[Health]:
        """Return the health of reading; nothing where nothing is read."""
        settings = self._settings()
        return reading_health(self.worker.status(), settings.reading, settings.query, self._camera)
