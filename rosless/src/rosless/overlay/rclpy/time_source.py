# SPDX-License-Identifier: Apache-2.0
"""ROS time: the parameter `use_sim_time`, and /clock behind it."""

from rcl_interfaces.msg import SetParametersResult
from rosgraph_msgs.msg import Clock as ClockMessage

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time

CLOCK_TOPIC = "/clock"
USE_SIM_TIME_NAME = "use_sim_time"


class TimeSource:
    """Lets the clock of `node` follow /clock while its parameter `use_sim_time` is true."""

    def __init__(self, node, clock):
        self._node, self._clock, self._subscription = node, clock, None
        # A group of its own: with several threads, time goes on while other callbacks run.
        self._group = MutuallyExclusiveCallbackGroup()
        if not node.has_parameter(USE_SIM_TIME_NAME):
            node.declare_parameter(USE_SIM_TIME_NAME, False)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._on_change)
        self._set_active(node.get_parameter(USE_SIM_TIME_NAME).value is True)

    @property
    def ros_time_is_active(self):
        return self._clock.ros_time_is_active

    def _check(self, parameters):
        for parameter in parameters:
            if parameter.name == USE_SIM_TIME_NAME and parameter.type_ != Parameter.Type.BOOL:
                reason = f"{USE_SIM_TIME_NAME} parameter set to something besides a bool"
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _on_change(self, parameters):
        for parameter in parameters:
            if parameter.name == USE_SIM_TIME_NAME:
                self._set_active(parameter.value)

    def _set_active(self, active):
        self._clock._set_ros_time_is_active(active)
        if active and self._subscription is None:
            profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscription = self._node.create_subscription(
                ClockMessage, CLOCK_TOPIC, self._on_clock, profile, callback_group=self._group
            )
        elif not active and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _on_clock(self, message):
        self._clock.set_ros_time_override(Time.from_msg(message.clock))
