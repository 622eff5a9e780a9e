# SPDX-License-Identifier: Apache-2.0
"""Simulated answers of a camera, for `benchmarks/drift.py` and the tests of drift."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

LABELS = ("person", "tote", "forklift")
PLANTED: tuple[tuple[str, dict[str, float], str], ...] = (
    ("darker", {"light": 0.35}, "brightness"),
    ("lighter", {"light": 0.65}, "brightness"),
    ("out of focus", {"sharp": -1.4}, "sharpness"),
    ("another camera", {"sharp": -0.8, "light": 0.56, "sure": 0.7}, "confidence"),
    ("another label mix", {"person": 0.1, "tote": 1.2, "forklift": 1.5}, "boxes[forklift]"),
    ("fewer boxes", {"tote": 0.9}, "boxes[tote]"),
    ("less confident", {"sure": 0.65}, "confidence[tote]"),
    ("slower", {"slowness": 1.6}, "latency_s"),
    ("failing", {"failing": 0.3}, "unusable"),
)  # a name, what is changed, and a figure that must show it


class Site:
    """Answers that resemble the ones before, as on a robot.

    Args:
        seed: of the random numbers.
        alike: correlation of consecutive values, 0 to below 1.
    """

    def __init__(self, seed: int, alike: float = 0.5) -> None:
        self.random = np.random.default_rng(seed)
        self.alike, self.before = alike, np.zeros(7)

    def _slow(self, n: int) -> np.ndarray:
        """Return ``(n, 7)`` values of autoregressive processes with variance 1."""
        fresh = np.sqrt(1 - self.alike**2) * self.random.standard_normal((n, 7))
        start = (self.alike * self.before)[None]
        values, _ = lfilter([1.0], [1.0, -self.alike], fresh, axis=0, zi=start)
        self.before = values[-1]
        return values

    def answers(
        self, n: int, *, light: float = 0.5, sharp: float = -1.0, person: float = 0.8,
        tote: float = 2.5, forklift: float = 0.3, sure: float = 0.8, slowness: float = 1.0,
        failing: float = 0.01,
    ) -> list[dict[str, float]]:  # fmt: skip
        """Return the figures of the next ``n`` answers; the means of their features may differ."""
        draw, slow = self.random, self._slow(n)
        usual = np.array([person, tote, forklift])
        counts = draw.poisson(usual * np.exp(0.3 * slow[:, 3:6] - 0.045))
        spread = 0.12 / np.sqrt(np.maximum(counts, 1))  # of the mean of so many scores
        scores = sure + 0.05 * slow[:, 6:] + spread * draw.standard_normal((n, 3))
        total = counts.sum(axis=1)
        mean = (scores * counts).sum(axis=1) / np.maximum(total, 1)
        always = {
            "brightness": light + 0.06 * slow[:, 0],
            "sharpness": sharp + 0.1 * slow[:, 1],
            "unusable": (draw.random(n) < failing).astype(float),
            "mended": (draw.random(n) < 0.02).astype(float),
        }
        usable = {
            "latency_s": np.log10(0.4 * slowness) + 0.08 * slow[:, 2],
            "boxes": total.astype(float),
            "boxes[other]": (draw.random(n) < 0.01).astype(float),
            **{f"boxes[{label}]": counts[:, i].astype(float) for i, label in enumerate(LABELS)},
            "confidence": np.where(total > 0, mean, np.nan),
            **{f"confidence[{label}]": np.where(counts[:, i] > 0, scores[:, i], np.nan)
               for i, label in enumerate(LABELS)},
        }  # fmt: skip
        for values in usable.values():
            values[always["unusable"] > 0] = np.nan
        columns = {name: values.tolist() for name, values in {**always, **usable}.items()}
        return [
            {name: values[i] for name, values in columns.items() if values[i] == values[i]}
            for i in range(n)
        ]
