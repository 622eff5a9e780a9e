# SPDX-License-Identifier: Apache-2.0
"""Names and words that no list can hold: of rules, of cameras, of things nobody has heard of."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PLACES = _words(
    "aisle dock door gate ramp bay lane zone rack shelf belt pallet truck entry exit slot stop "
    "hall yard line cell station tower floor office charger loading packing picking storage "
    "inbound outbound cold fire safety north south east west main side upper lower"
)
_EVENTS = _words(
    "entry exit empty full missing crowded blocked open closed moved left waiting alarm near far "
    "speeding approach count dwell watch guard spill fallen parked unattended overflow low high"
)
_MOUNTS = _words(
    "front rear left right top back gripper wrist mast ceiling fork head arm chest base overhead "
    "entrance ramp dock door"
)
_ONSETS = _words("b c d f g h j k l m n p r s t v w z br ch dr fl gl kr pl sch sh sl sp st tr")
_VOWELS = _words("a e i o u ai ea ee ie oo ou")
_CODAS = ("", "", "b", "ck", "d", "g", "l", "m", "n", "nd", "p", "r", "rt", "s", "st", "t", "x")
_UNHEARD = 0.2  # share of a name's words that mean nothing, so that it has to be copied
_SCRIPTS = {
    "ja": "アイウエオカキクケコサシスタチツテトナニハヒフヘホマミムメモ"
    "ヤラリルレロワンバビドゴジプ",
    "ko": "가나다라마바사아자차카타파하고노도로모보소오조초"
    "구누두루무부수우주기니디리미비시이지김문박밀",
    "zh": "水火土木金石鱼鸟花草米面茶酒纸笔书灯钟镜车船门窗瓶碗刀伞鞋帽糖盐油肉果菜兔羊牛马",
    "ar": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
}


def identifier(text: str) -> str:
    """Return a word of any language as it stands in a name.

    >>> identifier("Almacén norte"), identifier("Tür")
    ('almacen_norte', 'tur')
    """
    plain = unicodedata.normalize("NFD", text.lower())
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return "_".join(re.findall(r"[a-z0-9]+", kept))


def rule_name(rng: random.Random, words: Sequence[str] = ()) -> str:
    """Return the name of a rule, such as ``aisle_entry``, ``door-2`` or ``spill``.

    Args:
        rng: source of chance.
        words: of the language, that a name may have, too; as :func:`identifier` gives them.
    """

    def word(own: Sequence[str]) -> str:
        if rng.random() < _UNHEARD:
            return made_up(rng)
        return rng.choice(words) if words and rng.random() < 0.5 else rng.choice(own)

    kind = rng.random()
    if kind < 0.33:
        parts = [word(_PLACES), word(_EVENTS)]
    elif kind < 0.4:
        parts = [word(_PLACES), word(_PLACES), word(_EVENTS)]
    elif kind < 0.62:
        parts = [word((*_PLACES, *_EVENTS)), _mark(rng)]
    elif kind < 0.85:
        parts = [word((*_PLACES, *_EVENTS))]
    else:
        parts = [made_up(rng), word(_EVENTS)][: rng.randint(1, 2)]
    return rng.choice("__-").join(parts)


def camera_name(rng: random.Random, words: Sequence[str] = ()) -> str:
    """Return the name of a camera, such as ``front``, ``cam2``, ``dock_left`` or ``aisle3``.

    Args:
        rng: source of chance.
        words: as of :func:`rule_name`.
    """

    def word() -> str:
        if rng.random() < _UNHEARD:
            return made_up(rng)
        own = rng.choice((_MOUNTS, _PLACES))
        return rng.choice(words) if words and rng.random() < 0.5 else rng.choice(own)

    kind = rng.random()
    if kind < 0.3:
        return rng.choice(_MOUNTS)
    if kind < 0.45:
        return f"{rng.choice(('cam', 'camera', 'cam_', 'camera_', 'c'))}{rng.randint(0, 12)}"
    if kind < 0.6:
        return word()
    if kind < 0.75:
        return f"{word()}{_mark(rng)}"
    if kind < 0.95:
        return f"{word()}_{rng.choice((rng.choice(_MOUNTS), word(), _mark(rng)))}"
    return made_up(rng)


def _mark(rng: random.Random) -> str:
    """Return what tells names of a kind apart: a number, seldom a letter."""
    return rng.choice("abcdefgh") if rng.random() < 0.15 else str(rng.randint(1, 40))


def made_up(rng: random.Random, language: str = "en") -> str:
    """Return a word that means nothing, in the script of a language."""
    letters = _SCRIPTS.get(language)
    if letters is not None and rng.random() < 0.85:
        return "".join(rng.choice(letters) for _ in range(rng.randint(2, 5)))
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
        for _ in range(rng.randint(1, 3))
    )
