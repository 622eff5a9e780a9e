# SPDX-License-Identifier: Apache-2.0
"""A diagram shows the shares it is given."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.viz.reliability_plot import Panel, reliability_plot


def entry(confidence: float, right: float, boxes: int = 50) -> dict[str, float]:
    return {"confidence": confidence, "right": right, "boxes": boxes}


def bar_heights(pixels: np.ndarray) -> list[int]:
    """Return how many light blue pixels stand above each other in each run of columns."""
    light = (pixels == (170, 200, 230)).all(axis=-1).sum(axis=0)
    runs, last = [], 0
    for height in light.tolist():
        if height > 20 and last <= 20:
            runs.append(height)
        elif height > 20:
            runs[-1] = max(runs[-1], height)
        last = height
    return runs


def test_a_bar_is_as_high_as_the_share() -> None:
    panels = [
        Panel("one", "", [entry(0.15, 0.25), entry(0.55, 0.5), entry(0.95, 1.0)]),
        Panel("two", "", [entry(0.35, 0.75)]),
    ]
    heights = bar_heights(reliability_plot(panels))
    np.testing.assert_allclose(heights, [100, 200, 400, 300], atol=12)


def test_nothing_measured_is_an_empty_diagram() -> None:
    pixels = reliability_plot([Panel("none", "no boxes", [])])
    assert bar_heights(pixels) == []
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3


def test_confidence_of_one_stays_in_the_diagram() -> None:
    pixels = reliability_plot([Panel("one", "", [entry(1.0, 1.0, boxes=3)])])
    assert bar_heights(pixels)
    assert (pixels[:, -40:] == 255).all()
