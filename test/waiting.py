# SPDX-License-Identifier: Apache-2.0
"""How tests wait: for what is to happen, never for so long.

A machine that runs the tests may stop any thread or process for seconds, and be six times slower
than the one they were written on. So a test waits for an event with :func:`until`, and compares
stamps, counters and orders, not durations. :data:`PATIENCE_S` ends a wait for what never comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PATIENCE_S = 300.0
"""Longest wait for one event, s; nothing waits longer than it must.

At a load of 17 on two cores, three processes took 130 s to import torch with CUDA.
"""


def until(
    holds: Callable[[], Found],
    *,
    doing: Callable[[], object] = lambda: None,
    told: Callable[[], object] = lambda: "",
    every_s: float = 0.02,
) -> Found:
    """Wait until ``holds`` returns something true, and return that.

    Args:
        holds: what is waited for.
        doing: called between two looks, such as sending again.
        told: what the failure says where it never holds.
        every_s: pause between two looks.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline_s, told() or "it never happened"
        doing()
        time.sleep(every_s)
    return found
