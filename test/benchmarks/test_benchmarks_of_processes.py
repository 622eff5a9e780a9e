# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of transport and node run, and count what they say they count."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..domains import next_domain
from ..waiting import PATIENCE_S

FOLDER = Path(__file__).parents[2] / "benchmarks"


def run(name, *arguments):
    """Run a benchmark in a domain of its own; return its JSON and what it printed for people."""
    alone = {
        "ROS_DOMAIN_ID": next_domain(),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    done = subprocess.run(
        [sys.executable, str(FOLDER / name), *arguments],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        env=os.environ | alone,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def measuring():
    spec = importlib.util.spec_from_file_location("measuring", FOLDER / "measuring.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["measuring"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["measuring"]


def test_transport():
    document, printed = run("transport.py", "--seconds", "0.5", "--sizes", "64x48")
    assert [(run["profile"], run["reliability"]) for run in document["runs"]] == [
        ("no profile", "best_effort"),
        ("no profile", "reliable"),
        ("shipped profile", "best_effort"),
        ("shipped profile", "reliable"),
    ]
    reliable = document["runs"][3]
    assert (reliable["sent"], reliable["damaged"]) == (15, 0)
    assert 0 < reliable["arrived"] <= 15  # a receiver that stands still takes the newest five
    assert 0 < reliable["latency_p50_ms"] <= reliable["latency_p95_ms"]
    assert reliable["sender_core_percent"] > 0
    assert f"shipped profile, 64x48 reliable: arrived {reliable['arrived']}" in printed
    assert printed.startswith(f"ROS 2 {document['ros_distribution']}, {document['rmw']}")


@pytest.mark.slow
def test_review():
    document, printed = run("review.py", "--answers", "2")
    for kind in ("page", "topic"):
        assert 0 < document[kind]["p50"] <= document[kind]["p95"] <= document[kind]["largest"]
        assert f"{kind}: " in printed


@pytest.mark.slow
def test_a_segment_with_several_subscribers():
    arguments = ("--segments-mib", "1", "--subscribers", "2", "--sizes", "64x48")
    document, _ = run("transport.py", "--seconds", "0.5", *arguments)
    assert {run["profile"] for run in document["runs"]} == {"segment 1 MiB"}
    assert [run["reliability"] for run in document["runs"]] == ["best_effort", "reliable"]
    assert document["subscribers"] == 2
    assert 0 < document["runs"][1]["arrived"] <= 15


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sizes", "huge"], "--sizes are VGA, 720p"),
        (["--profile", "/no/such.xml"], "--profile is both"),
    ],
)
def test_what_cannot_be_measured_is_one_line(arguments, says):
    done = subprocess.run(
        [sys.executable, str(FOLDER / "transport.py"), *arguments],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_without_ros_there_is_one_line(tmp_path):
    (tmp_path / "rclpy.py").write_text("raise ImportError('no rclpy here')")
    for name in ("transport.py", "node_overhead.py"):
        done = subprocess.run(
            [sys.executable, str(FOLDER / name)], capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
            env=os.environ | {"PYTHONPATH": f"{tmp_path}:{FOLDER.parent}"},
        )  # fmt: skip
        assert done.returncode == 2
        assert "needs ROS 2 with sensor_msgs and vision_msgs, but no rclpy here" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_node_overhead():
    document, told = run("node_overhead.py", "--frames", "60")
    assert document["frames"] == 60
    assert 0 < document["tracks_messages"] <= document["sent"] <= 61
    assert document["without_tracks"] == document["sent"] - document["tracks_messages"]
    assert document["answers"] > 0
    assert document["tracks_in_a_frame"] > 1
    assert 0 < document["latency_p50_ms"] <= document["latency_p95_ms"]
    assert "latency p95" in told


def test_a_bar_says_whether_it_is_kept(measuring):
    bar = measuring.Bar("p95", 14.9, "ms", high=15.0)
    assert bar.kept
    assert str(bar) == "p95 14.9 ms (bar: below 15)"
    missed = measuring.Bar("arrived", 149, low=150)
    assert not missed.kept
    assert str(missed) == "arrived 149 (bar: at least 150; MISSED)"
    assert not measuring.Bar("p95", None, high=15.0).kept


def test_cpu_and_memory_are_those_of_the_process(measuring):
    source = "x = bytearray(50_000_000)\nwhile True: pass"
    child = subprocess.Popen([sys.executable, "-c", source])
    try:
        while measuring.cpu_s(child.pid) < 0.3:
            pass
        assert 50 < measuring.rss_mb(child.pid) < 100
    finally:
        child.kill()
        child.wait()
