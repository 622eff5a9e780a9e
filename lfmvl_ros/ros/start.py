# SPDX-License-Identifier: Apache-2.0
"""Entry points of the nodes, which end quietly from the first moment on.

Importing rclpy, OpenCV and the messages takes a second or more. Until :mod:`lfmvl_ros.ros.process`
takes over, there is nothing to close, so a signal ends the process at once, with exit code 0 as
later on, and not with the traceback of whatever was being imported.
"""

from __future__ import annotations

import importlib
import os
import signal


def perception_node() -> None:
    """Run the perception node as this process."""
    _run("perception_node")


def camera_node() -> None:
    """Run the camera node as this process."""
    _run("camera_node")


def recorder_node() -> None:
    """Run the recorder node as this process."""
    _run("recorder_node")


def _run(name: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    importlib.import_module(f"lfmvl_ros.ros.{name}").main()
