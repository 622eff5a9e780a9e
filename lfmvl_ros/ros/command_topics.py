# SPDX-License-Identifier: Apache-2.0
"""The topics ``command`` (from operators and agents) and ``command_result``."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.parameter import Parameter
from std_msgs.msg import String

from lfmvl_ros.core.commands.commander import Commander
from lfmvl_ros.core.commands.controls import Controls
from lfmvl_ros.core.commands.policy import Policy
from lfmvl_ros.core.commands.result import CommandResult
from lfmvl_ros.core.commands.rule_events import RuleEvents
from lfmvl_ros.core.commands.scene import Scene
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.memory.sighting import Sighting
from lfmvl_ros.core.memory.store import MemoryStore
from lfmvl_ros.core.readings.worker import ReadingWorker
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.user_files import user_path
from lfmvl_ros.models.abilities import may_describe, tool_syntax
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.channel import CameraChannel
from lfmvl_ros.ros.shared import Shared


class CommandTopics:
    """Takes commands in every state of the node; each gets at least one result.

    Args:
        shared: what the node's parts use.
        channels: its cameras by name.
    """

    def __init__(self, shared: Shared, channels: Mapping[str, CameraChannel]) -> None:
        self._shared, node = shared, shared.node
        # Deep queues: a result that is dropped is waited for in vain.
        self._results = node.create_publisher(
            String,
            "command_result",
            qos.own(qos.REQUESTS),
            qos_overriding_options=qos.overridable(),
        )
        self._scene = Scene(
            tuple(channels),
            lambda: shared.settings.diagnostics.camera_stale_s,
            lambda camera: channels[camera].newest_tracks,
            lambda camera, stamp_ns: channels[camera].places_at(stamp_ns),
            lambda camera: channels[camera].texts(),
        )
        self._channels = channels
        controls = Controls(
            self._scene,
            lambda: shared.pipeline,
            self._change,
            self._captions,
            self._recall,
            self._rule_events,
            self._readers,
        )
        self._commander = Commander(controls, self._policy, self._now_ns, self._publish)
        node.create_subscription(
            String,
            "command",
            lambda message: self._commander.submit(message.data),
            qos.own(qos.REQUESTS),
            callback_group=MutuallyExclusiveCallbackGroup(),
            qos_overriding_options=qos.overridable(),
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """Commands by how they ended."""
        return self._commander.counts

    def answered(self, answer: Answer) -> None:
        """Take an answer of the model."""
        self._scene.answered(answer)
        self._commander.tick()

    def forget(self) -> None:
        """Forget the answers, because the node has stopped sending requests."""
        self._scene.clear()

    def close(self) -> None:
        """Cancel the running commands."""
        self._commander.close()

    def _model(self) -> str:
        pipeline = self._shared.pipeline
        return "" if pipeline is None else pipeline.status().model

    def _policy(self) -> Policy:
        commands, model = self._shared.settings.commands, self._model()
        syntax = commands.tool_syntax
        if syntax == "checkpoint":
            syntax = tool_syntax(model) if model else ""
        allowed = tuple(filter(None, commands.allow))
        constrained = commands.grammar == "auto"
        return Policy(allowed, commands.dry_run, syntax, model, constrained)

    def _captions(self) -> bool:
        return may_describe(self._model())

    def _change(self, changes: Mapping[str, object]) -> str:
        """Set parameters as a client would; return why they were refused, "" if they were set."""
        parameters = [Parameter(name, value=value) for name, value in changes.items()]
        result = self._shared.node.set_parameters_atomically(parameters)
        return "" if result.successful else str(result.reason)

    def _recall(self, label: str, camera: str) -> Sighting | None:
        """Return where an object was last seen; nothing without a memory that can be read."""
        file = self._shared.settings.memory.file
        if not file:
            return None
        try:
            store = MemoryStore(user_path(file, "memory.file"), read_only=True)
            try:
                return next(iter(store.last(label, 1, camera)), None)
            finally:
                store.close()
        except UserError as error:
            self._shared.node.get_logger().warning(f"where_is: {error}")
            return None

    def _rule_events(self) -> dict[str, RuleEvents]:
        found = {name: channel.rule_events for name, channel in self._channels.items()}
        return {name: events for name, events in found.items() if events is not None}

    def _readers(self) -> dict[str, ReadingWorker]:
        found = {name: channel.reading for name, channel in self._channels.items()}
        return {name: reading.worker for name, reading in found.items() if reading is not None}

    def _now_ns(self) -> int:
        return int(self._shared.node.get_clock().now().nanoseconds)

    def _publish(self, result: CommandResult) -> None:
        message = String(data=json_text(result.to_dict()))
        self._shared.gate.call(self._results.publish, message)
