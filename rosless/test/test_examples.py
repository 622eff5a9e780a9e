# SPDX-License-Identifier: Apache-2.0
"""The examples do what they say, as processes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def start():
    children = []

    def run(name, *arguments):
        command = [sys.executable, str(EXAMPLES / name), *arguments]
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        children.append(child)
        return child

    yield run
    for child in children:
        child.kill()
        child.communicate()


def test_talker_and_listener(start):
    talker = start("talker.py", "--ros-args", "-p", "rate:=20.0", "-r", "chatter:=/news")
    listener = start("listener.py", "--ros-args", "-r", "chatter:=/news", "-r", "__node:=ear")
    line = listener.stdout.readline()
    assert "[INFO]" in line
    assert "[ear]: heard: hello" in line
    for child in (talker, listener):
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=10)
        assert child.returncode == 0


def test_talker_refuses_a_rate_out_of_range(start):
    output, _ = start("talker.py", "--ros-args", "-p", "rate:=0.0").communicate(timeout=20)
    assert "out of range" in output


def test_switch(start):
    start("switch.py", "serve")
    for word in ("on", "off"):
        output, _ = start("switch.py", word).communicate(timeout=20)
        assert output == f"the switch is {word}\n"


def test_managed(start):
    output, _ = start("managed.py").communicate(timeout=20)
    assert "[counter]: counted to 5" in output
