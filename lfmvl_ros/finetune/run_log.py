# SPDX-License-Identifier: Apache-2.0
"""The log of a run: lines for people, and the same as JSON for plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lfmvl_ros.core.whole_files import JsonLines


@dataclass(frozen=True)
class RunPosition:
    """Position in a run: updates, images of all processes, and seconds of training."""

    step: int
    samples: int
    seconds: float


class RunLog:
    """Prints, and appends to a file of JSON lines. Of several processes only the first one logs.

    Args:
        path: of the file.
        quiet: print and write nothing.
    """

    def __init__(self, path: Path, *, quiet: bool = False) -> None:
        self._path, self._quiet = path, quiet
        self._recent: list[Mapping[str, float]] = []

    def collect(self, figures: Mapping[str, float]) -> None:
        """Take the figures of one update."""
        self._recent.append(figures)

    def report(self, place: RunPosition, progress: float, note: str) -> None:
        """Print and write the means of the figures collected since the last report."""
        means = {
            key: float(np.mean([r[key] for r in self._recent if key in r]))
            for key in self._recent[-1]
        }
        self._recent.clear()
        words = " ".join(f"{key} {value:.3f}" for key, value in means.items())
        speed = place.samples / max(1.0, place.seconds)
        self.say(
            f"{progress:6.1%} {place.seconds:6.0f} s step {place.step} {words} {note} "
            f"{speed:.1f} images/s"
        )
        self.write(place, means)

    def say(self, line: str) -> None:
        """Print a line at once."""
        if not self._quiet:
            print(line, flush=True)

    def write(self, place: RunPosition, record: Mapping[str, Any]) -> None:
        """Append a record with the position in the run."""
        if self._quiet:
            return
        where = {
            "step": place.step, "seconds": round(place.seconds, 1), "samples": place.samples
        }  # fmt: skip
        with JsonLines(self._path, append=True) as log:
            log.write({**where, **record})
