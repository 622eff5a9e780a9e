# SPDX-License-Identifier: Apache-2.0
"""Finds the tool calls in what a model wrote; never raises on it, and never takes half of them.

As in the parsing of boxes, the form is looked for and not prescribed: each family writes calls in
its own syntax, and a family's calls may come without their markers, which are control tokens that
some servers leave out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lfmvl_ros.core.commands.calls import NoCallError, RawCall
from lfmvl_ros.core.commands.json_calls import calls_from, strict_json
from lfmvl_ros.core.commands.python_calls import read_python_calls
from lfmvl_ros.core.commands.tagged_calls import read_tagged_call
from lfmvl_ros.core.parsing.thoughts import without_thoughts
from lfmvl_ros.core.safe_text import quoted

LONGEST = 20_000  # characters
_START, _STOP = "<|tool_call_start|>", "<|tool_call_end|>"
_TAG, _END_TAG = "<tool_call>", "</tool_call>"
_FENCE = re.compile(r"```\w*\n(.*?)\n?```", re.S)
_BARE = re.compile(r"[A-Za-z_]\w*\(")
_CALL_LIKE = re.compile(r"[\[\](){}]|<\W?(?:tool_call|function|parameter)")


@dataclass(frozen=True)
class Reading:
    """The calls in a model's text, or why there are none.

    Attributes:
        calls: all of them, or none.
        problem: "" where there are calls.
    """

    calls: tuple[RawCall, ...] = ()
    problem: str = ""


def read_calls(text: str) -> Reading:
    """Return every call in a model's text, or why it can't be used.

    Calls stand between the family's markers, and words around them don't count. Without markers
    the calls come first, and nothing behind them may look like part of a call. One call that is
    not well-formed is the end of all.

    >>> read_calls('<|tool_call_start|>[count(label="red crate")]<|tool_call_end|>').calls[0].name
    'count'
    >>> read_calls("I see a crate.").problem
    "the model called no tool, but wrote 'I see a crate.'"
    """
    if len(text) > LONGEST:
        return Reading(problem=f"the model wrote {len(text)} characters instead of calls")
    answer = without_thoughts(text)
    try:
        if _START in answer or _STOP in answer:
            calls = _between(answer, _START, _STOP)
        elif _TAG in answer or "<function=" in answer or _END_TAG in answer:
            calls = _between(answer, _TAG, _END_TAG)
        else:
            calls = _unmarked(answer)
    except NoCallError as error:
        return Reading(problem=f"the model's call is not well-formed: {error}")
    if not calls:
        words = answer.strip()
        wrote = f", but wrote {quoted(words)}" if words else ""
        return Reading(problem=f"the model called no tool{wrote}")
    return Reading(tuple(calls))


def _between(text: str, start: str, stop: str) -> list[RawCall]:
    """Return the calls between all pairs of markers."""
    calls: list[RawCall] = []
    at = 0
    while (begin := text.find(start, at)) >= 0:
        if stop in text[at:begin] or "<function=" in text[at:begin]:
            raise NoCallError("markers don't come in pairs")
        begin += len(start)
        end = text.find(stop, begin)
        following = text.find(start, begin)
        if end < 0 or 0 <= following < end:
            raise NoCallError("a call does not end")
        calls += _whole(text, begin, end)
        at = end + len(stop)
    if stop in text[at:] or "<function=" in text[at:]:
        raise NoCallError("markers don't come in pairs")
    return calls


def _whole(text: str, begin: int, end: int) -> list[RawCall]:
    """Return the calls that a part of the text consists of."""
    part = text[begin:end].strip()
    if part.startswith("<"):
        return [read_tagged_call(text, begin, end)]
    begin += len(text[begin:end]) - len(text[begin:end].lstrip())
    if part.startswith(("{", "[{")) or re.match(r"\[\s*\{", part):
        return calls_from(strict_json(part), (begin, begin + len(part)))
    calls, at = read_python_calls(text[:end], begin)
    if text[at:end].strip():
        raise NoCallError("something follows the calls")
    return calls


def _unmarked(answer: str) -> list[RawCall]:
    """Return the calls at the beginning of a text, if there are any."""
    begin = len(answer) - len(answer.lstrip())
    fence = _FENCE.fullmatch(answer.strip())
    if fence is not None:
        begin += fence.start(1)
        return _whole(answer, begin, begin + len(fence[1]))
    rest = answer[begin:]
    if rest.startswith("{") or re.match(r"\[\s*\{", rest):
        return _whole(answer, begin, len(answer))
    if not rest.startswith("[") and not _BARE.match(rest):
        return []
    calls, at = read_python_calls(answer, begin)
    if _CALL_LIKE.search(answer, at):
        raise NoCallError("something like part of a call follows the calls")
    return calls
