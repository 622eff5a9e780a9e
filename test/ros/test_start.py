# SPDX-License-Identifier: Apache-2.0
"""The nodes' entry points end quietly while they are still importing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lfmvl_ros

from ..waiting import PATIENCE_S

START = """
import os, signal, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "rclpy":  # in the middle of the imports
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Stop())
from lfmvl_ros.ros import start
start.{name}()
"""


def test_ros_is_started_in_one_place():
    """Where the domain is checked: ROS takes 1e3 as domain 1."""
    starting = [
        path.name for path in Path(lfmvl_ros.__file__).parent.rglob("*.py")
        if "rclpy.init(" in path.read_text(encoding="utf-8")
    ]  # fmt: skip
    assert starting == ["ros_context.py"]


@pytest.mark.parametrize("name", ["perception_node", "camera_node", "recorder_node"])
def test_a_node_refuses_a_domain_that_ros_would_read_otherwise(name, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "1e3")
    done = subprocess.run(
        [sys.executable, "-m", f"lfmvl_ros.ros.{name}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ROS can't start: ROS_DOMAIN_ID is '1e3'; it is to be a plain")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["perception_node", "camera_node", "recorder_node"])
def test_a_signal_during_the_imports_is_silent(name, number):
    code = START.format(name=name, number=int(number))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
