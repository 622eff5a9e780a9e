# SPDX-License-Identifier: Apache-2.0
"""Errors that rclpy raises from its native module, under the name they have there."""


class RCLError(RuntimeError):
    """An operation of the ROS client library failed."""


class RCLInvalidROSArgsError(RCLError):
    """The text after `--ros-args` cannot be read."""


class UnknownROSArgsError(RuntimeError):
    """An option after `--ros-args` is unknown."""


class InvalidHandle(RuntimeError):
    """A destroyed entity was used."""
