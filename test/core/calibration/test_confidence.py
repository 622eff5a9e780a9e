# SPDX-License-Identifier: Apache-2.0
"""Token probabilities land on the objects whose text they spell."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import erf, erfc

from lfmvl_ros.core.calibration.confidence import (
    CONSTANT,
    CONSTANT_SCORE,
    TOKEN,
    ObjectSpans,
    TokenTrack,
    object_confidence,
    spread_of_bin,
)
from lfmvl_ros.core.config import ParsingSettings
from lfmvl_ros.core.reply import Reply, Token

from ..replies import parse

TEXT = (
    '[{"label": "person", "bbox": [0.10, 0.20, 0.30, 0.40]}, '
    '{"label": "red tote", "bbox": [0.50, 0.50, 0.90, 0.80]}]'
)


def tokens_of(text: str, probabilities: dict[int, float]) -> tuple[Token, ...]:
    """Cut as LFM2's tokenizer does: words, 1-3 digits, runs of punctuation.

    ``probabilities``: of the token that covers a character position; 1 elsewhere.
    """
    found = []
    for match in re.finditer(r" ?[^\W\d]+|\d{1,3}|\s+|[^\w\s]+", text):
        inside = [p for at, p in probabilities.items() if match.start() <= at < match.end()]
        found.append(Token(7, match.group(), math.log(math.prod(inside))))
    assert "".join(token.text for token in found) == text
    return tuple(found)


def test_score_is_label_times_existence() -> None:
    label, tote = TEXT.index("person"), TEXT.index("red tote")
    comma = TEXT.index("]}, {")
    tokens = tokens_of(TEXT, {label: 0.9, comma: 0.5, tote: 0.8, tote + 4: 0.5, 1: 0.7})
    found = parse(TEXT, tokens=tokens)
    assert found.confidence_kind == TOKEN
    np.testing.assert_allclose(found.detections.scores, [0.9 * 0.7, 0.8 * 0.5 * 0.5])


def test_the_token_that_goes_on_or_ends_decides_existence() -> None:
    """The choice falls at the comma behind an object, not at the brace that must follow it."""
    comma = TEXT.index("}, {") + 1
    pieces = [(TEXT[:comma], 0.0), (",", -1.0), (" {", 0.0), (TEXT[comma + 3 :], 0.0)]
    tokens = tuple(Token(9, piece, logprob) for piece, logprob in pieces)
    scores = parse(TEXT, tokens=tokens).detections.scores
    np.testing.assert_allclose(scores, [1.0, math.exp(-1)])


def test_where_a_label_ends_is_part_of_it() -> None:
    """Only the token behind the word tells a box from a "box lid"."""
    tokens = tokens_of(TEXT, {TEXT.index('person"') + len("person"): 0.6})
    np.testing.assert_allclose(parse(TEXT, tokens=tokens).detections.scores, [0.6, 1.0])


def test_coordinates_do_not_lower_the_score_but_widen_sigma() -> None:
    digits = TEXT.index("10, 0.20")
    sure = parse(TEXT, tokens=tokens_of(TEXT, {}))
    unsure = parse(TEXT, tokens=tokens_of(TEXT, {digits: 0.3829}))
    np.testing.assert_array_equal(sure.detections.scores, unsure.detections.scores)
    step_px = 0.01 * 640
    assert sure.detections.sigma_px[0, 0] == pytest.approx(step_px / math.sqrt(12))
    expected = step_px * math.sqrt(1 / 12 + 1)
    assert unsure.detections.sigma_px[0, 0] == pytest.approx(expected, rel=1e-3)
    np.testing.assert_array_equal(
        sure.detections.sigma_px.flat[1:], unsure.detections.sigma_px.flat[1:]
    )


def test_without_tokens_the_score_is_constant_and_says_so() -> None:
    found = parse(TEXT)
    assert found.confidence_kind == CONSTANT
    assert set(found.detections.scores) == {CONSTANT_SCORE}


def test_tokens_that_spell_another_text_are_not_used() -> None:
    found = parse(TEXT, tokens=(Token(1, "something else", -0.1),))
    assert found.confidence_kind == CONSTANT


def test_special_tokens_around_the_text_do_not_shift_it() -> None:
    label = TEXT.index("person")
    tokens = tokens_of(TEXT, {label: 0.25})
    around = (Token(0, "<s>", -3.0), *tokens, Token(2, "", -0.2), Token(2, "<|im_end|>", -5.0))
    np.testing.assert_allclose(parse(TEXT, tokens=around).detections.scores, [0.25, 1.0])


def test_min_score_drops_and_reports() -> None:
    tokens = tokens_of(TEXT, {TEXT.index("person"): 0.2})
    found = parse(TEXT, tokens=tokens, settings=ParsingSettings(min_score=0.5))
    assert found.detections.labels == ("red tote",)
    assert found.rejected == ("object 1 ('person'): confidence 0.200 is below 0.5",)
    assert found.outcome.value == "ok"


def test_a_character_of_several_tokens_counts_all_of_them() -> None:
    text = '[{"label": "箱", "bbox": [0.1, 0.2, 0.3, 0.4]}]'
    at = text.index("箱")
    pieces = [(text[:at], 0.0), ("", -0.5), ("", -0.25), ("箱", -0.125), (text[at + 1 :], 0.0)]
    tokens = tuple(Token(5, piece, lp) for piece, lp in pieces)
    assert parse(text, tokens=tokens).detections.scores[0] == pytest.approx(math.exp(-0.875))


def test_impossible_tokens_give_zero_not_nan() -> None:
    tokens = tuple(replace(t, logprob=-math.inf) for t in tokens_of(TEXT, {}))
    scores = parse(TEXT, tokens=tokens).detections.scores
    assert np.isfinite(scores).all()
    assert (scores < 1e-20).all()


def log_mass(sigma: float) -> float:
    """Logarithm of the middle bin's mass, from whichever of ``p`` and ``1 - p`` is small."""
    edge = 1 / (math.sqrt(8) * sigma)
    outside = float(erfc(edge))
    return math.log1p(-outside) if outside < 0.5 else math.log(float(erf(edge)))


