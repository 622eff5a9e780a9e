# SPDX-License-Identifier: Apache-2.0
"""How many threads compute, and how they wait: set before torch is imported.

torch's worker threads spin while they wait for each other. As long as each has a core to itself
that saves microseconds; as soon as another program wants a core, a spinning thread keeps the one it
waits for from running, and an answer takes ten times as long. So every command and node calls
:func:`apply_thread_policy` first. It makes them sleep instead of spin, and asks for as many as
there are free cores. Variables that the user has set win.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import time
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from pathlib import Path

WAIT, COUNT = "OMP_WAIT_POLICY", "OMP_NUM_THREADS"
_COUNTS = (COUNT, "MKL_NUM_THREADS")  # torch takes the first of these that is set
_FOLLOWERS = ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
_SAMPLE_S = 0.1
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class ThreadPolicy:
    """What was decided.

    Attributes:
        count: threads that compute.
        wait: ``PASSIVE`` (sleeping) or what the user has set.
        reason: where the count comes from, for a person.
    """

    count: int
    wait: str
    reason: str

    def __str__(self) -> str:
        noun = "thread" if self.count == 1 else "threads"
        return f"{self.count} {noun} ({self.reason}), waiting: {self.wait.lower()}"


@functools.cache
def apply_thread_policy() -> ThreadPolicy:
    """Decide once for this process and the processes it starts; return what was decided.

    Where OpenCV or torch is loaded already, its thread count is set directly; how OpenMP's threads
    wait can't be changed any more then.
    """
    policy = set_variables(os.environ)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(policy.count)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(policy.count)
    return policy


def set_variables(environment: MutableMapping[str, str]) -> ThreadPolicy:
    """Set what OpenMP, OpenBLAS and OpenCV read when they are loaded; what is there stays."""
    environment.setdefault(WAIT, "PASSIVE")
    given = next((name for name in _COUNTS if environment.get(name, "").strip().isdigit()), None)
    if given is not None:
        count, reason = max(1, int(environment[given])), f"{given} is set"
    else:
        count, reason = choose_count(usable_cores(), cpu_quota(), busy_cores())
        environment[COUNT] = str(count)
    for name in _FOLLOWERS:
        environment.setdefault(name, str(count))
    return ThreadPolicy(count, environment[WAIT], reason)


def choose_count(cores: int, quota: float, busy: float) -> tuple[int, str]:
    """Return how many threads to use, at least 1, and why.

    Args:
        cores: that this process may run on.
        quota: cores' worth of time that its control group may use; infinite without a limit.
        busy: cores that other programs keep busy.

    >>> choose_count(8, math.inf, 0.1)
    (8, '8 cores')
    >>> choose_count(8, 2.5, 3.2)
    (2, '8 cores, 3 busy, quota 2.5')
    """
    taken = min(round(busy), cores)
    parts = [f"{cores} {'core' if cores == 1 else 'cores'}"]
    if taken:
        parts.append(f"{taken} busy")
    if quota < cores:
        parts.append(f"quota {quota:g}")
    return max(1, math.floor(min(cores - taken, quota))), ", ".join(parts)


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(root: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> float:
    """Return the cores' worth of time the tightest control group allows; infinite without one.

    Args:
        root: where control groups are mounted, version 1 or 2.
        own: the file that names this process' groups.
    """
    return min(map(_quota_in, _groups(root, own)), default=math.inf)


def busy_cores(sample_s: float = _SAMPLE_S) -> float:
    """Return how many of the usable cores other programs keep busy.

    The smaller of what they use in a moment (while this process sleeps) and the load average of
    the last minute. One alone misleads: a launch file that starts everything at once is busy for a
    moment, and a run that has just ended still counts in the average.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load < 0.5:
        return 0.0
    before = _read_idle_s()
    started_s = time.monotonic()
    time.sleep(sample_s)
    after = _read_idle_s()
    if before is None or after is None:
        return load
    idle = (after - before) / (time.monotonic() - started_s)
    return min(load, max(0.0, usable_cores() - idle))


def _groups(root: Path, own: Path) -> Iterable[Path]:
    """Yield the folders of this process' control groups and of those around them."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "cpu" if controllers else root
        folder = mount / group.strip("/")
        yield mount  # in a container, its own group is mounted here under a path of the host
        while mount in folder.parents:
            yield folder
            folder = folder.parent


def _quota_in(folder: Path) -> float:
    try:
        if (folder / "cpu.max").exists():  # version 2: "200000 100000" or "max 100000"
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
        found = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
    return found if found > 0 else math.inf


def _read_idle_s() -> float | None:
    """Return the time that the usable cores have idled since the machine started, seconds."""
    try:
        text = Path("/proc/stat").read_text(encoding="ascii")
    except OSError:
        return None
    ticks, usable = 0, os.sched_getaffinity(0)
    for line in text.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in usable:
            ticks += int(fields[3]) + int(fields[4])  # idle, and idle waiting for a disk
    return ticks / os.sysconf("SC_CLK_TCK")
