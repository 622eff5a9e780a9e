# SPDX-License-Identifier: Apache-2.0
"""Composes sentences and the calls that they mean, without end."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lfmvl_ros.core.commands.tools import (
    Count,
    Describe,
    Find,
    Follow,
    LookFor,
    Read,
    SetMode,
    StopLooking,
    Tool,
    Watch,
    WhereIs,
)
from lfmvl_warehouse.sentences.answers import Refusal, written
from lfmvl_warehouse.sentences.filling import Filled, Filler
from lfmvl_warehouse.sentences.phrase_file import PhraseFile

SHARES: dict[str, float] = {
    "look_for": 14, "look_for_list": 9, "look_for_instead": 3, "stop_looking": 7, "find": 10,
    "find_timed": 6, "count": 11, "where_is": 10, "follow": 6, "describe": 6, "read": 8,
    "mode_continuous": 2.2, "mode_rate": 2.2, "mode_duty_cycle": 2.2, "mode_motion": 2.2,
    "mode_on_demand": 2.2, "watch": 8, "look_for_and_count": 1.8, "look_for_and_where_is": 1.2,
    "find_and_read": 1.2, "find_and_where_is": 1.2, "then": 3, "refuse_tool": 11,
    "refuse_negated": 5, "refuse_change": 4, "refuse_condition": 3, "refuse_past": 2.5,
    "refuse_place": 3, "refuse_unclear": 5,
}  # fmt: skip
"""Intent -> how often it is drawn."""
_UNKNOWN = 0.12
"""Share of sentences about an object that are about one without a label."""
_PAIRED = ("look_for", "stop_looking", "find", "count", "where_is", "describe", "read", "watch")

Meaning = Callable[[Filled], Sequence[Tool]]


def _find(filled: Filled) -> Find:
    return Find(filled.label, filled.seconds or 30.0, filled.camera)


def _read(filled: Filled) -> Read:
    return Read(filled.label, filled.seconds or 5.0, filled.camera)


def _mode(name: str) -> Meaning:
    return lambda _filled: [SetMode(name)]


MEANINGS: dict[str, Meaning] = {
    "look_for": lambda f: [LookFor(f.labels)],
    "look_for_list": lambda f: [LookFor(f.labels)],
    "look_for_instead": lambda f: [LookFor(f.labels)],
    "stop_looking": lambda _: [StopLooking()],
    "find": lambda f: [_find(f)],
    "find_timed": lambda f: [_find(f)],
    "count": lambda f: [Count(f.label, f.camera)],
    "where_is": lambda f: [WhereIs(f.label, f.camera)],
    "follow": lambda f: [Follow(f.id)],
    "describe": lambda f: [Describe(f.camera)],
    "read": lambda f: [_read(f)],
    "watch": lambda f: [Watch(f.rule, f.seconds or 60.0, f.camera)],
    "look_for_and_count": lambda f: [LookFor(f.labels), Count(f.label)],
    "look_for_and_where_is": lambda f: [LookFor(f.labels), WhereIs(f.label)],
    "find_and_read": lambda f: [_find(f), Read(f.label)],
    "find_and_where_is": lambda f: [_find(f), WhereIs(f.label)],
    **{f"mode_{name}": _mode(name) for name in
       ("continuous", "rate", "duty_cycle", "motion", "on_demand")},
}  # fmt: skip
"""Intent -> the calls that a filled template of it means."""
WITH_CAMERA = ("find", "find_timed", "count", "where_is", "describe", "read", "watch")
WITH_TIME = ("find", "find_timed", "read", "watch")
WITH_PLACE = ("look_for", "look_for_list", "find", "find_timed", "where_is")


@dataclass(frozen=True)
class Example:
    """A sentence, what it means, and what the model has to write."""

    sentence: str
    calls: tuple[Tool, ...]
    refusal: Refusal | None
    language: str
    intent: str

    @property
    def answer(self) -> str:
        """What the model has to write."""
        return written(self.calls) if self.refusal is None else written(self.refusal)


class Composer:
    """Composes examples of one language.

    Args:
        file: its wording.
        rng: source of chance.
    """

    def __init__(self, file: PhraseFile, rng: random.Random) -> None:
        self._file, self._rng = file, rng
        self._filler = Filler(file, rng)
        self._intents = [name for name in SHARES if file.templates.get(name)]
        self._weights = [SHARES[name] for name in self._intents]

    def compose(self) -> Example:
        """Return the next example."""
        (intent,) = self._rng.choices(self._intents, self._weights)
        if intent == "then":
            return self._two()
        return self._one(intent)

    def _one(self, intent: str, template: str = "", *, around: bool = True) -> Example:
        template = template or self._rng.choice(self._file.templates[intent])
        with_objects = intent in MEANINGS and intent != "stop_looking"
        filled = self._filler.fill(
            template,
            camera=intent in WITH_CAMERA,
            time=1.0 if intent == "find_timed" else 0.3 if intent in WITH_TIME else 0.0,
            place=intent in WITH_PLACE,
            unknown=_UNKNOWN if with_objects else 0.0,
            plain=intent.startswith("refuse") and self._rng.random() < 0.5,
            around=around,
        )
        refusal: Refusal | None = None
        calls: tuple[Tool, ...] = ()
        if intent == "refuse_unclear":
            refusal = Refusal.UNCLEAR
        elif intent not in MEANINGS:
            refusal = Refusal.TOOL
        elif with_objects and "" in filled.labels:
            refusal = Refusal.OBJECT
        else:
            calls = tuple(MEANINGS[intent](filled))
        return Example(filled.text, calls, refusal, self._file.language, intent)

    def _two(self) -> Example:
        """Return two commands in one sentence."""
        first, second = (self._part() for _ in range(2))
        template = self._rng.choice(self._file.templates["then"])
        parts = [_as_part(first.sentence), _as_part(second.sentence)]
        text = template.replace("{first}", parts[0]).replace("{second}", parts[1])
        text = self._filler.fill(text).text
        refusal = first.refusal or second.refusal
        calls = () if refusal else (*first.calls, *second.calls)
        return Example(text, calls, refusal, self._file.language, "then")

    def _part(self) -> Example:
        for _ in range(20):
            intent = self._rng.choice(_PAIRED)
            template = self._rng.choice(self._file.templates[intent])
            if not template.rstrip().endswith(("?", "？", "؟")):
                break
        return self._one(intent, template, around=False)


def _as_part(sentence: str) -> str:
    """Return a sentence as it stands within another one."""
    sentence = sentence.rstrip(" .!。！")
    return sentence[:1].lower() + sentence[1:]
