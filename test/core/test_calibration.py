# SPDX-License-Identifier: Apache-2.0
"""Calibration: monotone, inside [0, 1], and right about scores whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfmvl_ros.core.calibration import (
    LEAST_BLOCK,
    Calibration,
    expected_calibration_error,
    fit_isotonic,
    reliability,
)
from lfmvl_ros.core.confidence import ObjectSpans, object_confidence
from lfmvl_ros.core.reply import Reply, Token

pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=LEAST_BLOCK, max_size=300)


@given(pairs, st.lists(st.floats(0, 1), max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_fit_is_monotone_and_a_probability(
    samples: list[tuple[float, bool]], asked: list[float]
) -> None:
    scores, right = zip(*samples, strict=True)
    found = fit_isotonic(scores, right)
    given_scores = np.sort(np.array(asked, float))
    shares = found.apply(given_scores)
    assert (np.diff(shares) >= 0).all()
    assert ((shares >= 0) & (shares <= 1)).all()
    # What it gives lies between the least and the largest share there is, so it keeps the base
    # rate of scores that say nothing.
    if len(set(scores)) == 1:
        np.testing.assert_allclose(found.apply(np.array(scores)), np.mean(right), atol=1e-6)


@given(pairs)
@settings(max_examples=100, deadline=None)
def test_json_and_back(samples: list[tuple[float, bool]]) -> None:
    scores, right = zip(*samples, strict=True)
    found = fit_isotonic(scores, right)
    assert Calibration.from_document(json.loads(json.dumps(found.to_document()))) == found


def world(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of a model that is far too sure, and whether each box is right."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(2, 1.5, n)
    right = rng.random(n) < truth
    return truth**0.25, right  # 0.4 is said as 0.8


def test_a_model_too_sure_of_itself_is_put_right_on_boxes_the_fit_has_not_seen() -> None:
    found = fit_isotonic(*world(3000, 1))
    scores, right = world(3000, 2)
    assert expected_calibration_error(scores, right) > 0.2
    assert expected_calibration_error(found.apply(scores), right) < 0.04
    entries = reliability(found.apply(scores), right)
    assert sum(entry["boxes"] for entry in entries) == 3000
    assert all(
        abs(entry["right"] - entry["confidence"]) < 0.1 for entry in entries if entry["boxes"] > 100
    )


def test_a_model_that_is_right_about_itself_stays_so() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(4000)
    right = rng.random(4000) < scores
    found = fit_isotonic(scores[:2000], right[:2000])
    assert expected_calibration_error(found.apply(scores[2000:]), right[2000:]) < 0.05


def test_a_few_boxes_make_no_certainty() -> None:
    scores = [i / 100 for i in range(100)]
    found = fit_isotonic(scores, [i >= 98 for i in range(100)])
    assert found.apply(np.array([0.99]))[0] <= 2 / LEAST_BLOCK


def test_ece_of_known_cases() -> None:
    assert expected_calibration_error([], []) == 0
    assert expected_calibration_error([1.0] * 4, [True] * 4) == 0
    assert expected_calibration_error([0.9] * 10, [False] * 10) == pytest.approx(0.9)
    mixed = [0.95] * 10 + [0.25] * 10
    verdicts = [True] * 10 + [True] * 5 + [False] * 5
    assert expected_calibration_error(mixed, verdicts) == pytest.approx((0.05 + 0.25) / 2)


@pytest.mark.parametrize(
    ("scores", "shares"),
    [
        ((), ()),
        ((0.1,), (0.1, 0.2)),
        ((0.5, 0.5), (0.1, 0.2)),
        ((0.1, 0.2), (0.5, 0.4)),
        ((0.1, 1.2), (0.5, 0.6)),
        ((0.1, float("nan")), (0.5, 0.6)),
    ],
)
def test_what_is_no_calibration(scores: tuple[float, ...], shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="Calibration"):
        Calibration(scores, shares)


def test_too_few_boxes_to_fit() -> None:
    with pytest.raises(ValueError, match="at least 20"):
        fit_isotonic([0.5] * 19, [True] * 19)


def test_scores_of_a_reply_with_a_calibration() -> None:
    text = '[{"label": "a", "bbox": [1, 2, 3, 4]}]'
    token = Token(1, text, float(np.log(0.8)))
    spans = ObjectSpans((1, 2), None, ((1, 2),) * 4)
    plain = object_confidence(Reply(text, (token,)), [spans])
    assert (plain.kind, plain.scores.tolist()) == ("token", [pytest.approx(0.8)])
    known = Calibration((0.5, 1.0), (0.2, 0.7))
    found = object_confidence(Reply(text, (token,), calibration=known), [spans])
    assert (found.kind, found.scores.tolist()) == ("calibrated", [pytest.approx(0.5)])
    without = object_confidence(Reply(text, calibration=known), [spans])
    assert without.kind == "constant"  # nothing to calibrate
