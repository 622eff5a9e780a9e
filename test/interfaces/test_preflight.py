# SPDX-License-Identifier: Apache-2.0
"""Before `make setup` downloads anything, one sentence says what this machine lacks."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "interfaces" / "preflight.py"
_spec = importlib.util.spec_from_file_location("preflight", SCRIPT)
preflight = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(preflight)


def machine(**changes):
    usual = {"system": "linux", "machine": "x86_64", "libc": "glibc", "python": (3, 12)}
    return preflight.Machine(**{**usual, **changes})


@pytest.mark.parametrize("python", [(3, 10), (3, 11), (3, 12), (3, 13)])
@pytest.mark.parametrize("distribution", ["jazzy", "kilted"])
def test_wheels_serve_a_bare_linux_machine(python, distribution):
    assert preflight.judge(machine(python=python), distribution) == ("wheels", "")
    suffix = "" if distribution == "jazzy" else f"-{distribution}"
    assert (ROOT / f"requirements-ros{suffix}.txt").is_file()


def test_a_sourced_ros_is_used_whatever_the_machine():
    jetson = machine(machine="aarch64", python=(3, 10), distro="humble", lacks=("g++",))
    assert preflight.judge(jetson, "jazzy") == ("sourced", "")


@pytest.mark.parametrize(
    ("changes", "distribution", "words"),
    [
        ({"python": (3, 9)}, "jazzy", ["3.10 to 3.13", "3.9", "make PYTHON="]),
        ({"python": (3, 14)}, "jazzy", ["3.10 to 3.13", "3.14", "make PYTHON="]),
        ({}, "humble", ["jazzy or kilted", "'humble'"]),
        ({"machine": "aarch64"}, "jazzy", ["aarch64", "install ROS 2", "source"]),
        ({"system": "darwin", "libc": ""}, "jazzy", ["darwin", "install ROS 2", "source"]),
        ({"libc": ""}, "kilted", ["without glibc", "install ROS 2"]),
        ({"lacks": ("g++",)}, "jazzy", ["sudo apt install g++"]),
        (
            {"lacks": ("g++", "python3.12-dev")},
            "jazzy",
            ["needs g++ and python3.12-dev", "sudo apt install g++ python3.12-dev"],
        ),
        (
            {"distro": "jazzy", "missing": {"rclpy": "No module named 'rclpy'"}},
            "jazzy",
            ["jazzy is sourced", "No module named 'rclpy'", "make PYTHON="],
        ),
        (
            {"distro": "jazzy", "missing": {"vision_msgs": "No module named 'vision_msgs'"}},
            "jazzy",
            ["sudo apt install ros-jazzy-vision-msgs"],
        ),
    ],
)
def test_one_sentence_says_what_to_do(changes, distribution, words):
    answer, problem = preflight.judge(machine(**changes), distribution)
    assert answer == ""
    assert len(problem.splitlines()) == 1
    assert [word for word in words if word not in problem] == []


def run(**environment):
    inherited = {k: v for k, v in os.environ.items() if k not in ("ROS_DISTRO", "CC", "CXX")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), "jazzy"],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_finds_a_missing_compiler():
    done = run(CXX="no-such-compiler")
    assert (done.returncode, done.stdout) == (2, "")
    assert "sudo apt install g++" in done.stderr


def test_the_command_imports_what_is_sourced():
    """The rclpy that these tests run on stands for one that a setup.bash has put on the path."""
    done = run(ROS_DISTRO="jazzy")
    assert (done.returncode, done.stdout, done.stderr) == (0, "sourced\n", "")
