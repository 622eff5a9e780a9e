# SPDX-License-Identifier: Apache-2.0
"""Calibration: monotone, inside [0, 1], and right about boxes whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.calibration import fit as calibration_fit
from lfmvl_ros.core.calibration.calibration import (
    Evidence,
    Fitted,
    IsotonicCalibration,
    LogisticCalibration,
    calibration_from,
    looseness_of,
)
from lfmvl_ros.core.calibration.confidence import ObjectSpans, object_confidence
from lfmvl_ros.core.calibration.fit import FOLDS, LEAST_BLOCK, METHODS, compare, fit, log_loss
from lfmvl_ros.core.calibration.reliability import (
    error_interval,
    error_of_perfection,
    expected_calibration_error,
    ranking,
    reliability,
)
from lfmvl_ros.core.reply import Reply, Token

from ...examples import examples
from ..replies import parse

shares = st.floats(0, 1)
boxes = st.tuples(shares, shares, st.floats(0, 50) | st.just(float("nan")), st.booleans())
samples = st.lists(boxes, min_size=LEAST_BLOCK, max_size=200)


def evidence_of(rows: list[tuple[float, float, float, bool]]) -> tuple[Evidence, np.ndarray]:
    label, exist, looseness, right = (np.array(column) for column in zip(*rows, strict=True))
    return Evidence(label * exist, label, exist, looseness), right.astype(bool)


@pytest.mark.parametrize("method", METHODS)
@given(rows=samples)
@examples(40)
def test_any_fit_is_a_probability_that_rises_with_the_evidence(
    method: str, rows: list[tuple[float, float, float, bool]]
) -> None:
    evidence, right = evidence_of(rows)
    found = fit(method, evidence, right)
    given_here = found.apply(evidence)
    assert ((given_here >= 0) & (given_here <= 1)).all()
    surer = Evidence(
        np.sqrt(evidence.score),
        np.sqrt(evidence.label),
        np.sqrt(evidence.exist),
        evidence.looseness / 2,
    )
    assert (found.apply(surer) >= given_here - 1e-12).all()
    assert calibration_from(json.loads(json.dumps(found.to_document()))) == found


def of_scores(scores: np.ndarray) -> Evidence:
    """Boxes of which nothing but the score is known."""
    ones = np.ones(len(scores))
    return Evidence(scores, scores, ones, ones)


def test_scores_that_say_nothing_get_the_base_rate() -> None:
    evidence, right = of_scores(np.full(100, 0.7)), np.arange(100) < 30
    np.testing.assert_allclose(fit("isotonic", evidence, right).apply(evidence), 0.3, atol=1e-6)
    np.testing.assert_allclose(fit("platt", evidence, right).apply(evidence), 0.3, atol=1e-2)


def world(n: int, seed: int) -> tuple[Evidence, np.ndarray]:
    """Return what a model far too sure says, and whether each box is right."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(2, 1.5, n)
    return of_scores(truth**0.25), rng.random(n) < truth  # 0.4 is said as 0.8


@pytest.mark.parametrize("method", ["isotonic", "platt", "words"])
def test_a_model_too_sure_of_itself_is_put_right_on_boxes_the_fit_has_not_seen(
    method: str,
) -> None:
    found = fit(method, *world(3000, 1))
    evidence, right = world(3000, 2)
    after = found.apply(evidence)
    assert expected_calibration_error(evidence.score, right) > 0.2
    assert expected_calibration_error(after, right) < 0.04
    entries = reliability(after, right)
    assert sum(entry["boxes"] for entry in entries) == 3000
    assert all(
        abs(entry["right"] - entry["confidence"]) < 0.1 for entry in entries if entry["boxes"] > 100
    )


def test_temperature_finds_the_temperature() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1.5, 20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-logits))
    said = of_scores(1 / (1 + np.exp(-2.5 * logits)))
    found = fit("temperature", said, right)
    assert isinstance(found, LogisticCalibration)
    assert 1 / found.score == pytest.approx(2.5, rel=0.05)


def test_a_model_that_is_right_about_itself_stays_so() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(4000)
    right = rng.random(4000) < scores
    for method in ("isotonic", "platt"):
        found = fit(method, of_scores(scores[:2000]), right[:2000])
        after = found.apply(of_scores(scores[2000:]))
        assert expected_calibration_error(after, right[2000:]) < 0.05


