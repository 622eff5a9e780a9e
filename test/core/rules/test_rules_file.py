# SPDX-License-Identifier: Apache-2.0
"""A rules file is right as a whole, or every mistake is named with its line."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.rules import Kind, RuleSet, load_rules, parse_rules
from lfmvl_ros.core.rules.rule import Point
from lfmvl_ros.core.rules.watched_file import WatchedRules

from ...examples import examples

GOOD = """
zones:
  aisle: {image: [[0.1, 0.5], [0.9, 0.5], [1.0, 1.0], [0.0, 1.0]]}
  dock: {frame: map, metres: [[0, 0], [4, 0], [4, 3], [0, 3]]}
rules:
  walkway:
    when: dwell
    label: [person, "red tote"]
    zone: aisle
    for_s: 2
    where: confidence > 0.8 and speed_px_s > 20
    topic: true
  crowd: {when: count, label: person, zone: dock, above: 3, for_s: 1.5}
  near: {when: approach, label: person, to: forklift, distance_m: 1.5, camera: front}
  fast: {when: speed, above_m_s: 1.5, point: centre}
"""


def test_a_right_file_is_read() -> None:
    rules = parse_rules(GOOD)
    walkway, crowd, near, fast = rules.rules
    assert (walkway.kind, walkway.labels, walkway.for_s) == (Kind.DWELL, ("person", "red tote"), 2)
    assert walkway.zone is rules.zones["aisle"]
    assert walkway.topic
    assert not walkway.needs_metres
    assert (crowd.above, crowd.needs_metres) == (3, True)
    assert (near.to, near.distance_m, near.metric) == (("forklift",), 1.5, True)
    assert (fast.above, fast.metric, fast.point) == (1.5, True, Point.CENTRE)
    assert rules.labels == ("person", "red tote", "forklift")
    assert [rule.name for rule in rules.of_camera("left").rules] == ["walkway", "crowd", "fast"]


DEEP = "[" * 3000
ZONE = "zones: {z: {image: [[0, 0], [1, 0], [1, 1]]}}\n"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "is empty"),
        ("{}", 1, "is empty"),
        ("- 1", 1, "expected a mapping with the keys zones and rules, got a list"),
        ("rules: [", 1, "is no YAML"),
        ("zones: {}", 1, "has no rules"),
        ("rules:\n  a: {when: appear}\nrule: 1", 3, "no key 'rule'; did you mean 'rules'?"),
        ("rules:\n  a: {when: apear}", 2, "a.when: there is no kind of rule 'apear'; did you"),
        ("rules:\n  a: {label: x}", 2, "rules.a: needs the key when: one of enter, leave"),
        ("rules:\n  a: {when: appear, lable: x}", 2, "no key 'lable'; did you mean 'label'"),
        ("rules:\n  a: {when: enter}", 2, "enter needs zone"),
        ("rules:\n  a: {when: count}", 2, "count needs above or below"),
        ("rules:\n  a: {when: count, above: 1, below: 4}", 2, "not both"),
        ("rules:\n  a: {when: count, above: 1.5}", 2, "expected a whole number, got 1.5"),
        ("rules:\n  a: {when: speed, above_px_s: fast}", 2, "expected a number from 0 to"),
        ("rules:\n  a: {when: speed, above_px_s: .nan}", 2, "expected a number from 0 to"),
        (f"rules:\n  a: {{when: appear, for_s: {10**400}}}", 2, "expected a number from 0 to"),
        (f"rules:\n  a: {{when: appear, for_s: {'1' * 5000}}}", 2, "expected a number from 0 to"),
        ("rules:\n  a: {when: appear, for_s: 0x_}", 2, "86400 s, got 0x_"),
        ("rules:\n  a: {when: appear, for_s: ._}", 2, "86400 s, got '._'"),
        ("rules:\n  a: {when: appear, for_s: 010}", 2, "got 010, which YAML reads as octal; leave"),
        ("rules:\n  a: {when: appear, for_s: 5e-1}", 2, "which YAML reads as a text; write 0.5"),
        ('rules:\n  a: {when: appear, topic: !!bool "no way"}', 2, "expected true or false"),
        ("rules:\n  a: {when: appear, where: ' '}", 2, "is empty; leave it out, or write a"),
        ('rules:\n  a: {when: appear, for_s: !!int "["}', 2, "expected a number from 0 to 86400 s"),
        ('rules:\n  a: {when: appear, topic: !!bool "["}', 2, "expected true or false, got '['"),
        ('rules:\n  a: {when: appear, for_s: !!int "!!bool x"}', 2, "expected a number from 0 to"),
        ('rules:\n  a: {when: appear, for_s: !!int "!!timestamp x"}', 2, "expected a number"),
        ('rules:\n  a: {when: appear, topic: !!bool "!!bool x"}', 2, "expected true or false, got"),
        (f'rules:\n  a: {{when: appear, for_s: !!int "{DEEP}"}}', 2, "expected a number from 0 to"),
        (f'rules:\n  a: {{when: appear, topic: !!bool "{DEEP}"}}', 2, "expected true or false"),
        (f"rules: {DEEP}", 1, "can't be read: its YAML is nested too deeply"),
        (f"rules: {'{a: ' * 3000}", 1, "can't be read: its YAML is nested too deeply"),
        ("- " * 3000, 1, "can't be read: its YAML is nested too deeply"),
        ("rules:\n  a: {when: appear, label: 7}", 2, "expected a text, got 7; put it in quotes"),
        ("rules:\n  a: {when: appear, label: []}", 2, "names no object"),
        ("rules:\n  a: {when: appear, label: [x, X]}", 2, "names the same label twice"),
        ("rules:\n  a: {when: appear, for_s: '0'}", 2, "86400 s, got '0'"),
        ("rules:\n  a: {when: appear, for_s: }", 2, "86400 s, got nothing"),
        ("rules:\n  a: {when: appear, topic: 1}", 2, "expected true or false, got 1"),
        ("rules:\n  a: {when: appear}\n  a: {when: appear}", 3, "here twice (first in line 2)"),
        ("rules:\n  A b: {when: appear}", 2, "small letters"),
        ("rules:\n  a: {when: appear, where: 'x >'}", 2, "rules.a.where: can't be read"),
        ("rules:\n  a: {when: appear, release: 0.9}", 2, "release (0.9) must be below probability"),
        ("rules:\n  a: {when: appear, hold_s: 0}", 2, "expected a number from 0.05 to 3600 s"),
        ("rules:\n  a: {when: appear, to: x}", 2, "there is no key 'to'"),
        ("rules:\n  a: {when: approach, time_s: 2, to: x}", 2, "goes with distance_m"),
        ("rules:\n  a: {when: appear, selected: true}", 2, "needs the labels that may be selected"),
        (ZONE + "rules:\n  a: {when: enter, zone: y}", 3, "there is no zone 'y'; there is: z"),
        (ZONE + "rules:\n  a: {when: dwell, zone: z, for_s: 0}", 3, "must be above 0 s"),
        (ZONE + "rules:\n  a: {when: missing, zone: z}", 3, "missing needs label"),
        (ZONE + "rules:\n  a: {when: count, zone: z, above: 1, answers: 2}", 3, "goes with below"),
        ("zones:\n  z: {image: [[0, 0], [1, 0]]}", 2, "a zone has 3 to 200 corners, got 2"),
        ("zones:\n  z: {image: [[0, 0], [1, 0], [1]]}", 2, "has two numbers [x, y], got 1"),
        ("zones:\n  z: {image: [[0, 0], [1, 0], [320, 240]]}", 2, "from 0 to 1 (shares of the"),
        ("zones:\n  z: {image: [[0, 0], [1, 1], [1, 0], [0, 1]]}", 2, "crosses itself"),
        ("zones:\n  z: {metres: [[0, 0], [1, 0], [1, 1]]}", 2, "needs frame and metres together"),
        ("zones:\n  z: {}", 2, "needs either image"),
        ("zones:\n  z: 3", 2, "expected a zone"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_rules(text, "r.yaml")
    assert f"r.yaml:{line}: " in str(caught.value)
    assert reason in str(caught.value)


MERGED = "a: &a {when: appear, label: [x]}"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"rules:\n  {MERGED}\n  b:\n    <<: *a\n    for_s: 1", "r.yaml:4: rules.b.<<: "),
        (f"rules:\n  {MERGED}\n  b: {{<<: [*a], for_s: 1}}", "r.yaml:3: rules.b.<<: "),
        (f"rules:\n  {MERGED}\n  <<: {{c: *a}}", "r.yaml:3: rules.<<: "),
        ("zones: {<<: {}}\nrules:\n  a: {when: appear}", "r.yaml:1: zones.<<: "),
        ("<<: {rules: {}}", "r.yaml:1: <<: "),
    ],
)
def test_merge_keys_are_named_as_such(text: str, where: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_rules(text, "r.yaml")
    assert f"{where}merge keys of YAML are not supported" in str(caught.value)
    assert str(caught.value).count("r.yaml:") == 1  # what it would bring is not missed


def test_a_text_is_no_merge_key_and_anchors_of_values_are_read() -> None:
    with pytest.raises(UserError, match="there is no key '<<'"):
        parse_rules("rules:\n  a: {when: appear, '<<': 1}")
    one, other = parse_rules(f"rules:\n  {MERGED}\n  b: *a").rules
    assert (one.labels, other.labels, other.name) == (("x",), ("x",), "b")


def test_every_mistake_is_named_at_once() -> None:
    text = "zones:\n  z: 1\nrules:\n  a: {when: x}\n  b: {when: enter, zone: q}\n"
    with pytest.raises(UserError) as caught:
        parse_rules(text, "r.yaml")
    assert [f"r.yaml:{line}:" in str(caught.value) for line in range(1, 6)] == [
        False, True, False, True, True,
    ]  # fmt: skip


def test_zones_that_are_none_are_named_once() -> None:
    with pytest.raises(UserError) as caught:
        parse_rules("zones: [1]\nrules:\n  a: {when: appear}\n", "r.yaml")
    assert str(caught.value) == "r.yaml:1: zones: expected zones by name, got a list"


def test_a_zone_with_a_mistake_is_still_known_to_rules() -> None:
    with pytest.raises(UserError) as caught:
        parse_rules("zones:\n  z: 1\nrules:\n  a: {when: enter, zone: z}\n")
    assert "there is no zone" not in str(caught.value)


def test_nested_anchors_are_refused_before_they_multiply() -> None:
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    with pytest.raises(UserError, match="holds more than 20,000 values"):
        parse_rules("a0: &a0 [x]\n" + levels)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["zones", "rules", "when", "label", "zone", "image", "a", "for_s", "where"])
        | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@examples(300)
@given(values)
def test_any_document_is_read_or_refused(value: object) -> None:
    with contextlib.suppress(UserError):
        assert isinstance(parse_rules(yaml.safe_dump(value)), RuleSet)


@examples(200)
@given(st.text(st.sampled_from("zonesrulwhe:{}[],-&*!|>'\"\n #01"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UserError):
        parse_rules(text)


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"rules:\n  a: \xff\xfe")
    for name, reason in (
        ("none.yaml", "can't be read"),
        (".", "is a directory"),
        ("bytes.yaml", "bytes.yaml:2: can't be read: it is not UTF-8 text"),
    ):
        with pytest.raises(UserError, match=reason):
            load_rules(tmp_path / name)


def test_a_file_is_read_again_when_it_changes_and_mistakes_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: {a: {when: appear}}")
    watched = WatchedRules(str(path))
    assert [rule.name for rule in watched.rules.rules] == ["a"]
    assert watched.poll(str(path)) is None

    path.write_text("rules: {b: {when: appear}, c: {when: appear}}")
    changed = watched.poll(str(path))
    assert changed is not None
    assert [rule.name for rule in changed.rules] == ["b", "c"]

    path.write_text("rules: {b: {when: appears, x: 1}}")
    assert watched.poll(str(path)) is None
    assert "did you mean 'appear'?" in watched.problem
    assert [rule.name for rule in watched.rules.rules] == ["b", "c"]

    os.unlink(path)
    assert watched.poll(str(path)) is None
    assert "can't be read" in watched.problem
    path.write_text("rules: {d: {when: appear}}")
    assert watched.poll(str(path)) is not None
    assert not watched.problem
    assert watched.poll("") == RuleSet() or watched.rules.rules == ()


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("'red tote, person'", "is 2 labels, separated as in a query; write a list of labels"),
        ("[person, 'a; b']", "is 2 labels"),
        (f"'{'x' * 121}'", "a label takes 1 to 120 characters"),
        (str([f"thing {n}" for n in range(65)]), "a Query takes 1 to 64 labels"),
    ],
)
def test_labels_that_no_query_takes_are_refused(label: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_rules(f"rules:\n  one:\n    when: appear\n    label: {label}\n")
    assert "one.label" in str(caught.value)
    assert reason in str(caught.value)


def test_all_labels_together_fit_into_a_query() -> None:
    lines = [f"  r{n}: {{when: appear, label: thing {n}}}" for n in range(65)]
    parse_rules("\n".join(["rules:", *lines[:64]]))
    with pytest.raises(UserError, match="name 65 labels; a query takes at most 64"):
        parse_rules("\n".join(["rules:", *lines]))
