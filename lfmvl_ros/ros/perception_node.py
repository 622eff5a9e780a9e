# SPDX-License-Identifier: Apache-2.0
"""The node: wires camera, pipeline and results together, and follows the ROS life cycle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NoReturn

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.report import Answer
from lfmvl_ros.models.base import load_model
from lfmvl_ros.ros import commands, conversions, qos
from lfmvl_ros.ros.health import ERROR, OK, Health, Monitor
from lfmvl_ros.ros.inputs import ImageReader
from lfmvl_ros.ros.intake import FrameIntake
from lfmvl_ros.ros.outputs import Outputs
from lfmvl_ros.ros.parameters import SettingsParameters
from lfmvl_ros.ros.process import run, stop_spinning, tells_errors, while_running

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
        self._pipeline: Pipeline | None = None
        self._model: VisionLanguageModel | None = None
        self._outputs: Outputs | None = None
        self._monitor: Monitor | None = None
        self._subscriptions_made: list[Subscription] = []
        self._answer: Answer | None = None
        self._idle, self._problem = "not configured", ""
        self._rejected_queries = 0
        self._declared = SettingsParameters(self, PerceptionSettings(), self._apply)
        self._apply(self._settings)
        self._intake = FrameIntake(
            ImageReader(self),
            self._on_frame,
            lambda: int(self._settings.tracker.reorder_window_s * 1e9),
            self.get_logger().warning,
        )
        self._wire()

    @property
    def _settings(self) -> PerceptionSettings:
        return self._declared.settings

    def _wire(self) -> None:
        """Create what exists in every state. Groups keep a slow call from holding up the others."""
        group = MutuallyExclusiveCallbackGroup
        self._image_group = group()
        self.create_subscription(
            String, "query", self._on_query, qos.RESULTS, callback_group=group()
        )
        self.create_service(SetBool, "enable", self._on_enable, callback_group=group())
        self.create_service(Trigger, "ground_once", self._on_ground_once, callback_group=group())
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.RESULTS)
        # Steady time: a simulation that stands still must not hide that the camera is silent.
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
        except RuntimeError as error:  # rclpy's RCLError: somebody else was quicker
            self.get_logger().warning(f"autostart left to others: {error}")
            return
        # Nobody manages this node: whoever started it learns from the exit code.
        self.exit_code = 2
        stop_spinning(self)

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Load the model."""
        log = self.get_logger()
        self._idle = f"loading {self._settings.model} on {self._settings.device}"
        log.info(f"{self._idle} ...")
        try:
            self._model = load_model(self._settings)
            # Settings may have changed while it was loading.
            self._pipeline = Pipeline(self._model, self._settings, self._on_answer)
        except Exception as error:
            known = isinstance(error, UserError)
            self._problem = str(error) if known else f"{type(error).__name__}: {error}"
            log.error(f"configuring failed: {self._problem}")
            self._release()
            return TransitionCallbackReturn.FAILURE
        finally:
            self._idle = "not configured"
        self._problem, self._answer = "", None
        self._outputs = Outputs(self)
        log.info(f"{self._model.name} is ready")
        return super().on_configure(state)

    @tells_errors
    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Start: subscribe to the camera, ask the model."""
        result = super().on_activate(state)  # from here on publishers publish
        self._monitor = Monitor(self.resolve_topic_name(self._topic), time.monotonic())
        self._outputs.query(self._pipeline.query, self._settings.parsing.min_score)
        self._intake.start()
        self._pipeline.start()
        kind = CompressedImage if self._settings.compressed_input else Image
        for message, name, callback in (
            (kind, self._topic, self._intake.put),
            (CameraInfo, "camera_info", self._outputs.camera_info),
        ):
            subscription = self.create_subscription(
                message,
                name,
                callback,
                qos.NEWEST,
                callback_group=self._image_group,
                qos_overriding_options=qos.overridable(),
            )
            self._subscriptions_made.append(subscription)
        self.get_logger().info(f"looking for: {self._pipeline.query.text}")
        return result

    @tells_errors
    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Stop asking the model; keep its weights."""
        if not self._halt(_ANSWER_STOP_S):
            self.get_logger().error("the model does not stop; its weights are given up")
            return TransitionCallbackReturn.ERROR
        return super().on_deactivate(state)

    @tells_errors
    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Free the weights."""
        self._release()
        return super().on_cleanup(state)

    @tells_errors
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
        """Stop threads before the process ends, in the middle of an answer if need be."""
        self._halt(_EXIT_STOP_S)

    def _halt(self, timeout_s: float) -> bool:
        while self._subscriptions_made:
            self.destroy_subscription(self._subscriptions_made.pop())
        self._monitor = None
        self._intake.stop()
        return self._pipeline is None or self._pipeline.stop(timeout_s)

    def _release(self) -> None:
        stopped = self._halt(_EXIT_STOP_S)
        model, self._model, self._pipeline = self._model, None, None
        if model is not None and stopped:
            model.close()
        if self._outputs is not None:
            self._outputs.close()
        self._outputs = None

    # -- frames and answers ------------------------------------------------------------------------

    @property
    def _topic(self) -> str:
        return "image_raw/compressed" if self._settings.compressed_input else "image_raw"

    def _on_frame(self, frame: Frame) -> None:
        pipeline, outputs = self._pipeline, self._outputs
        if pipeline is not None and outputs is not None:
            with while_running(self):
                outputs.tracks(frame, pipeline.submit(frame))

    def _on_answer(self, answer: Answer) -> None:
        self._answer, outputs = answer, self._outputs
        if outputs is not None:
            with while_running(self):
                outputs.answer(answer)

    # -- commands ----------------------------------------------------------------------------------

    def _apply(self, settings: PerceptionSettings) -> None:
        """Take changed settings; a :class:`UserError` refuses them."""
        pipeline, outputs = self._pipeline, self._outputs
        if pipeline is None:
            CARD_TEMPLATE.render(Query.parse(settings.query))
            return
        before = (pipeline.query, pipeline.settings.parsing.min_score)
        pipeline.reconfigure(settings)
        if outputs is not None and before != (pipeline.query, settings.parsing.min_score):
            outputs.query(pipeline.query, settings.parsing.min_score)

    def _on_query(self, message: String) -> None:
        parameter = Parameter("query", Parameter.Type.STRING, message.data)
        (result,) = self.set_parameters([parameter])
        if not result.successful:
            self._rejected_queries += 1
            self.get_logger().warning(f"query not taken: {result.reason}")

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        return commands.enable(self._pipeline, request, response)

    def _on_ground_once(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        return commands.ground_once(self._pipeline, response)

    # -- diagnostics -------------------------------------------------------------------------------

    def _report(self) -> None:
        now_ns, name = self.get_clock().now().nanoseconds, self.get_fully_qualified_name()
        with while_running(self):
            self._diagnostics.publish(conversions.to_diagnostics(self._health(), now_ns, name))

    def _health(self) -> list[Health]:
        pipeline, monitor, now_s = self._pipeline, self._monitor, time.monotonic()
        rejected = self._rejected_queries
        asked = Health(
            OK, "commands", f"{rejected} queries rejected", {"queries_rejected": rejected}
        )
        if self._problem:
            return [Health(ERROR, "model", self._problem), asked]
        if pipeline is None or monitor is None:
            message = self._idle if pipeline is None else "inactive"
            return [Health(OK, "model", message), asked]
        intake, status = self._intake.status(), pipeline.status()
        healths = monitor.report(intake, status, self._settings, self._answer, now_s)
        return [*healths, asked]


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the node as this process."""
    run(PerceptionNode, USAGE, args)


if __name__ == "__main__":
    main()
