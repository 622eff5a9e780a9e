# SPDX-License-Identifier: Apache-2.0
"""The perception node: connects cameras, model and results, and follows the ROS life cycle."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import NoReturn

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import BatteryState
from std_msgs.msg import Empty, String
from std_srvs.srv import SetBool

from lfmvl_ros.core.config import MODEL_SETTINGS, PerceptionSettings
from lfmvl_ros.core.errors import describe
from lfmvl_ros.core.memory.store import MemoryStore
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.pipeline.usable import usable_query
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.safe_text import shortened
from lfmvl_ros.core.tracking import check_follower
from lfmvl_ros.core.user_files import user_path
from lfmvl_ros.models.load import check_model
from lfmvl_ros.ros import conversions, qos, responses
from lfmvl_ros.ros.answer_service import AnswerService
from lfmvl_ros.ros.bond import LifecycleBond
from lfmvl_ros.ros.channel import CameraChannel
from lfmvl_ros.ros.command_topics import CommandTopics
from lfmvl_ros.ros.diagnostics.health import Health, ModelSwap
from lfmvl_ros.ros.diagnostics.label_check import LabelCheck
from lfmvl_ros.ros.diagnostics.node_health import NodeHealth
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.image_reader import ImageReader
from lfmvl_ros.ros.model_manager import ModelManager
from lfmvl_ros.ros.opinion_channel import OpinionChannel
from lfmvl_ros.ros.parameters import SettingsParameters, warn_unused_qos
from lfmvl_ros.ros.process import logs_errors, run, stop_spinning
from lfmvl_ros.ros.shared import Shared
from lfmvl_ros.ros.side_outputs import SideOutputs
from lfmvl_ros.ros.spared import Spared
from lfmvl_ros.ros.spatial.transform_input import TransformInput
from lfmvl_ros.ros.streams import StreamReader

USAGE = """perception_node finds the objects of a query in a camera topic and tracks them.

  ros2 run lfmvl_ros perception_node --ros-args -p model:=bundled -p query:="person, red tote" \\
      -r image_raw:=/camera/image_raw

`lfmvl config` prints every parameter. Exit code 2: a parameter or the model can't be used."""
_ANSWER_STOP_S, _EXIT_STOP_S = 30.0, 0.8


