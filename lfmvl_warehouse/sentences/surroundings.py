# SPDX-License-Identifier: Apache-2.0
"""What people say before and after a command, and what they put in front of it."""

from __future__ import annotations

import random
import re

from lfmvl_warehouse.sentences.phrase_file import PhraseFile

_BEFORE, _AFTER = 0.22, 0.22
"""Share of sentences with something before, or after, that changes nothing."""
_CAMERA, _TIME = 0.12, 0.35
"""Share of sentences that begin with a camera; of time limits that stand before or after."""
_WITHOUT_SPACES = ("ja", "zh")
_ENDS = " .!?。！？؟"
_STOPS = (".", "。", "!", "！")


class Surroundings:
    """Puts texts of a language around templates.

    Args:
        file: the language.
        rng: source of chance.
    """

    def __init__(self, file: PhraseFile, rng: random.Random) -> None:
        self._fillers, self._rng = file.fillers, rng
        self._space = "" if file.language in _WITHOUT_SPACES else " "
        self._lowers = file.language != "de"  # German nouns keep their capital

    def put(self, template: str, *, camera: bool, time: bool) -> str:
        """Return a template with something around it, or as it is.

        Args:
            template: with slots.
            camera: whether a camera may be named.
            time: whether a time limit is to be stated, here or where the template has its slot.
        """
        rng = self._rng
        if camera and rng.random() < _CAMERA:
            template = self._first("{camera_first}", _without(template, "camera"))
        if time and rng.random() < _TIME:
            template = _without(template, "time")
            if rng.random() < 0.5:
                template = self._first("{time_first}", template)
            else:
                template = _then(template, "{time_after}")
        else:
            template = template if time else _without(template, "time")
        if rng.random() < _AFTER:
            template = _then(template, rng.choice(self._fillers["after"]))
        if rng.random() < _BEFORE:
            template = self._first(rng.choice(self._fillers["before"]), template)
        return template

    def _first(self, text: str, template: str) -> str:
        if text.endswith(_STOPS):
            template = template[:1].upper() + template[1:]
        elif self._lowers and not template[1:2].isupper() and not template.startswith("I "):
            template = template[:1].lower() + template[1:]
        return f"{text}{self._space}{template}"


def _without(template: str, slot: str) -> str:
    return template.replace(f"{{{slot}}}", "")


def _then(template: str, text: str) -> str:
    """Return a template with a text after it; a question keeps its mark before a new sentence."""
    core = template.rstrip(_ENDS)
    mark = template[len(core) :].strip()[:1]
    question = mark in ("?", "？", "؟") and (text.startswith(_STOPS) or "¿" in core)
    if not question:
        return core + text
    return core + mark + re.sub(r"^[.。,]", "", text)
