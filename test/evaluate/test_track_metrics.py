# SPDX-License-Identifier: Apache-2.0
"""The one place that calls trackeval, for `lfmvl evaluate` and the benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.evaluate import track_metrics

ROOT = Path(__file__).parents[2]
SAME = np.eye(2)


def test_nothing_else_calls_the_library() -> None:
    files = [path for folder in ("lfmvl_ros", "lfmvl_warehouse", "benchmarks")
             for path in (ROOT / folder).rglob("*.py")]  # fmt: skip
    callers = [f.name for f in files if "from trackeval" in f.read_text(encoding="utf-8")]
    assert callers == ["track_metrics.py"]


def test_sequences_together() -> None:
    pytest.importorskip("trackeval", reason="trackeval is not installed")
    right = track_metrics.measured([["a", "b"]] * 4, [[7, 3]] * 4, [SAME] * 4)
    swapped = track_metrics.measured([["a", "b"]] * 4, [[7, 3], [7, 3], [3, 7], [3, 7]], [SAME] * 4)
    assert (right.clear["IDSW"], right.identity["IDF1"], right.hota["HOTA"].mean()) == (0, 1, 1)
    assert swapped.clear["IDSW"] == 2
    assert swapped.identity["IDF1"] == pytest.approx(0.5)
    together = track_metrics.combined([right, swapped])
    assert together.clear["IDSW"] == 2
    assert together.identity["IDF1"] == pytest.approx(0.75)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_metrics, "is_installed", lambda: False)
    with pytest.raises(UserError, match="pip install --no-deps trackeval"):
        track_metrics.measured([["a"]], [[1]], [np.eye(1)])
