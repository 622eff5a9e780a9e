# SPDX-License-Identifier: Apache-2.0
"""Scenes that no training has seen, in sets that share none: to fit and measure calibrations on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lfmvl_ros.datasets.questions import Asked, LabelledImage, QuestionSet, Vocabulary
from lfmvl_warehouse.scenes import STANDARD, SceneVideo, render_still
from lfmvl_warehouse.training.data.sources import VIDEO_WH_PX, WarehouseScenes, views
from lfmvl_warehouse.training.run.evaluation import held_out

_SIZES = (0.07, 0.45)  # of objects in stills, as far things in a video are


@dataclass(frozen=True)
class SceneSet:
    """Which scenes: no two sets share an image, and none has one that a training draws.

    Attributes:
        name: what it is for.
        looks: ranges (first, count) of the objects' appearances in stills. A training draws from
            the first 120; those of others it has never seen.
        seed: of the questions and stills, and of the videos whose frames are among the images.
    """

    name: str
    looks: tuple[tuple[int, int], ...]
    seed: int


FIT = SceneSet("fit", ((0, 24), (1_000, 24)), 7_700)
KNOWN_LOOKS = SceneSet("known looks", ((0, 24),), 8_800)
NEW_LOOKS = SceneSet("new looks", ((2_000, 24),), 9_900)
MEASURED = (KNOWN_LOOKS, NEW_LOOKS)
_VIDEOS = 1_000_000  # seeds beyond: used by nothing else


class UnseenScenes:
    """A source of scenes as :func:`lfmvl_warehouse.training.run.evaluation.held_out` takes it."""

    def __init__(self, wanted: SceneSet) -> None:
        self._wanted = wanted
        self._source = WarehouseScenes(video_frames=0)
        self.vocabulary: Vocabulary = self._source.vocabulary

    def draw(
        self, rng: np.random.Generator, wh_px: tuple[int, int], max_objects: int
    ) -> LabelledImage:
        """Draw a still of the set's looks, or a frame of a video with goods of its own."""
        if wh_px == VIDEO_WH_PX:
            video = _VIDEOS + 10_000 * self._wanted.seed + int(rng.integers(10_000))
            frame = SceneVideo(video, wh=wh_px).frame(40 + int(rng.integers(1_500)))
            return self._source.convert(frame)
        looks = self._wanted.looks
        options = replace(
            STANDARD,
            objects=(0, max_objects),
            size=_SIZES,
            distractors=min(2, max_objects // 2),
            appearances=looks[int(rng.integers(len(looks)))],
        )
        return self._source.convert(render_still(rng, wh=wh_px, options=options))


def question_sets(scenes: int) -> tuple[QuestionSet, tuple[QuestionSet, ...]]:
    """Return the questions to fit a calibration on, and the sets to measure it with.

    Args:
        scenes: in each set to measure with; twice as many are in the one to fit on.
    """
    sets = [question_set(FIT, 2 * scenes), *(question_set(each, scenes) for each in MEASURED)]
    return sets[0], tuple(sets[1:])


def question_set(wanted: SceneSet, scenes: int) -> QuestionSet:
    """Return questions about the first scenes of a set."""
    return QuestionSet(wanted.name, _questions(wanted, scenes), scenes)


def _questions(wanted: SceneSet, scenes: int) -> Iterator[Asked]:
    """Draw as we go: images of thousands of scenes are not kept."""
    source = UnseenScenes(wanted)
    for number in range(scenes):
        yield from held_out(source, views(), 1, seed=100_000 * wanted.seed + number)
