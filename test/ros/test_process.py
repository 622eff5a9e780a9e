# SPDX-License-Identifier: Apache-2.0
"""How a node's process ends, in processes of their own."""

import signal
import subprocess
import sys
import time

import pytest

from ..waiting import PATIENCE_S

NODE = """
import sys, threading, time
from rclpy.node import Node
from std_msgs.msg import String
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.process import run, stop_spinning

def ready():
    print("ready", flush=True)

class Brief(Node):
    exit_code = 3
    def __init__(self):
        super().__init__("brief")
        self.gate = Gate()
        {body}

    def publish_for_ever(self):
        publisher = self.create_publisher(String, "words", 10)
        while self.gate.call(publisher.publish, String(data="x")):
            pass

    def loud(self):
        for _ in range(4):
            threading.Thread(target=self.publish_for_ever, daemon=True).start()

    def close(self):
        {close}
        self.gate.close()
        print("closed", flush=True)

{patient}
run(Brief, "usage", sys.argv[1:], threads={threads})
"""


# Nothing is given up only because the machine stands still.
PATIENT = """
from lfmvl_ros.ros import process
process._BUILD_S = process._CLOSE_S = process._CALLBACKS_S = 60.0
"""


@pytest.fixture
def start(ros):
    """Start a node with this body, in a ROS domain of its own."""
    made = []

    def run_node(body, *arguments, close="pass", threads=1, hangs=False):
        patient = "" if hangs else PATIENT
        source = NODE.format(body=body, close=close, threads=threads, patient=patient)
        made.append(
            subprocess.Popen(
                [sys.executable, "-c", source, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return made[-1]

    yield run_node
    for process in made:
        process.kill()
        process.wait()


def ended(process, timeout_s=PATIENCE_S):
    """Wait for the end; return exit code, output, errors."""
    output, errors = process.communicate(timeout=timeout_s)
    return process.returncode, output, errors


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(
    "body",
    [
        "stop_spinning()",  # before there is an executor
        "self.create_timer(0.01, stop_spinning)",
        "threading.Timer(0.2, stop_spinning).start()",
    ],
)
def test_a_node_that_ends_itself_sets_the_exit_code(start, body, threads):
    assert ended(start(body, threads=threads)) == (3, "closed\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(
    "body",
    [
        "ready(); time.sleep(0.5)",  # in the constructor
        "self.create_timer(0.1, ready)",
        "self.create_timer(60.0, ready); ready()",  # the executor waits
        "self.loud(); self.create_timer(0.3, ready)",  # threads publish until they may not
    ],
)
def test_a_signal_closes_the_node_first(start, body, threads, number):
    process = start(body, threads=threads)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    process.send_signal(number)
    code, output, errors = ended(process)
    assert (code, output.replace("ready\n", ""), errors) == (3, "closed\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("body", "closed"),
    [
        ("ready(); time.sleep(600)", ""),  # there is no node to close
        ("self.create_timer(0.01, lambda: ready() or time.sleep(600))", "closed\n"),
    ],
)
def test_what_does_not_return_is_left_behind(start, body, closed, number):
    process = start(body, threads=4, hangs=True)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    process.send_signal(number)
    code, output, errors = ended(process)
    assert (output, errors) == (closed, "")
    assert code == (3 if closed else 0)


def test_a_second_signal_changes_nothing(start):
    process = start("self.create_timer(0.1, ready)", close="print('closing', flush=True)"
                    "; time.sleep(1.0)")  # fmt: skip
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    while process.stdout.readline() != "closing\n":
        pass
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
        time.sleep(0.1)
    assert ended(process) == (3, "closed\n", "")


def test_a_wrong_setting_is_one_line_and_exit_code_2(start):
    done = ended(start("raise UserError('rate_hz: expected 1 to 240, not 0')"))
    assert done == (2, "", "rate_hz: expected 1 to 240, not 0\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-p", "rate"], "'-p rate'"),
        (["-p", "x:=[1, a]"], "Sequence should be of same type"),
        (["--params-file", "/nowhere.yaml"], "'--params-file /nowhere.yaml'"),
        (["-r", "__node:=two-words"], "'-r __node:=two-words'"),
        (["--log-level", "loud"], "'--log-level loud'"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(start, arguments, says):
    code, output, errors = ended(start("pass", "--ros-args", *arguments))
    assert (code, output) == (2, "")
    *of_rcl, last = errors.splitlines()
    assert last.startswith("ROS can't start: ")
    assert says in last
    assert "/src/" not in last  # no file of rcl's sources
    assert all("[rcl]" in line for line in of_rcl)


@pytest.mark.parametrize("body", ["raise KeyError('lost')", "self.create_timer(0.01, {}.popitem)"])
def test_an_error_of_the_program_is_told(start, body):
    code, _, errors = ended(start(body))
    assert code == 1
    assert "KeyError" in errors
    assert errors.count("Traceback (most recent call last)") == 1


@pytest.mark.parametrize("node", ["perception_node", "camera_node", "recorder_node"])
def test_the_thread_policy_comes_before_torch(node):
    """OpenMP reads how its threads wait when it is loaded, and torch brings it."""
    code = f"""
import sys
from lfmvl_ros.ros import {node}, process
def show():
    print("torch" in sys.modules)
    sys.exit(0)
process.apply_thread_policy = show
{node}.main([])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout == "False\n"
