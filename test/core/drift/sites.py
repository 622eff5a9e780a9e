# SPDX-License-Identifier: Apache-2.0
"""The simulated answers of ``benchmarks/drift.py``, and a monitor that has learnt them."""

from __future__ import annotations

from typing import Any

from lfmvl_ros.core.drift import DriftMonitor

from ...benchmark_modules import load_benchmark

LEARN = 2000
_SITE = load_benchmark("drift_site")
Site: Any = _SITE.Site
PLANTED: tuple[tuple[str, dict[str, float], str], ...] = _SITE.PLANTED


def told(watch: DriftMonitor, answers: list[dict[str, float]]) -> list[str]:
    """Return the features whose changes begin with these answers."""
    return [c.feature for answer in answers for c in watch.add(answer, "q", "m")]


def monitor(site: Any, learn: int = LEARN) -> DriftMonitor:
    made = DriftMonitor(None, learn)
    assert not told(made, site.answers(learn))
    assert made.status().watched >= 10
    return made
