# SPDX-License-Identifier: Apache-2.0
"""Rules about what is written on objects; a text is as certain as it was read."""

from __future__ import annotations

import pytest

from lfmvl_ros.core.readings import TrackText
from lfmvl_ros.core.rules import EventState, RuleEngine, parse_rules

from ...schemas import check
from .scenes import IN, Object, answer, tracks

RULES = """
zones:
  view: {{image: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
rules:
  r: {{when: enter, label: box, zone: view, where: '{where}'}}
"""


def written(text: str, confidence: float, key: int = 1, label: str = "box") -> dict[int, TrackText]:
    stamps = (1_000_000_000,)
    box = (0.1, 0.1, 0.2, 0.2)
    return {key: TrackText(key, label, text, confidence, (), 2, stamps, stamps[0], box)}


def events(where: str, texts: dict[int, TrackText]) -> list:
    engine = RuleEngine(parse_rules(RULES.format(where=where)))
    engine.answer(answer(0.0, query="box"))
    found = []
    for number in range(20):
        seen = tracks(number / 10, [Object(1, IN, label="box"), Object(2, 0.6, label="box")])
        found += engine.observe(seen, texts=texts)
    return [event for event in found if event.state is EventState.BEGIN]


@pytest.mark.parametrize(
    "where",
    [
        'text == "sku 4827-k"',
        'text in ["ACME", "SKU4827-K"]',
        'text =~ "SKU ?[0-9]{4}-[A-Z]"',
        'text != "ACME"',
        'label == "box" and text == "SKU 4827-K" and text_confidence > 0.9',
        'not (text == "ACME")',
    ],
)
def test_a_text_that_was_read_fulfils_a_condition(where):
    (event,) = events(where, written("SKU 4827-K", 0.97))
    (track,) = check(event.to_dict())["tracks"]
    assert (track["id"], track["text"], track["text_confidence"]) == (1, "SKU 4827-K", 0.97)


@pytest.mark.parametrize("where", ['text == "ACME"', 'text != "ACME"', "text_confidence < 2"])
def test_what_was_not_read_fulfils_none(where):
    assert events(where, {}) == []
    assert events(where, written("ACME", 0.97, label="tote")) == []


@pytest.mark.parametrize("where", ['text == "ACME"', 'text != "OTHER"', 'text =~ "A.*"'])
def test_an_uncertain_text_is_no_certain_condition(where):
    assert events(where, written("ACME", 0.6)) == []
    assert len(events(where, written("ACME", 0.95))) == 1


def test_a_track_without_text_has_no_keys_for_it():
    begun = events("confidence > 0.1", written("ACME", 0.95))
    documents = [check(event.to_dict())["tracks"][0] for event in begun]
    assert sorted("text" in one for one in documents) == [False, True]
