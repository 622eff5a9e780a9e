# SPDX-License-Identifier: Apache-2.0
"""Where training scenes come from: the procedural warehouse, still or as frames of its video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lfmvl_ros.datasets.questions import LabelledImage, Target, Vocabulary
from lfmvl_warehouse.training.data.patch_grid import BUDGET, COARSE, TILED, Grid, grid_for

if TYPE_CHECKING:
    from lfmvl_warehouse.scenes import RenderedScene

VIDEO_WH_PX = (640, 480)
_FIRST_VIDEO_SEED = 500_000  # far from what demos and tests use
_FIRST_HELD_OUT_VIDEO_SEED = 2_000_000  # nor used by the benchmark or calibration
_FRAMES_PER_VIDEO = 4
_SIZES = (0.07, 0.45)  # of objects in stills: smaller than standard, as far things in a video are


class Scenes(Protocol):
    """Scenes to ask about: their words, and one for each state of a random generator."""

    vocabulary: Vocabulary

    def draw(
        self, rng: np.random.Generator, wh_px: tuple[int, int], max_objects: int
    ) -> LabelledImage:
        """A scene of this size, or for its grid; the same generator state gives the same scene."""
        ...


class SceneSource(Scenes, Protocol):
    """Scenes to train on: also in which sizes, and others to judge by."""

    @property
    def views(self) -> tuple[SceneView, ...]:
        """The sizes to draw, and how often each."""
        ...

    def held_out(self) -> SceneSource:
        """The like of it to judge by: what is drawn from it is not trained on."""
        ...


@dataclass(frozen=True)
class SceneView:
    """A way to look at scenes: the size drawn, the grid it becomes, how often it is chosen."""

    wh_px: tuple[int, int]
    grid: Grid
    share: float


def views() -> tuple[SceneView, ...]:
    """The sizes of training images: camera aspect ratios, most often 4:3 and square.

    A third is shown with up to 112 image tokens, one in nine in tiles besides, the others with 64:
    the token cap can then be chosen without retraining, as with the real models, and tiling. Sizes
    equal to a grid's own are drawn without resizing; the others are resized the way the processor
    does, so that softened images are part of what is learned.
    """
    coarse = {
        (288, 192): 0.11,
        (384, 288): 0.08,
        VIDEO_WH_PX: 0.10,
        (256, 256): 0.11,
        (320, 192): 0.05,
        (384, 216): 0.04,
        (192, 288): 0.04,
        (192, 320): 0.02,
        (384, 160): 0.03,
        (320, 320): 0.02,
    }
    fine = {
        (384, 288): 0.12,
        VIDEO_WH_PX: 0.12,
        (320, 320): 0.05,
        (448, 224): 0.05,
        (288, 384): 0.04,
        (512, 192): 0.02,
    }
    tiled = {(1280, 720): 0.08, VIDEO_WH_PX: 0.05}
    shown = [(coarse, COARSE), (fine, BUDGET), (tiled, TILED)]
    return tuple(
        SceneView(wh, grid_for(wh, budget), share)
        for shares, budget in shown
        for wh, share in shares.items()
    )


def warehouse_vocabulary() -> Vocabulary:
    """Kinds, colours, every name of the package's scenes, and the kinds in other languages."""
    from lfmvl_warehouse.scenes import (
        ATTRIBUTES,
        COLOURS,
        KINDS,
        PLURALS,
        TRANSLATIONS,
        object_names,
    )

    names = tuple(
        tuple(
            dict.fromkeys(
                name for colour in COLOURS for name in object_names(kind, colour, attributes)
            )
        )
        for kind in KINDS
        for attributes in [tuple(ATTRIBUTES.get(kind, ()))]
    )
    return Vocabulary(tuple(KINDS), tuple(COLOURS), names, TRANSLATIONS, PLURALS)