def test_where_only_the_box_tells_the_comparison_takes_the_box() -> None:
    rng = np.random.default_rng(5)
    loose = np.exp(rng.normal(-1, 1, 2000))
    right = rng.random(2000) < 1 / (1 + loose**2 * 4)
    label = rng.uniform(0.5, 1.0, 2000)
    evidence = Evidence(label, label, np.ones(2000), loose)
    tried = compare(evidence, right, np.arange(2000) // 3)
    assert "box" in tried[0].method
    losses = {item.method: item.log_loss for item in tried}
    assert set(losses) == set(METHODS)
    assert losses["isotonic"] > losses["words and box"] + 0.05
    assert tried[0].log_loss == min(losses.values())
    taken = fit(tried[0].method, evidence, right).apply(evidence)
    assert log_loss(taken, right) == pytest.approx(tried[0].log_loss, abs=0.02)


def test_scenes_are_never_on_both_sides_of_a_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = np.repeat(np.arange(50), 6)
    fitted_on: list[set[float]] = []

    def watched(method: str, evidence: Evidence, right: np.ndarray) -> Fitted:
        fitted_on.append(set(evidence.score.tolist()))
        return fit(method, evidence, right)

    monkeypatch.setattr(calibration_fit, "fit", watched)
    names = np.linspace(0.1, 0.9, 50)  # of scenes
    compare(of_scores(np.repeat(names, 6)), np.arange(300) % 2 == 0, scenes)
    assert len(fitted_on) == len(METHODS) * FOLDS
    for seen in fitted_on:  # a scene cut in two would be left in, in part, by every fold
        assert len(seen) == 40


def test_a_few_boxes_make_no_certainty() -> None:
    scores = np.arange(100) / 100
    found = fit("isotonic", of_scores(scores), np.arange(100) >= 98)
    assert found.apply(of_scores(np.array([0.99])))[0] <= 2 / LEAST_BLOCK
    allright = fit("words and box twice", of_scores(scores), np.ones(100, bool))
    assert (allright.apply(of_scores(scores)) < 1).all()


def test_looseness_is_for_the_size_of_the_box() -> None:
    boxes = np.array([[0.0, 0, 100, 50], [0, 0, 10, 5], [5, 5, 5, 9], [np.nan, 0, 1, 1]])
    sigma = np.array([[5.0, 2, 5, 3]] * 4)
    found = looseness_of(boxes, sigma)
    assert found[:2].tolist() == pytest.approx([0.2, 2.0])
    assert np.isnan(found[2:]).all()  # no size: as loose as can be
    ones = np.full(4, 0.9)
    after = LogisticCalibration(looseness=-1.0).apply(Evidence(ones, ones, ones, found))
    assert (np.diff(after) <= 0).all()


def test_ece_of_known_cases() -> None:
    assert expected_calibration_error([], []) == 0
    assert expected_calibration_error([1.0] * 4, [True] * 4) == 0
    assert expected_calibration_error([0.9] * 10, [False] * 10) == pytest.approx(0.9)
    mixed = [0.95] * 10 + [0.25] * 10
    verdicts = [True] * 10 + [True] * 5 + [False] * 5
    assert expected_calibration_error(mixed, verdicts) == pytest.approx((0.05 + 0.25) / 2)


def test_the_interval_holds_the_error_and_widens_when_scenes_err_together() -> None:
    rng = np.random.default_rng(7)
    confidences = rng.uniform(0.3, 0.9, 2000)
    right = rng.random(2000) < confidences - 0.2
    low, high = error_interval(confidences, right, np.arange(2000))
    assert low < expected_calibration_error(confidences, right) < high
    assert low < 0.2 < high
    together = np.repeat(rng.random(200) < 0.4, 10)  # ten boxes a scene share their fate
    alone_low, alone_high = error_interval(confidences, together, np.arange(2000))
    low, high = error_interval(confidences, together, np.arange(2000) // 10)
    assert high - low > 1.5 * (alone_high - alone_low)
    assert error_interval(np.zeros(0), np.zeros(0, bool), np.zeros(0, int)) == (0.0, 0.0)


def test_even_perfection_shows_an_error_that_shrinks_with_the_boxes() -> None:
    few, many = (error_of_perfection(np.linspace(0.05, 0.95, n)) for n in (100, 10_000))
    assert few == pytest.approx(10 * many, rel=0.3)
    assert 0.005 < many < 0.015


def test_ranking_counts_pairs() -> None:
    confidences = np.array([0.9, 0.8, 0.8, 0.1])
    assert ranking(confidences, np.array([True, False, True, False])) == pytest.approx(3.5 / 4)
    assert ranking(confidences, np.ones(4, bool)) == 0.5


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
    with pytest.raises(ValueError, match="calibration"):
        IsotonicCalibration(scores, shares)


@pytest.mark.parametrize(
    "weights", [{"label": -0.1}, {"looseness": 0.1}, {"intercept": float("nan")}]
)
def test_what_is_no_logistic_calibration(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="of a calibration"):
        LogisticCalibration(**weights)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"schema": "lfmvl/calibration/9"},
        {"schema": "lfmvl/calibration/1", "scores": [1]},
        {"schema": "lfmvl/calibration/2", "scores": [1], "shares": [1]},
        {"schema": "lfmvl/calibration/2", "logistic": {"colour": 1.0}},
        {"schema": "lfmvl/calibration/2", "logistic": [1.0]},
        {"schema": "lfmvl/calibration/2", "logistic": {"score": "much"}},
    ],
)
def test_documents_that_hold_none(document: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any says which
        calibration_from(document)


def test_too_few_boxes_to_fit() -> None:
    for method in METHODS:
        with pytest.raises(ValueError, match="at least 20"):
            fit(method, of_scores(np.full(19, 0.5)), [True] * 19)


def test_evidence_is_of_one_length() -> None:
    with pytest.raises(ValueError, match=r"all \(N,\)"):
        Evidence(np.ones(2), np.ones(2), np.ones(3), np.ones(2))


TEXT = '[{"label": "a", "bbox": [0.10, 0.10, 0.20, 0.20]}]'


def test_confidences_of_a_reply_with_a_calibration() -> None:
    tokens = (Token(1, TEXT, float(np.log(0.8))),)
    plain = parse(TEXT, tokens=tokens)
    assert (plain.confidence_kind, plain.detections.scores.tolist()) == (
        "token", [pytest.approx(0.64)],  # label and existence are one token here
    )  # fmt: skip
    known = IsotonicCalibration((0.5, 0.64, 1.0), (0.2, 0.3, 0.7))
    found = parse(TEXT, tokens=tokens, calibration=known)
    assert (found.confidence_kind, found.detections.scores.tolist()) == (
        "calibrated", [pytest.approx(0.3)],
    )  # fmt: skip
    without = parse(TEXT, calibration=known)
    assert without.confidence_kind == "constant"  # nothing to calibrate


def test_a_box_that_is_vague_for_its_size_counts_for_less() -> None:
    start = TEXT.index("0.10")
    pieces = [(TEXT[:start], 0.0), ("0.10, 0.10, 0.20, 0.20", -1.5), (TEXT[start + 22 :], 0.0)]
    tokens = tuple(Token(1, text, logprob) for text, logprob in pieces)
    sure = (Token(1, TEXT, 0.0),)
    known = LogisticCalibration(intercept=1.0, log_looseness=-1.0)
    vague, sharp = (
        parse(TEXT, tokens=these, calibration=known, wh=(1000, 1000)).detections.scores[0]
        for these in (tokens, sure)
    )
    # Each side of the sharp box is off by the rounding alone: a step of 0.01 over sqrt(12).
    looseness = 4 * 0.01 / np.sqrt(12) / 0.1
    assert sharp == pytest.approx(1 / (1 + np.exp(-1) * looseness))
    assert vague < sharp - 0.1


def test_objects_without_tokens_keep_the_constant_score() -> None:
    spans = ObjectSpans((1, 2), None, ((1, 2),) * 4)
    found = object_confidence(Reply(TEXT), [spans])
    assert found.calibrated(LogisticCalibration(), np.ones(1)) is found
