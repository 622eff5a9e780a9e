# SPDX-License-Identifier: Apache-2.0
"""Conditions: on certain values they are what rule-engine itself says."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
import rule_engine
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.rules.condition import Column, TrackCondition
from lfmvl_ros.core.rules.fields import FLAGS, NUMBER_FIELDS, NUMBERS, STATES, TEXTS

from ...examples import examples

numbers = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])
fractions = st.sampled_from([0.0, 0.25, 0.5, 1.0])
labels = st.sampled_from(["person", "red tote"])


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        **{name: draw(labels) for name in TEXTS},
        "state": draw(st.sampled_from(STATES)),
        **{name: draw(numbers if f.high > 1 else fractions) for name, f in NUMBER_FIELDS.items()},
        **{name: draw(st.booleans()) for name in FLAGS},
    }


def _number() -> st.SearchStrategy[str]:
    field = st.sampled_from(NUMBERS)
    value = numbers.map(str)
    return st.one_of(
        field,
        value,
        st.builds("({} {} {})".format, field, st.sampled_from("+-"), value),
        st.builds("({} * {})".format, value, field),
        field.map("-{}".format),
    )


def _texts() -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds('label {} "{}"'.format, st.sampled_from(["==", "!=", "=~", "!~"]), labels),
        st.just('label in ["person", "crate"]'),
        st.just('not state =~ "con.*"'),
        st.builds("state {} '{}'".format, st.sampled_from(["==", "!="]), st.sampled_from(STATES)),
    )


compared = st.builds(
    "{} {} {}".format, _number(), st.sampled_from([">", "<", ">=", "<=", "==", "!="]), _number()
)
conditions = st.recursive(
    st.one_of(compared, _texts(), st.sampled_from(FLAGS), st.just("true")),
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=5,
)


def read(text: str) -> TrackCondition | None:
    """Return a condition; None where it is refused as decided (test_decided_conditions.py)."""
    with contextlib.suppress(UserError):
        return TrackCondition(text)
    return None


def columns_of(items: list[dict[str, Any]], sigma: float = 0.0) -> Any:
    def column(name: str) -> Any:
        values = [item[name] for item in items]
        if name in TEXTS:
            return values
        found = np.array(values, dtype=np.float64)
        return found if name in FLAGS else Column(found, np.full(len(found), sigma))

    return column


@examples(200)
@given(conditions, st.lists(rows(), min_size=1, max_size=3))
def test_certain_values_give_what_rule_engine_gives(text: str, items: list[dict[str, Any]]) -> None:
    expected = [rule_engine.Rule(text).matches(item) for item in items]
    if (condition := read(text)) is None:
        return
    found = condition.probability(columns_of(items))
    np.testing.assert_allclose(found, np.array(expected, dtype=float))


@examples(50)
@given(conditions, st.lists(rows(), max_size=3), st.floats(0.01, 2))
def test_uncertain_values_give_probabilities(text: str, items: Any, sigma: float) -> None:
    if (condition := read(text)) is None:
        return
    found = condition.probability(columns_of(items, sigma))
    assert found.shape == (len(items),)
    assert ((found >= 0) & (found <= 1)).all()


def test_a_comparison_is_the_probability_that_it_is_true() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.normal(1.2, 0.5, 100_000), rng.normal(0.9, 0.3, 100_000)
    expected = (drawn[0] > drawn[1] + 0.1).mean()

    def column(name: str) -> Any:
        if name == "label":
            return ["person"]
        mean, sigma = {"speed_m_s": (1.2, 0.5), "x": (0.9, 0.3)}[name]
        return Column(np.array([mean]), np.array([sigma]))

    (found,) = TrackCondition("speed_m_s > x + 0.1").probability(column)
    assert found == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("text", ["speed_m_s > 1", "not speed_m_s > 1", "speed_m_s <= 1 or true"])
def test_what_is_not_known_does_not_hold(text: str) -> None:
    unknown = Column(np.array([np.nan]), np.zeros(1))
    found = TrackCondition(text).probability(lambda name: ["x"] if name == "label" else unknown)
    assert found.tolist() == [0.0]


def test_labels_are_the_same_as_everywhere() -> None:
    (found,) = TrackCondition('label == "Hard-Hat"').probability(lambda _: ["hard hat"])
    assert found == 1.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('lable == "x"', "there is no field 'lable'; did you mean 'label'?"),
        ("zzz > 1", "there is no field 'zzz'; there is: label, state"),
        ("confidence >", "can't be read"),
        ('confidence > "x"', "data type mismatch"),
        ("confidence", "not understood here"),
        ("$abs(x) > 1", "not understood here"),
        ("label.length > 3", "not understood here"),
        ("x * y > 1", "not understood here"),
        ('label =~ "("', "invalid regular expression"),
        ('label =~ "a{99999999999}"', "the repetition number is too large"),
        ("x > nan", "has the number nan; a limit has to be finite"),
        ("x > 1e400", "has the number inf; a limit has to be finite"),
        ("x / -inf > 1", "has the number -inf; a limit has to be finite"),
        ("1e400 * x > 1", "has the number inf; a limit has to be finite"),
        ("x > " + "1" * 1000, "at most 1000 are read"),
        ("(" * 400 + "x > 1" + ")" * 400, ""),
    ],
)
def test_what_can_not_be_used_is_said(text: str, reason: str) -> None:
    if not reason:  # deep, but fine or refused; never another error
        with contextlib.suppress(UserError):
            TrackCondition(text)
        return
    with pytest.raises(UserError) as caught:
        TrackCondition(text)
    assert reason in str(caught.value)


@examples(300)
@given(st.text(st.sampled_from('xlabel ><=~!()"andornot.*+-0123$[]{}?:'), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition = TrackCondition(text)
    except UserError:
        return
    assert condition.fields <= {*TEXTS, *NUMBERS, *FLAGS}


@pytest.mark.parametrize("text", ["confidence > 5 << 99999999", "9 ** 9 ** 9 > age_s", "1>>1 == 0"])
def test_what_the_parser_would_compute_without_end_is_refused(text):
    with pytest.raises(UserError, match="is not understood here"):
        TrackCondition(text)
    assert TrackCondition('label == "a << b ** c"').fields == {"label"}