def asked_labels(facts: Mapping[str, Any]) -> list[str]:
    """Return every label that questions of a training used, colours left out.

    Args:
        facts: of the training: ``kinds``, ``colours`` and ``languages``. Kinds of the warehouse
            have further names and attributes, and are asked for in other languages.
    """
    words, colours = warehouse_vocabulary(), set(facts["colours"])
    further = dict(zip(words.kinds, words.names, strict=True)) if colours else {}
    labels = list(facts["kinds"])
    for kind in facts["kinds"]:
        names = further.get(kind, ())
        labels += [name for name in names if not colours & set(name.split())]
        if names:
            labels += [words.languages[code][kind] for code in facts["languages"]]
    return list(dict.fromkeys(labels))


class WarehouseScenes:
    """The package's own procedural scenes: stills, and frames of its videos.

    Args:
        looks: (first, count) of the appearances of each kind that stills draw from, per camera
            angle; more than a still has by default, because a training sees each many times.
        video_frames: size of the pool of video frames (drawn when first needed, then kept);
            scenes of :data:`VIDEO_WH_PX` come from it. 0 for stills only.
        first_video_seed: of the videos; four frames are taken of each.
    """

    def __init__(
        self,
        *,
        looks: tuple[int, int] = (0, 120),
        video_frames: int = 1600,
        first_video_seed: int = _FIRST_VIDEO_SEED,
    ) -> None:
        from lfmvl_warehouse.scenes import COLOURS, KINDS, TRANSLATIONS

        self._looks = looks
        self._video_frames, self._first_video_seed = video_frames, first_video_seed
        self._video_frame = lru_cache(maxsize=video_frames)(self._draw_video_frame)
        self._kinds = {kind: index for index, kind in enumerate(KINDS)}
        self._colours = {colour: index for index, colour in enumerate(COLOURS)}
        self._translations = {
            kind: tuple(words[kind] for words in TRANSLATIONS.values()) for kind in KINDS
        }
        self.vocabulary = warehouse_vocabulary()
        self.views = views()

    def held_out(self) -> WarehouseScenes:
        """The same kinds of scenes, with videos that training has not seen."""
        return WarehouseScenes(
            looks=self._looks,
            video_frames=self._video_frames,
            first_video_seed=_FIRST_HELD_OUT_VIDEO_SEED,
        )

    def draw(
        self, rng: np.random.Generator, wh_px: tuple[int, int], max_objects: int
    ) -> LabelledImage:
        """A still with up to ``max_objects`` objects, or a video frame with as many as it has."""
        from lfmvl_warehouse.scenes import STANDARD, render_still

        if self._video_frames and wh_px == VIDEO_WH_PX:
            return self._video_frame(int(rng.integers(self._video_frames)))
        options = replace(
            STANDARD,
            objects=(0, max_objects),
            size=_SIZES,
            distractors=min(2, max_objects // 2),
            appearances=self._looks,
        )
        return self.convert(render_still(rng, wh=wh_px, options=options))

    def _draw_video_frame(self, number: int) -> LabelledImage:
        from lfmvl_warehouse.scenes import SceneVideo

        video, place = divmod(number, _FRAMES_PER_VIDEO)
        seed, index = self._first_video_seed + video, 40 + 457 * place
        return self.convert(SceneVideo(seed, wh=VIDEO_WH_PX).frame(index))

    def convert(self, rendered: RenderedScene) -> LabelledImage:
        """A rendered scene in the terms of training; what is not visible at all is left out."""
        size = np.array(rendered.wh * 2, float)
        targets = tuple(
            Target(
                names=item.names,
                kind=self._kinds[item.kind],
                colour=self._colours[item.colour],
                xyxy=np.asarray(item.visible_xyxy_px, float) / size,
                visibility=float(item.visibility),
                translations=self._translations[item.kind],
            )
            for item in rendered.objects
            if item.visibility > 0
        )
        return LabelledImage(rendered.pixels, targets)
