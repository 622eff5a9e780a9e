# SPDX-License-Identifier: Apache-2.0
"""The questions of `checkpoint.py`: held-out scenes, and what is asked about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lfmvl_ros.core.prompt import CARD_TEMPLATE, FINE_TEMPLATE, PromptTemplate
from lfmvl_ros.datasets.questions import (
    LabelledImage,
    Question,
    Target,
    Vocabulary,
    ask,
    find,
    kinds_shown,
    translated,
)
from lfmvl_warehouse.scenes import (
    EASY,
    STANDARD,
    TRANSLATIONS,
    SceneOptions,
    SceneVideo,
    render_still,
)
from lfmvl_warehouse.training.data.sources import WarehouseScenes
from lfmvl_warehouse.training.run.evaluation import HELD_OUT_SEED

LANGUAGE = "language:"
"""Begins the names of slices that are asked in one language."""

BESIDE = ("mixed_languages", "three_decimals", "tiled", "untiled")
"""Further slices that the totals leave out: they ask again, or in another way."""

_SIZES = ((256, 256), (384, 288), (640, 360), (288, 384), (480, 480), (840, 360))
_LOOKS = (1000, 40)  # training draws from the first 120
_SMALL = (0.07, 0.22)  # of objects where tiles are judged
_UNSEEN = replace(STANDARD, appearances=_LOOKS)


class Asked(NamedTuple):
    """A question of a slice; ``tiles``: the image is cut into tiles."""

    slice: str
    scene: LabelledImage
    question: Question
    template: PromptTemplate = CARD_TEMPLATE
    tiles: bool = False


def in_totals(name: str) -> bool:
    """Whether a slice counts in the totals."""
    return not name.startswith((LANGUAGE, *BESIDE))


def questions(share: float) -> list[Asked]:
    """All held-out questions; `share` of the full number of each slice."""
    source = WarehouseScenes()
    dim = replace(_UNSEEN, low_light_probability=1.0)

    def count(full: int) -> int:
        return max(8, round(full * share))

    return [
        *stills(source, "stills", count(240), _UNSEEN, 1),
        *stills(source, "easy_stills", count(120), replace(EASY, appearances=_LOOKS), 2),
        *stills(source, "low_light", count(60), dim, 3),
        *video_frames(source, count(100)),
        *single_questions(source, "colour_query", count(80), 4),
        *single_questions(source, "attribute_query", count(60), 5),
        *single_questions(source, "absent", count(80), 6),
        *in_languages(source, count(40)),
        *large_images(source, count(60)),
    ]


def stills(
    source: WarehouseScenes, name: str, count: int, options: SceneOptions, seed: int
) -> Iterator[Asked]:
    """Stills of several sizes, half asked about everything, half a random question."""
    for index in range(count):
        rng = np.random.default_rng([HELD_OUT_SEED, seed, index])
        wh = _SIZES[int(rng.integers(len(_SIZES)))]
        scene = source.convert(render_still(rng, wh=wh, options=options))
        question = everything(scene) if index % 2 else None
        yield Asked(name, scene, question or ask(rng, scene.targets, _english(source)))


def video_frames(source: WarehouseScenes, count: int) -> Iterator[Asked]:
    """Single 640x480 frames of many videos; up to four of their kinds are asked for."""
    for index in range(count):
        rng = np.random.default_rng([HELD_OUT_SEED, 77, index])
        frame = SceneVideo(HELD_OUT_SEED + index).frame(int(rng.integers(900)))
        scene = source.convert(frame)
        kinds = kinds_shown(scene.targets)
        chosen = [kinds[i] for i in rng.permutation(len(kinds))[:4]] or ["person"]
        yield Asked("video_640x480", scene, find(chosen, scene.targets))


def single_questions(source: WarehouseScenes, name: str, count: int, seed: int) -> Iterator[Asked]:
    """One label a question: a colour and kind, an attribute, or a kind that is absent."""
    index = made = 0
    while made < count:
        rng = np.random.default_rng([HELD_OUT_SEED, seed, index])
        index += 1
        scene = source.convert(render_still(rng, wh=(384, 288), options=_UNSEEN))
        label = _label(rng, name, scene.targets, source)
        if label is None:
            continue
        made += 1
        yield Asked(name, scene, find([label], scene.targets))


def _label(
    rng: np.random.Generator, name: str, targets: Sequence[Target], source: WarehouseScenes
) -> str | None:
    colours = set(source.vocabulary.colours)
    counted = [t for t in targets if t.counts]
    if name == "absent":
        absent = _absent_kinds(targets, source)
        return absent[int(rng.integers(len(absent)))]
    if not counted:
        return None
    names = counted[int(rng.integers(len(counted)))].names
    coloured = [n for n in names if colours & set(n.split())]
    if name == "colour_query":
        return coloured[0]
    plain = [n for n in names[1:] if n not in coloured and " " in n and n != names[0]]
    return plain[0] if plain else None


def _absent_kinds(targets: Sequence[Target], source: WarehouseScenes) -> list[str]:
    there = {t.names[0] for t in targets}
    return [kind for kind in source.vocabulary.kinds if kind not in there]


def everything(scene: LabelledImage) -> Question | None:
    """All kinds that are there, at most six; None for an empty scene."""
    kinds = kinds_shown(scene.targets)[:6]
    return find(kinds, scene.targets) if kinds else None


def in_languages(source: WarehouseScenes, count: int) -> Iterator[Asked]:
    """The same stills in every language: up to four of the kinds there, and one that is not.

    Also with each label in a language of its own, and in English for three decimals.
    """
    tongues = list(TRANSLATIONS)
    for index in range(count):
        rng = np.random.default_rng([HELD_OUT_SEED, 8, index])
        scene = source.convert(render_still(rng, wh=(384, 288), options=_UNSEEN))
        shown = kinds_shown(scene.targets)
        absent = _absent_kinds(scene.targets, source)
        kinds = [*(shown[i] for i in rng.permutation(len(shown))[:4]), str(rng.choice(absent))]
        english = find(kinds, scene.targets)
        yield Asked(f"{LANGUAGE}en", scene, english)
        yield Asked("three_decimals", scene, english, FINE_TEMPLATE)
        for language in tongues:
            labels = translated(kinds, language, source.vocabulary)
            yield Asked(f"{LANGUAGE}{language}", scene, find(labels, scene.targets))
        mixed = [
            translated([kind], tongues[(index + place) % len(tongues)], source.vocabulary)[0]
            for place, kind in enumerate(kinds)
        ]
        yield Asked("mixed_languages", scene, find(mixed, scene.targets))


def large_images(source: WarehouseScenes, count: int) -> Iterator[Asked]:
    """Stills of 1280x720 with small objects, all asked for, whole and cut into tiles."""
    small = replace(_UNSEEN, size=_SMALL)
    for index in range(count):
        rng = np.random.default_rng([HELD_OUT_SEED, 9, index])
        scene = source.convert(render_still(rng, wh=(1280, 720), options=small))
        question = everything(scene)
        if question is not None:
            yield Asked("untiled", scene, question)
            yield Asked("tiled", scene, question, tiles=True)


def captions(share: float) -> Iterator[LabelledImage]:
    """Stills to be described."""
    source = WarehouseScenes()
    for index in range(max(8, round(80 * share))):
        rng = np.random.default_rng([HELD_OUT_SEED, 10, index])
        yield source.convert(render_still(rng, wh=(384, 288), options=_UNSEEN))


def _english(source: WarehouseScenes) -> Vocabulary:
    return replace(source.vocabulary, languages={})
