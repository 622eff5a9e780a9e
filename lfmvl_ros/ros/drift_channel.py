# SPDX-License-Identifier: Apache-2.0
"""One camera's drift: answers in; events and a line of diagnostics out."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from lfmvl_ros.core.camera_names import topic_prefix
from lfmvl_ros.core.config_drift import DriftSettings
from lfmvl_ros.core.drift.events import DriftEvent
from lfmvl_ros.core.report import Answer
from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.diagnostics.drift_watch import DriftWatch
from lfmvl_ros.ros.diagnostics.health import Health
from lfmvl_ros.ros.gate import Gate


class DriftChannel:
    """The drift of one camera. It exists from configure to cleanup.

    Its events are on the topic of the rules' events, but wake no trigger and are not reviewed: they
    are about the images and answers, not about what happens in the scene.

    Args:
        node: publishes the events.
        gate: they are published through it.
        camera: name; "" when it is the only one.
        settings: of the node.
        warn: called with a sentence when a change begins.

    Raises:
        UserError: the profile can't be read.
    """

    def __init__(
        self,
        node: LifecycleNode,
        gate: Gate,
        camera: str,
        settings: DriftSettings,
        warn: Callable[[str], None],
    ) -> None:
        self._node, self._gate = node, gate
        self._watch = DriftWatch(settings, camera, warn, self._publish)
        self._events = node.create_lifecycle_publisher(
            String,
            topic_prefix(camera) + "events",
            qos.own(qos.EVENTS),
            qos_overriding_options=qos.overridable(),
        )

    def start(self) -> None:
        """Begin to publish events."""
        self._watch.start()

    def stop(self) -> None:
        """End every event, because the node stops. Call it while the publisher is active."""
        self._watch.stop()

    def close(self) -> None:
        """Withdraw the topic."""
        self._node.destroy_lifecycle_publisher(self._events)

    def answer(self, answer: Answer) -> None:
        """Take an answer, in the model's thread."""
        self._watch.answer(answer)

    @property
    def is_drifting(self) -> bool:
        """Whether a change is reported now."""
        return self._watch.is_drifting

    def health(self) -> Health:
        """Return the line for diagnostics."""
        return self._watch.health()

    def _publish(self, event: DriftEvent) -> None:
        self._gate.call(self._events.publish, conversions.to_json(event.to_dict()))
