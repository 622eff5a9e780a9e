# SPDX-License-Identifier: Apache-2.0
"""``lfmvl say`` without a node: what it sends and prints; test/ros/test_say.py has the rest."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.cli import say
from lfmvl_ros.cli.main import main
from lfmvl_ros.cli.say import command_of, in_words
from lfmvl_ros.core.commands.request import RefusedRequestError, parse_request
from lfmvl_ros.core.safe_text import json_text, safe_text

CALL = {
    "name": "count",
    "arguments": {"label": "crate", "camera": ""},
    "status": "done",
    "data": {},
}


def result(status: str = "done", **parts: Any) -> dict[str, Any]:
    return {"id": "1", "status": status, "message": "1 crate", "calls": [CALL], **parts}


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (result(), ['understood: count(label="crate")', "done: 1 crate"]),
        (result("failed"), ['understood: count(label="crate")', "failed: 1 crate"]),
        (
            result("refused", calls=[], message="I know no such object."),
            ["refused, nothing was done: I know no such object."],
        ),
        (
            result(dry_run=True, message="understood; nothing was done", calls=[]),
            ["dry run: understood; nothing was done"],
        ),
        (
            result("failed", calls=[CALL, {**CALL, "status": "skipped"}, {**CALL, "status": None}]),
            [
                'understood: count(label="crate") (done)',
                'understood: count(label="crate") (skipped)',
                'understood: count(label="crate") (not started)',
                "failed: 1 crate",
            ],
        ),
        (
            result(message="\x1b[2Jcr\u202eate\n", calls=[{**CALL, "name": "co\x07unt"}]),
            ['understood: co unt(label="crate")', "done: [2Jcrate"],
        ),
    ],
)
def test_a_result_in_words(found: dict[str, Any], lines: list[str]) -> None:
    assert list(in_words(found)) == lines


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
CALLS = st.fixed_dictionaries(
    {"name": st.text(), "arguments": st.dictionaries(st.text(), VALUES), "data": st.just({})},
    optional={"status": VALUES},
)


@given(st.text(), st.text(), st.lists(CALLS, max_size=3))
def test_whatever_a_result_holds_is_shown_on_lines_that_are_safe(
    status: str, message: str, calls: list[dict[str, Any]]
) -> None:
    lines = list(in_words(result(status, message=message, calls=calls)))
    assert len(lines) == len(calls) + 1
    for line in lines:
        assert safe_text(line) == line
        line.encode()


TEXTS = st.text() | st.sampled_from(
    [
        "look for crates",
        '{"name": "count", "arguments": {"label": "crate"}}',
        '[{"name": "stop_looking"}]',
        '{"id": 7, "calls": [{"name": "stop_looking", "arguments": {}}]}',
        '{"id": "a", "cancel": "7", "dry_run": true}',
        '{"sentence": "count the crates", "dry_run": false}',
    ]
)


@given(TEXTS, st.booleans())
def test_what_is_sent_means_what_was_typed(text: str, dry_run: bool) -> None:
    try:
        typed = parse_request(text)
    except RefusedRequestError:
        with pytest.raises(RefusedRequestError):
            command_of(text, dry_run=dry_run)
        return
    sent = parse_request(json_text(command_of(text, dry_run=dry_run)))
    assert sent == replace(typed, dry_run=typed.dry_run or dry_run)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([" "], "the command is empty; send a sentence, or a tool call such as"),
        (['{"name": '], "the command can't be read: it is not JSON"),
        (["{name: count}"], "the command can't be read: it is not JSON"),
        (["x" * 20_001], "at most 20000 characters, got 20001"),
        (["count", "--domain", "233"], "--domain: a whole number from 0 to 232 was expected"),
        (["count", "--timeout", "nan"], "--timeout: a number from 0.1 to 86400 s was expected"),
        ([], "the following arguments are required: SENTENCE"),
    ],
)
def test_what_no_node_can_read_is_one_line(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["say", *words]) == 2
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1)
    assert why in errors
    assert errors.startswith("lfmvl say: ")


def test_without_ros_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "lfmvl_ros.ros.command_link", raising=False)
    monkeypatch.setitem(sys.modules, "rclpy", None)
    assert main(["say", "look for crates"]) == 2
    errors = capsys.readouterr().err
    assert "this needs ROS 2, which can't be imported" in errors
    assert errors.endswith("source it, or use the environment of `make setup`\n")


@dataclass
class Place:
    """A way to where there is no node, or only elsewhere."""

    domain: int
    elsewhere: frozenset[str] = frozenset()
    namespace: str = "/lfmvl"

    def nodes(self) -> frozenset[bytes]:
        return frozenset()

    def namespaces(self) -> frozenset[str]:
        return self.elsewhere


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (Place(0), "domain 0 within 0.1 s; start it, or compare --namespace and ROS_DOMAIN_ID with "
         "the node's; `lfmvl demo` is in domain 77: add --domain 77"),
        (Place(77), "domain 77 within 0.1 s; start it, or compare --namespace and ROS_DOMAIN_ID "
         "with the node's; `lfmvl demo` takes commands while it runs: is it still running?"),
        (Place(5, frozenset({"/b", "/a"})),
         "domain 5 within 0.1 s; nodes answer in /a and /b: name one with --namespace"),
    ],
)  # fmt: skip
def test_where_nobody_answers_it_says_where_to_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: Place, why: str
) -> None:
    monkeypatch.setattr(say, "open_link", lambda *_: nullcontext(place))
    assert main(["say", "look for crates", "--timeout", "0.1"]) == 2
    assert capsys.readouterr().err == (
        f"lfmvl say: no perception node answers commands in /lfmvl of ROS {why}\n"
    )


def test_json_of_the_arguments_is_json() -> None:
    call = {**CALL, "arguments": {"label": 'a "b"', "timeout_s": 30.0, "labels": ["é"]}}
    (line, _) = in_words(result(calls=[call]))
    assert line == 'understood: count(label="a \\"b\\"", timeout_s=30.0, labels=["é"])'
    assert json.loads('"a \\"b\\""') == 'a "b"'
