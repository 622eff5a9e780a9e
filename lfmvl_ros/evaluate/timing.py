# SPDX-License-Identifier: Apache-2.0
"""Time of answers by stage, and the rate that a machine sustains while it warms up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.machine_sensors import MachineSensors
from lfmvl_ros.evaluate.answers import JudgedAnswer
from lfmvl_ros.evaluate.figures import DRAWS, LEAST_IMAGES, figure

STAGES = ("preprocess", "vision", "prefill", "decode", "total", "overhead")
"""Of the model, then the whole answer, and what this package adds to the model's time."""
PERCENTILES = (50, 95, 99)
_BLOCK_S = 5.0


def latency_of(judged: Sequence[JudgedAnswer]) -> dict[str, Any]:
    """Return percentiles of each stage, ms; the intervals of ``total`` are in ``figures``.

    Answers that failed count, too: a robot waits for them as well.
    """
    stages = {
        "preprocess": [item.times.preprocess_s for item in judged],
        "vision": [item.times.vision_s for item in judged],
        "prefill": [item.times.prefill_s for item in judged],
        "decode": [item.times.decode_s for item in judged],
        "total": [item.total_s for item in judged],
        "overhead": [max(0.0, item.total_s - item.times.total_s) for item in judged],
    }
    return {
        name: {f"p{q}": round(float(np.percentile(values, q)) * 1e3, 2) for q in PERCENTILES}
        for name, values in stages.items()
    }


def latency_figures(total_ms: FloatArray) -> dict[str, Any]:
    """Return ``latency_p50_ms`` and ``latency_p95_ms`` with bootstrap intervals.

    There are none with fewer than ten answers, nor where all take the same time.
    They say how much the answers of this run vary, not how much two runs of a machine differ.
    """
    rng = np.random.default_rng(0)
    some = total_ms if len(total_ms) <= 5000 else rng.choice(total_ms, 5000, replace=False)
    drawn = rng.choice(some, (DRAWS // 5, len(some)))
    found = {}
    for q in (50, 95):
        low, high = np.quantile(np.percentile(drawn, q, axis=1), [0.025, 0.975])
        ends = (float(low), float(high)) if len(total_ms) >= LEAST_IMAGES else None
        value = float(np.percentile(total_ms, q))
        found[f"latency_p{q}_ms"] = figure(value, ends, len(total_ms))
    return found


def sustained(
    ask: Callable[[int], None], seconds: float, *, sensors: MachineSensors | None = None
) -> dict[str, Any]:
    """Ask without a pause for a while, and report the rate and the machine in blocks of 5 s.

    Args:
        ask: answers the question of that number.
        seconds: how long.
        sensors: of the machine; its own by default.
    """
    read = sensors or MachineSensors()
    blocks: list[dict[str, Any]] = []
    begun = block_begun = time.monotonic()
    number = block_first = 0
    now = begun
    while number == 0 or now - begun < seconds:
        ask(number)
        number += 1
        now = time.monotonic()
        if now - block_begun >= min(_BLOCK_S, seconds / 4):
            rate = (number - block_first) / (now - block_begun)
            blocks.append({"at_s": round(now - begun, 1), "answers_hz": round(rate, 3),
                           **read.values()})  # fmt: skip
            block_begun, block_first = now, number
    taken = now - begun
    rates = [block["answers_hz"] for block in blocks]
    quarter = max(1, len(rates) // 4)
    return {
        "seconds": round(taken, 1),
        "answers": number,
        "answers_hz": round(number / taken, 3),
        "last_to_first": round(float(np.mean(rates[-quarter:]) / np.mean(rates[:quarter])), 3)
        if rates
        else None,
        "blocks": blocks,
    }
