# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of processes share: their environment, /proc, percentiles, bars."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


def on_this_machine_alone(domain: int) -> None:
    """Keep DDS traffic of this process and its children on loopback, unless told otherwise."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(domain))


def machine() -> dict[str, object]:
    """Return what a figure depends on besides the code."""
    load = os.getloadavg()[0]
    limit = Path("/proc/sys/net/core/rmem_max")
    return {
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "nice": os.nice(0),
        "rmem_max": int(limit.read_text()) if limit.exists() else None,
        "python": platform.python_version(),
    }


def cpu_s(pid: int, *, waited_for: bool = False) -> float:
    """CPU seconds that a process has used, all its threads, user and system.

    With ``waited_for`` also those of children that have ended and that it has waited for.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if waited_for else 13])) * _TICKS_S


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6


def percentile(values: Sequence[float], q: float) -> float | None:
    """Return a percentile; None without values."""
    return round(float(np.percentile(values, q)), 2) if len(values) else None


def medians_in_turn(
    kinds: Sequence[str], rounds: int, measure: Callable[[str], float]
) -> list[float]:
    """Median of what is measured for each kind; they take turns, after two rounds to warm up."""
    figures = [[measure(kind) for kind in kinds] for _ in range(rounds + 2)]
    return [float(median) for median in np.median(figures[2:], axis=0)]


@dataclass(frozen=True)
class Bar:
    """A figure and what it has to be; ``low`` and ``high`` None: no such limit."""

    name: str
    value: float | None
    unit: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the figure is there and within its limits."""
        if self.value is None:
            return False
        return (self.low is None or self.value >= self.low) and (
            self.high is None or self.value < self.high
        )

    def __str__(self) -> str:
        got = "nothing" if self.value is None else f"{self.value:g} {self.unit}".strip()
        limits = [f"at least {self.low:g}"] if self.low is not None else []
        limits += [f"below {self.high:g}"] if self.high is not None else []
        if not limits:
            return f"{self.name} {got}"
        return f"{self.name} {got} (bar: {', '.join(limits)}{'' if self.kept else '; MISSED'})"
