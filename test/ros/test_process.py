# SPDX-License-Identifier: Apache-2.0
"""How a node's process ends, in processes of their own."""

import subprocess
import sys

import pytest

NODE = """
from rclpy.node import Node
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.process import run, stop_spinning

class Brief(Node):
    exit_code = 3
    def __init__(self):
        super().__init__("brief")
        {body}
    def close(self):
        print("closed")

run(Brief, "usage", [])
"""


def run_node(body):
    command = [sys.executable, "-c", NODE.format(body=body)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "body",
    [
        "stop_spinning(self)",  # before there is an executor
        "self.create_timer(0.01, lambda: stop_spinning(self))",
    ],
)
def test_a_node_that_ends_itself_sets_the_exit_code(body):
    done = run_node(body)
    assert (done.returncode, done.stdout) == (3, "closed\n"), done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_one_line_and_exit_code_2():
    done = run_node("raise UserError('rate_hz: expected 1 to 240, not 0')")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "rate_hz: expected 1 to 240, not 0\n"


def test_an_error_of_the_program_is_told():
    done = run_node("raise KeyError('lost')")
    assert done.returncode == 1
    assert "KeyError: 'lost'" in done.stderr
