# SPDX-License-Identifier: Apache-2.0
"""Conditions that can never be true, or always are, by what their fields can be, are refused."""

from __future__ import annotations

from typing import Any

import pytest
import rule_engine
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.rules import parse_rules
from lfmvl_ros.core.rules.condition import TrackCondition
from lfmvl_ros.core.rules.fields import NUMBER_FIELDS

from ...examples import examples
from .test_condition import compared, rows

FRACTIONS = [name for name, field in NUMBER_FIELDS.items() if field.high == 1]
KNOWN = [name for name, field in NUMBER_FIELDS.items() if field.known]


def refusal_of(text: str) -> str:
    """Return why a condition is refused; "" where it is not."""
    try:
        TrackCondition(text)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", NUMBER_FIELDS)
@pytest.mark.parametrize("shape", ["{} < 0", "{} < -0.5", "-{} > 0", "0 > {}", "{} == -1"])
def test_no_field_is_below_its_range(name: str, shape: str) -> None:
    text = shape.format(name)
    assert f"{text} is never true: {name} is {NUMBER_FIELDS[name].limits}" == refusal_of(text)


@pytest.mark.parametrize("name", FRACTIONS)
@pytest.mark.parametrize("shape", ["{} > 1", "{} >= 80", "2 <= {}", "{} * 100 > 100", "{} == 2"])
def test_no_fraction_is_above_one(name: str, shape: str) -> None:
    text = shape.format(name)
    assert f"{text} is never true: {name} is between 0 and 1" in refusal_of(text)


@pytest.mark.parametrize("name", NUMBER_FIELDS)
def test_what_is_always_true_is_refused_where_the_value_is_always_known(name: str) -> None:
    for text in (f"{name} >= 0", f"{name} != -1", f"1 + {name} > 0.5"):
        assert (" is always true: " in refusal_of(text)) == (name in KNOWN), text


def test_the_message_says_what_a_fraction_is_of() -> None:
    assert refusal_of('x < 320 and label == "a"').endswith(
        "x < 320 is always true: x is between 0 and 1, a fraction of the image's width"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("confidence > 2 or age_s > 1", "confidence > 2 is never true"),
        ("not (age_s > 1 and confidence > 2)", "confidence > 2 is never true"),
        ("x + width / 2 > 1.5", "x + width / 2 > 1.5 is never true: width is between 0 and 1"),
        ("2 * (x + 1) > 5", "2 * (x + 1) > 5 is never true"),
        ("1 > 2", "is never true, whatever is tracked"),
        ("true", "is always true, whatever is tracked"),
        ("age_s > 1 or true", "is always true, whatever is tracked"),
        ("speed_m_s > 1 and not true", "is never true, whatever is tracked"),
        ("label in []", "is never true, whatever is tracked"),
        ('state == "confirmd"', "there is no state 'confirmd'; did you mean 'confirmed'?"),
        ('"lost" != state', "there is no state 'lost'; there is: tentative, confirmed, coasting"),
        ('state in ["confirmed", "lost"]', "there is no state 'lost'"),
        ('state in ["confirmed", "tentative", "coasting"]', "is always true: it names all of"),
        ('state =~ "lost.*"', "state =~ 'lost.*' is never true: state is one of tentative, conf"),
        ('not state =~~ "n"', "state =~~ 'n' is always true"),
    ],
)
def test_what_is_decided_is_said(text: str, reason: str) -> None:
    assert reason in refusal_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "confidence >= 1", "confidence <= 0", "confidence > 0.5", "1 - confidence < 0.2",
        "x + width / 2 > 0.9", "x > width", "pick_sigma_m >= 0.1", "0 * pick_sigma_m >= 0",
        "distance_m >= 0 and confidence > 0.5", "speed_m_s <= 1 or true", 'state != "Coasting"',
        'state in ["confirmed", "coasting"]', 'state =~ "con.*"', 'label == "lost"',
    ],
)  # fmt: skip
def test_what_depends_on_the_track_is_read(text: str) -> None:
    assert not refusal_of(text)


@examples(300)
@given(compared, st.lists(rows(), min_size=3, max_size=3))
def test_what_is_said_of_a_comparison_is_so(text: str, items: list[dict[str, Any]]) -> None:
    reason = refusal_of(text)
    found = {rule_engine.Rule(text).matches(item) for item in items}
    assert not ("never" in reason and True in found)
    assert not ("always" in reason and False in found)


def test_a_rules_file_names_the_line() -> None:
    with pytest.raises(UserError) as caught:
        parse_rules("rules:\n  a: {when: appear, where: confidence > 80}", "r.yaml")
    assert str(caught.value) == (
        "r.yaml:2: rules.a.where: confidence > 80 is never true: confidence is between 0 and 1"
    )
