# SPDX-License-Identifier: Apache-2.0
"""What is learned about the model's boxes: their jitter, within ten answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.tracking import Tracker
from lfmvl_ros.core.tracking.table import Table

MakeAnswer = Callable[..., Grounding]
OBJECTS, ANSWERS = 8, 11  # the first one starts the tracks
TOLERANCE = 1.8


def after_answers(
    answer: MakeAnswer,
    centre: float,
    side: float,
    hz: float,
    settings: TrackerSettings,
    answers: int = ANSWERS,
) -> Table:
    """Tracks of objects that move steadily, of a detector with these jitters, in box sizes."""
    rng, tracker = np.random.default_rng(3), Tracker(settings)
    size = rng.uniform(50, 110, (OBJECTS, 2))
    place = np.column_stack([np.linspace(240, 1040, OBJECTS), rng.uniform(250, 450, OBJECTS)])
    velocity = rng.normal(size=(OBJECTS, 2)) * 15
    for step in range(answers):
        shift = rng.normal(size=(OBJECTS, 2)) * centre * size
        seen = size * np.exp(rng.normal(size=(OBJECTS, 2)) * side)
        boxes = np.column_stack([place + velocity * step / hz + shift, seen])
        tracker.apply(answer(step / hz, boxes, sigma_px=1.0))
    return tracker._history.table


@pytest.mark.parametrize("hz", [4.0, 25.0])
@pytest.mark.parametrize(
    ("centre", "side"), [(0.015, 0.03), (0.03, 0.06), (0.06, 0.12), (0.12, 0.2), (0.03, 0.2)]
)
def test_jitter_is_found_within_ten_answers(
    answer: MakeAnswer, centre: float, side: float, hz: float
) -> None:
    settings = TrackerSettings(bridge="predict")
    table = after_answers(answer, centre, side, hz, settings)
    learned = table.jitter * settings.box_jitter * np.array([1, 1, 2, 2])
    off = learned / np.array([centre, centre, side, side])
    assert off.max() < TOLERANCE, off
    assert off.min() > 1 / TOLERANCE, off


def test_the_first_answers_count_most(answer: MakeAnswer) -> None:
    settings = TrackerSettings(bridge="predict")
    steps = []
    for answers in (2, 12, 32):
        table = after_answers(answer, 0.03, 0.06, 25.0, settings, answers)
        steps.append(float(table.jitter_known.mean()))
    assert steps[0] < steps[1] < steps[2]
    # What was learned fades, so a detector that changes is found again.
    assert steps[2] < 2 * OBJECTS / (0.25 * settings.noise_adaptation) * 1.01


def test_nothing_is_learned_without_adaptation(answer: MakeAnswer) -> None:
    settings = TrackerSettings(bridge="predict", noise_adaptation=0.0)
    table = after_answers(answer, 0.12, 0.2, 4.0, settings)
    np.testing.assert_array_equal(table.jitter, 1.0)
    np.testing.assert_array_equal(table.noise_scale, 1.0)