@given(st.floats(math.log(0.014), math.log(3.9e5)).map(math.exp))
@example(0.0625)
@example(0.5 / 0.674489750196082)  # p = 1/2, where the method changes
def test_spread_of_bin_inverts_the_normal_distribution(sigma: float) -> None:
    assert spread_of_bin(log_mass(sigma)) == pytest.approx(sigma, rel=1e-9)


@given(st.floats(-math.inf, 0.0), st.floats(-math.inf, 0.0))
@example(-5e-324, 0.0)
@example(-1e-16, -1e-17)
@example(-math.inf, math.log(1e-6))
def test_spread_of_bin_is_finite_and_falls_with_the_probability(a: float, b: float) -> None:
    less, more = sorted((a, b))
    assert 0.0 <= spread_of_bin(more) <= spread_of_bin(less) * (1 + 1e-12) < 1e6


@given(st.lists(st.tuples(st.text("abc", max_size=3), st.floats(-5, 0)), min_size=1), st.data())
def test_probability_is_that_of_the_tokens_touched(
    pieces: list[tuple[str, float]], data: st.DataObject
) -> None:
    pieces = [piece for piece in pieces if piece[0]]
    text = "".join(piece for piece, _ in pieces)
    if not text:
        return
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    position, total = 0, 0.0
    for piece, logprob in pieces:
        if position < end and position + len(piece) > start:
            total += logprob
        position += len(piece)
    track = TokenTrack([p for p, _ in pieces], [lp for _, lp in pieces])
    assert track.probability((start, end)) == pytest.approx(math.exp(total))


def test_a_small_logprob_survives_large_ones_before_it() -> None:
    logprobs = [-40.0] * 400 + [-1e-13]
    track = TokenTrack(["a"] * len(logprobs), logprobs)
    assert track.logprob((400, 401)) == -1e-13


def test_no_objects_is_fine() -> None:
    spans: list[ObjectSpans] = []
    confidence = object_confidence(Reply("[]", (Token(1, "[]", -0.1),)), spans)
    assert confidence.scores.shape == (0,)
    assert confidence.sigma_steps.shape == (0, 4)
