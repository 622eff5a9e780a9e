# SPDX-License-Identifier: Apache-2.0
"""Names and words that no list can hold: of rules, of cameras, of things nobody has heard of."""

from __future__ import annotations

import random


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
_SCRIPTS = {
    "ja": "アイウエオカキクケコサシスタチツテトナニハヒフヘホマミムメモ"
    "ヤラリルレロワンバビドゴジプ",
    "ko": "가나다라마바사아자차카타파하고노도로모보소오조초"
    "구누두루무부수우주기니디리미비시이지김문박밀",
    "zh": "水火土木金石鱼鸟花草米面茶酒纸笔书灯钟镜车船门窗瓶碗刀伞鞋帽糖盐油肉果菜兔羊牛马",
    "ar": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
}


def rule_name(rng: random.Random) -> str:
    """Return the name of a rule, such as ``aisle_entry`` or ``door-2``."""
    kind = rng.random()
    if kind < 0.55:
        words = [rng.choice(_PLACES), rng.choice(_EVENTS)]
    elif kind < 0.7:
        words = [rng.choice(_PLACES), rng.choice(_PLACES), rng.choice(_EVENTS)]
    elif kind < 0.9:
        words = [rng.choice((*_PLACES, *_EVENTS)), str(rng.randint(1, 40))]
    else:
        words = [made_up(rng), rng.choice(_EVENTS)]
    return rng.choice("__-").join(words)


def camera_name(rng: random.Random) -> str:
    """Return the name of a camera, such as ``front``, ``cam2`` or ``dock_left``."""
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(_MOUNTS)
    if kind < 0.75:
        return f"{rng.choice(('cam', 'camera', 'cam_', 'camera_', 'c'))}{rng.randint(0, 12)}"
    if kind < 0.95:
        return f"{rng.choice(_MOUNTS)}_{rng.choice((*_MOUNTS, str(rng.randint(1, 9))))}"
    return made_up(rng)


def made_up(rng: random.Random, language: str = "en") -> str:
    """Return a word that means nothing, in the script of a language."""
    letters = _SCRIPTS.get(language)
    if letters is not None and rng.random() < 0.85:
        return "".join(rng.choice(letters) for _ in range(rng.randint(2, 5)))
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
        for _ in range(rng.randint(1, 3))
    )
