# SPDX-License-Identifier: Apache-2.0
"""The nodes' entry points end quietly while they are still importing."""

import signal
import subprocess
import sys

import pytest

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
