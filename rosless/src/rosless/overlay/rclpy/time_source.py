# SPDX-License-Identifier: Apache-2.0
"""ROS time: the parameter `use_sim_time`, and /clock behind it."""

from rcl_interfaces.msg import SetParametersResult
from rosgraph_msgs.msg import Clock as ClockMessage

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
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
        self._set_active(node.declare_parameter(USE_SIM_TIME_NAME, False).value)
        # The first callback added is asked last: what it takes is not refused by others.
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, parameters):
        for parameter in parameters:
            if parameter.name == USE_SIM_TIME_NAME:
                self._set_active(parameter.value)
        return SetParametersResult(successful=True)

    def _set_active(self, active):
        if active and self._subscription is None:
            self._clock._override_ns = 0
            profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscription = self._node.create_subscription(
                ClockMessage, CLOCK_TOPIC, self._on_clock, profile, callback_group=self._group
            )
        elif not active and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._clock._override_ns = self._subscription = None

    def _on_clock(self, message):
        if self._subscription is not None:  # else the last message came too late
            self._clock._override_ns = Time.from_msg(message.clock).nanoseconds
