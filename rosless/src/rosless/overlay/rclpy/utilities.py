# SPDX-License-Identifier: Apache-2.0
"""The default context, and small helpers."""

import threading

from rclpy.context import Context
from rosless import rosargs

_default = {}
_lock = threading.Lock()


def get_default_context(*, shutting_down=False):
    """The context used where none is given."""
    with _lock:
        if "context" not in _default:
            if shutting_down:
                return None
            _default["context"] = Context()
        return _default["context"]


def remove_ros_args(args=None):
    """The arguments without everything meant for ROS."""
    return rosargs.parse(args).rest


def ok(*, context=None):
    return (get_default_context() if context is None else context).ok()


def shutdown(*, context=None):
    (get_default_context() if context is None else context).shutdown()


def try_shutdown(*, context=None):
    (get_default_context() if context is None else context).try_shutdown()


def get_rmw_implementation_identifier():
    return "rosless_cyclonedds"
