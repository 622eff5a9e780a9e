# SPDX-License-Identifier: Apache-2.0
"""The default context, and small helpers."""

import functools

from rclpy.context import Context
from rosless import rosargs


@functools.cache
def get_default_context():
    """The context used where none is given."""
    return Context()


def remove_ros_args(args=None):
    """The arguments without everything meant for ROS."""
    return rosargs.parse(args).rest


def ok(*, context=None):
    """True between `init` and `shutdown`."""
    return (get_default_context() if context is None else context).ok()


def get_rmw_implementation_identifier():
    """The name of what stands in for ROS 2's middleware layer."""
    return "rosless_cyclonedds"