class PerceptionNode(LifecycleNode):
    """A managed node: configure loads the model, activate starts, cleanup frees the weights.

    Raises:
        UserError: a parameter can't be used.
    """

    def __init__(self) -> None:
        super().__init__("perception")
        self.exit_code = 0
        self._health, self._warned_of_qos = NodeHealth(), False
        self._labels, log = LabelCheck(self.get_logger()), self.get_logger()
        self._spared = Spared()
        self._side = SideOutputs(log.info, log.warning)
        self._models = ModelManager(self.get_logger(), self._revert_model)
        self._bond, self._gate, self._streams = LifecycleBond(self), Gate(), StreamReader(self)
        self._changing, self._closing = threading.Lock(), False
        transforms = TransformInput(self, self._streams)
        self._declared = SettingsParameters(self, PerceptionSettings(), self._apply)
        CARD_TEMPLATE.render(Query.parse(self._settings.query))
        images = ImageReader(self, lambda: self._settings.image.max_input_megapixels)
        self._opinions = OpinionChannel(self, self._models, lambda: self._settings)
        shared = Shared(
            self, self._declared, self._models, images, self._gate, self._streams, transforms,
            self._side, self._opinions,
        )  # fmt: skip
        self._channels = {name: CameraChannel(name, shared) for name in self._settings.cameras}
        self._commands = CommandTopics(shared, self._channels)
        self._health.commands = self._commands.counts
        self._wire()

    @property
    def _settings(self) -> PerceptionSettings:
        return self._declared.settings

    @property
    def _pipeline(self) -> Pipeline | None:
        return self._models.pipeline

    def _wire(self) -> None:
        """Create what exists in every state. Callback groups keep slow calls from blocking."""
        group = MutuallyExclusiveCallbackGroup
        self.create_subscription(
            String, "query", self._on_query, qos.RESULTS, callback_group=group()
        )
        for channel in self._channels.values():
            self.create_subscription(
                Empty,
                channel.prefix + "look",
                channel.look,
                qos.RESULTS,
                callback_group=group(),
            )
        self.create_subscription(
            BatteryState,
            "battery",
            self._spared.on_battery,
            qos.own(qos.NEWEST),
            callback_group=group(),
            qos_overriding_options=qos.overridable(),
        )
        self.create_service(
            SetBool,
            "enable",
            self._on_enable,
            qos_profile=qos.own(qos.REQUESTS),
            callback_group=group(),
        )
        self._answer_services = [
            AnswerService(
                self, channel.prefix, channel.name, self._models, channel.places_at, self._gate
            )
            for channel in self._channels.values()
        ]
        self._opinions.serve(lambda: [c.newest_tracks for c in self._channels.values()], group())
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.RESULTS)
        # Steady time: a paused simulation must not hide that the camera is silent.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._report, callback_group=group(), clock=steady)
        if self._settings.autostart:
            self._starter = self.create_timer(
                0.01, self._autostart, callback_group=group(), clock=steady
            )

    # -- life cycle --------------------------------------------------------------------------------

    def _autostart(self) -> None:
        self._starter.cancel()
        done = TransitionCallbackReturn.SUCCESS
        try:
            if self.trigger_configure() == done and self.trigger_activate() == done:
                return
        except RuntimeError as error:  # rclpy's RCLError: another client was faster
            if not self._closing:
                self.get_logger().warning(f"autostart stopped, another client was faster: {error}")
            return
        # No lifecycle manager is involved, so the exit code reports the failure.
        if not self._closing:
            self.exit_code = 2
        stop_spinning()

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Load the model."""
        log = self.get_logger()
        self._health.idle = f"loading {self._settings.model} on {self._settings.device}"
        log.info(f"{self._health.idle} ...")
        began_s = time.monotonic()
        try:
            _check_rules(self._settings.rules_file)
            _check_drift(self._settings)
            _check_memory(self._settings)
            self._side.open(self._settings)
            self._opinions.open()
            check_follower(self._settings.tracker.follower)
            name = self._models.configure(lambda: self._settings, self._on_answer)
        except Exception as error:
            self._health.problem = describe(error)
            log.error(f"configuring failed: {self._health.problem}")
            self._release()
            return TransitionCallbackReturn.FAILURE
        finally:
            self._health.idle = "not configured"
        with self._changing:
            if self._closing:  # a signal came while the model was loading
                return TransitionCallbackReturn.FAILURE
            self._health.configured()
            for channel in self._channels.values():
                channel.open()
        log.info(f"{name} is ready after {time.monotonic() - began_s:.1f} s")
        return super().on_configure(state)

    @logs_errors
    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Start: subscribe to the cameras, start inference."""
        with self._changing:
            pipeline = self._pipeline
            if self._closing or pipeline is None:
                return TransitionCallbackReturn.FAILURE
            result = super().on_activate(state)  # from here on publishers publish
            self._health.activated()
            self._publish_query(pipeline)
            pipeline.start()
            for channel in self._channels.values():
                channel.start()
            if not self._warned_of_qos:
                self._warned_of_qos = True
                warn_unused_qos(self)
            self._bond.form(self._settings.bond_timeout)
        self.get_logger().info(f"looking for: {pipeline.query.text}")
        self._labels.check(self._settings.model, pipeline.query)
        return result

    @logs_errors
    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Stop inference; keep the weights."""
        if not self._halt(_ANSWER_STOP_S):
            self.get_logger().error("a model call does not return; its weights stay in memory")
            return TransitionCallbackReturn.ERROR
        return super().on_deactivate(state)

    @logs_errors
    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Free the weights."""
        self._release()
        return super().on_cleanup(state)

    @logs_errors
    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """Stop and free, from any state."""
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Stop and free; the node can be configured again."""
        del state
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """End the bond and stop all threads, also during an answer."""
        self._closing = True
        if self._changing.acquire(timeout=_EXIT_STOP_S):  # a transition may be in progress
            self._changing.release()
        self._stop(_EXIT_STOP_S)
        self._commands.close()
        self._opinions.close()
        for service in self._answer_services:
            service.close()
        self._streams.close()
        self._gate.close()

    def _halt(self, timeout_s: float) -> bool:
        with self._changing:
            return self._stop(timeout_s)

    def _stop(self, timeout_s: float) -> bool:
        self._bond.end()
        for channel in self._channels.values():
            channel.stop()
        self._commands.forget()
        self._opinions.stop()
        self._health.deactivated()
        return self._pipeline is None or self._pipeline.stop(timeout_s)

    def _release(self) -> None:
        self._models.release(self._halt(_EXIT_STOP_S))
        for channel in self._channels.values():
            channel.close()
        self._side.close()
        self._opinions.close()

    # -- answers -----------------------------------------------------------------------------------

    def _on_answer(self, answer: Answer) -> None:
        if answer.grounding.region is None:
            self._health.answer = answer
        self._commands.answered(answer)
        channel = self._channels[answer.grounding.camera]
        channel.answer(answer)
        self._side.answer(answer, drifting=channel.is_drifting)

    # -- commands ----------------------------------------------------------------------------------

    def _apply(self, settings: PerceptionSettings) -> None:
        """Apply changed settings; a :class:`UserError` refuses them."""
        pipeline = self._pipeline
        if settings.model_key != self._settings.model_key:
            check_model(settings)
        if settings.rules_file != self._settings.rules_file:
            _check_rules(settings.rules_file)
        if pipeline is None:
            usable_query(settings, CARD_TEMPLATE)
            return
        before = (pipeline.query, pipeline.settings.parsing.min_score)
        pipeline.reconfigure(settings)
        if before != (pipeline.query, settings.parsing.min_score):
            self._publish_query(pipeline)
        self._labels.check(settings.model, pipeline.query)
        self._models.request(settings)

    def _revert_model(self, key: tuple[str, str, str, str]) -> None:
        """Set the parameters back to the model that is in use."""
        changes = [
            Parameter(name, Parameter.Type.STRING, value)
            for name, value in zip(MODEL_SETTINGS, key, strict=True)
        ]
        self._gate.call(self.set_parameters_atomically, changes)

    def _publish_query(self, pipeline: Pipeline) -> None:
        for channel in self._channels.values():
            channel.query(pipeline.query, pipeline.settings.parsing.min_score)

    def _on_query(self, message: String) -> None:
        parameter = Parameter("query", Parameter.Type.STRING, message.data)
        (result,) = self.set_parameters([parameter])
        if not result.successful:
            self._health.rejected_queries += 1
            reason = shortened(result.reason)  # any node may publish, at any length and rate
            self.get_logger().warning(f"query refused: {reason}", throttle_duration_sec=1.0)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        return responses.enable(self._pipeline, request, response)

    # -- diagnostics -------------------------------------------------------------------------------

    def _report(self) -> None:
        for service in self._answer_services:
            service.expire()
        if self._changing.acquire(blocking=False):  # a transition may be under way
            try:
                for channel in self._channels.values():
                    channel.poll()
            finally:
                self._changing.release()
        if (pipeline := self._pipeline) is not None:
            pipeline.restrain(self._spared.restraint(self._settings.limits))
        now_ns, name = self.get_clock().now().nanoseconds, self.get_fully_qualified_name()
        healths = self._healths()
        self._side.report(healths)
        message = conversions.to_diagnostics(healths, now_ns, name)
        self._gate.call(self._diagnostics.publish, message)

    def _healths(self) -> list[Health]:
        pipeline, now_s = self._pipeline, time.monotonic()
        status = None if pipeline is None else pipeline.status()
        cameras: list[Health] = []
        if status is not None:
            for channel in self._channels.values():
                cameras += channel.health(status, now_s)
        swap = ModelSwap(self._models.loading, self._models.problem)
        node = self._health.report(status, self._settings, swap, now_s)
        if not cameras:
            return [*cameras, *node]
        more = [*self._side.health(), *self._opinions.health()]
        return [*cameras, *node, *self._labels.health(self._settings), *more]


def _check_rules(path: str) -> None:
    """Raise a :class:`UserError` for a rules file that can't be used."""
    if path:
        from lfmvl_ros.core.rules.watched_file import read_rules  # imported only if used

        read_rules(path)


def _check_memory(settings: PerceptionSettings) -> None:
    """Raise a :class:`UserError` for a memory that can't be used."""
    if settings.memory.file:
        MemoryStore(user_path(settings.memory.file, "memory.file")).close()


def _check_drift(settings: PerceptionSettings) -> None:
    """Raise a :class:`UserError` for a drift profile that can't be used."""
    if settings.drift.watch:
        from lfmvl_ros.ros.diagnostics.drift_watch import profile_of  # imported only if used

        profile_of(settings.drift)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the node as this process."""
    run(PerceptionNode, USAGE, args, threads=4)


if __name__ == "__main__":
    main()
