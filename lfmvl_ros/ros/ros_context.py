# SPDX-License-Identifier: Apache-2.0
"""Starts ROS in this process: the one place in which this package calls ``rclpy.init``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

import rclpy
from rclpy.context import Context

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.ros_domain import domain_of


def start_ros(
    arguments: Sequence[str] = (),
    context: Context | None = None,
    domain: int | None = None,
    **options: Any,
) -> None:
    """Start ROS.

    Args:
        arguments: of the command line, for ROS.
        context: of its own; None: that of the process.
        domain: ROS domain; None: that of the environment.
        options: further ones of ``rclpy.init``.

    Raises:
        UserError: it can't start: a bad domain, command line or parameter file.
    """
    try:
        if domain is None:
            # Checked here: of a domain too high, Fast DDS ends the process without a word of ours.
            domain = domain_of(os.environ)
        rclpy.init(args=list(arguments), context=context, domain_id=domain, **options)
    except (RuntimeError, UserError) as error:
        message = re.sub(r", at /\S+:\d+", "", str(error))
        raise UserError(
            f"ROS can't start: {message.removeprefix('failed to initialize rcl: ')}"
        ) from error
