# SPDX-License-Identifier: Apache-2.0
"""Threads sleep while they wait, and are as many as there are free cores, before torch loads."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros import threads
from lfmvl_ros.threads import busy_cores, choose_count, cpu_quota, set_variables, usable_cores

from .waiting import PATIENCE_S


def in_a_process(code: str, **variables: str) -> str:
    """Run Python code without the variables that the test run itself has set."""
    dropped = ("OMP_", "MKL_", "OPENBLAS_", "OPENCV_", "GOMP_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return done.stdout.strip()


@given(
    st.integers(1, 256),
    st.floats(0.01, 512) | st.just(math.inf),
    st.floats(0, 1000),
)
def test_count_is_at_least_one_and_never_more_than_allowed(
    cores: int, quota: float, busy: float
) -> None:
    count, reason = choose_count(cores, quota, busy)
    assert 1 <= count <= cores
    assert count == 1 or count <= min(quota, cores - round(busy))
    assert reason.startswith(f"{cores} core")


def test_what_the_user_has_set_stays() -> None:
    environment = {
        "OMP_NUM_THREADS": "3",
        "OMP_WAIT_POLICY": "ACTIVE",
        "OPENCV_FOR_THREADS_NUM": "9",
    }
    policy = set_variables(environment)
    assert (policy.count, policy.wait) == (3, "ACTIVE")
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "3"
    assert environment["OMP_WAIT_POLICY"] == "ACTIVE"
    assert environment["OPENCV_FOR_THREADS_NUM"] == "9"


@pytest.mark.parametrize("value", ["", "many", "-1"])
def test_a_count_that_is_none_is_replaced(value: str) -> None:
    environment = {"OMP_NUM_THREADS": value}
    policy = set_variables(environment)
    assert environment["OMP_NUM_THREADS"] == str(policy.count)
    assert 1 <= policy.count <= usable_cores()


def test_quota_of_control_groups_version_2(tmp_path: Path) -> None:
    (tmp_path / "proc").write_text("0::/robot/node\n")
    groups = tmp_path / "cgroup"
    inner = groups / "robot" / "node"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text("max 100000\n")
    assert cpu_quota(groups, tmp_path / "proc") == math.inf
    (groups / "robot" / "cpu.max").write_text("150000 100000\n")  # of the group around it
    assert cpu_quota(groups, tmp_path / "proc") == 1.5


def test_quota_of_control_groups_version_1(tmp_path: Path) -> None:
    (tmp_path / "proc").write_text("5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n")
    mount = tmp_path / "cgroup" / "cpu"  # a container sees its own group here
    mount.mkdir(parents=True)
    (mount / "cpu.cfs_period_us").write_text("100000\n")
    for quota, cores in (("-1", math.inf), ("250000", 2.5), ("nonsense", math.inf)):
        (mount / "cpu.cfs_quota_us").write_text(quota)
        assert cpu_quota(tmp_path / "cgroup", tmp_path / "proc") == cores


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "none", tmp_path / "none") == math.inf


def test_busy_cores_are_no_more_than_there_are_and_than_the_load_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (9.0, 9.0, 9.0))
    assert 0.0 <= busy_cores(0.05) <= usable_cores()
    monkeypatch.setattr(os, "getloadavg", lambda: (0.6, 9.0, 9.0))
    assert busy_cores(0.05) <= 0.6
    monkeypatch.setattr(threads, "_read_idle_s", lambda: None)  # no Linux
    assert busy_cores(0.0) == 0.6


def test_commands_decide_before_torch_is_loaded() -> None:
    code = """
import sys
from lfmvl_ros import threads
from lfmvl_ros.cli import main
threads.apply_thread_policy = lambda: print("torch" in sys.modules, "numpy" in sys.modules)
main.main(["config"])
"""
    assert in_a_process(code).splitlines()[0] == "False False"


def test_torch_computes_with_that_many_threads() -> None:
    code = """
from lfmvl_ros.threads import apply_thread_policy
policy = apply_thread_policy()
import torch, cv2, os
print(policy.count, torch.get_num_threads(), cv2.getNumThreads(), os.environ["OMP_WAIT_POLICY"])
"""
    counted, torch_threads, cv2_threads, wait = in_a_process(code).split()
    assert counted == torch_threads == cv2_threads
    assert wait == "PASSIVE"


def test_libraries_that_are_loaded_already_follow() -> None:
    code = """
import torch, cv2
from lfmvl_ros.threads import apply_thread_policy
apply_thread_policy()
print(torch.get_num_threads(), cv2.getNumThreads())
"""
    assert in_a_process(code, OMP_NUM_THREADS="2", OMP_WAIT_POLICY="PASSIVE") == "2 2"
