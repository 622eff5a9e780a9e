# SPDX-License-Identifier: Apache-2.0
"""Held-out sentences with the calls that they mean, and how well a model reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from lfmvl_ros.core.commands.checking import understand_all
from lfmvl_ros.core.commands.python_calls import read_python_calls
from lfmvl_ros.core.commands.reading import read_calls
from lfmvl_ros.core.commands.said_numbers import check_numbers
from lfmvl_ros.core.commands.tools import TOOLS, Tool
from lfmvl_ros.core.errors import UserError

REASONS = ("object", "tool", "unclear")


@dataclass(frozen=True)
class Judged:
    """A sentence and what it means: calls, or none where it has to be refused."""

    say: str
    calls: tuple[Tool, ...]


@dataclass(frozen=True)
class SentenceScore:
    """How sentences were read.

    Attributes:
        sentences: all of them.
        right: the same calls with the same arguments, or refused as it has to be.
        wrong_calls: calls that the sentence does not mean, which would be executed.
        to_refuse: sentences that mean no call; refused: those of them that led to none.
    """

    sentences: int = 0
    right: int = 0
    wrong_calls: int = 0
    to_refuse: int = 0
    refused: int = 0


def read_sentences(path: Path) -> list[Judged]:
    """Return the sentences of a file of ``benchmarks/held_out_sentences``.

    Raises:
        ValueError: an entry is not ``{say, calls}`` or ``{say, refuse}``, or a call is wrong.
    """
    found = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        if set(entry) == {"say", "refuse"} and entry["refuse"] in REASONS:
            found.append(Judged(entry["say"], ()))
        elif set(entry) == {"say", "calls"}:
            raw, _ = read_python_calls(f"[{', '.join(entry['calls'])}]", 0)
            found.append(Judged(entry["say"], understand_all(raw, TOOLS)))
        else:
            raise ValueError(f"{path.name}: an entry has say, and calls or refuse; got {entry}")
    return found


def names_of(sentences: Iterable[Judged]) -> dict[str, tuple[str, ...]]:
    """Return the names of rules and cameras that the calls have, by argument."""
    calls = [call for sentence in sentences for call in sentence.calls]
    return {
        argument: tuple(sorted({getattr(call, argument, "") for call in calls} - {""}))
        for argument in ("rule", "camera")
    }


def calls_in(text: str, sentence: str = "") -> tuple[Tool, ...]:
    """Return the calls that the node would execute for what a model wrote; none if it refuses.

    Args:
        text: what the model wrote.
        sentence: what it read, which must say the numbers in the calls; "" where any will do.
    """
    reading = read_calls(text)
    if reading.problem:
        return ()
    try:
        calls = understand_all(reading.calls, TOOLS)
        check_numbers(sentence, calls)
        return calls
    except UserError:
        return ()


def judge(
    sentences: Iterable[Judged],
    write: Callable[[str], str],
    wrong: Callable[[Judged, str], None] | None = None,
) -> SentenceScore:
    """Score what a model writes.

    Args:
        sentences: with their calls.
        write: the model: sentence to text.
        wrong: called with each that is not right, and what was written.
    """
    counts = dict.fromkeys(SentenceScore.__dataclass_fields__, 0)
    for sentence in sentences:
        text = write(sentence.say)
        calls = calls_in(text, sentence.say)
        counts["sentences"] += 1
        counts["right"] += calls == sentence.calls
        counts["wrong_calls"] += bool(calls) and calls != sentence.calls
        counts["to_refuse"] += not sentence.calls
        counts["refused"] += not sentence.calls and not calls
        if wrong is not None and calls != sentence.calls:
            wrong(sentence, text)
    return SentenceScore(**counts)


def total(scores: Mapping[str, SentenceScore]) -> SentenceScore:
    """Return the sum over languages."""
    names = SentenceScore.__dataclass_fields__
    return SentenceScore(**{n: sum(getattr(s, n) for s in scores.values()) for n in names})
