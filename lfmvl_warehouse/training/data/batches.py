# SPDX-License-Identifier: Apache-2.0
"""The endless stream of training batches, as a pure function of seed, rank and step.

Scenes come in chunks. A chunk draws its scenes once, asks each of them several different
questions (mirrored at random), sorts the questions by length and cuts them into batches that
share one patch grid. Nothing has to be saved for a resumed run to see the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from lfmvl_ros.core.prompt import CARD_TEMPLATE, COOKBOOK_TEMPLATE, FINE_TEMPLATE
from lfmvl_ros.datasets.augment import colour_shift
from lfmvl_ros.datasets.questions import LabelledImage, Target, ask
from lfmvl_ros.models.lfm2_vl.image_processing import resize as resample
from lfmvl_warehouse.training.data.captions import describe
from lfmvl_warehouse.training.data.examples import (
    NO_COORDINATE,
    NO_SUBJECT,
    Example,
    ExampleEncoder,
    dense_targets,
)
from lfmvl_warehouse.training.data.patch_grid import Grid
from lfmvl_warehouse.training.data.sources import SceneSource, SceneView

FORMAT_SHARE = 0.15
"""Fraction of the tokens determined by JSON that the loss counts; of the others it counts all."""

MOST_PATCHES = 5000
"""Most patches in a batch: tiled images come in smaller batches, which take as long as others."""

_TEMPLATES = (CARD_TEMPLATE, COOKBOOK_TEMPLATE, FINE_TEMPLATE)
_TEMPLATE_SHARES = (0.74, 0.12, 0.14)
_CAPTION_SHARE = 0.06


@dataclass(frozen=True)
class StreamSettings:
    """How batches are made.

    Attributes:
        seed: of everything random; the held-out scenes use other seeds.
        rank: which of the training processes this stream feeds.
        batch: images per batch.
        questions: questions about each image of a batch; the vision tower runs once for them.
        chunk: batches per chunk.
        reuse: batches of a chunk in which a scene is used, mirrored at random.
        scene_objects: most objects in a scene.
    """

    seed: int = 0
    rank: int = 0
    batch: int = 8
    questions: int = 3
    chunk: int = 24
    reuse: int = 2
    scene_objects: int = 8

    def __post_init__(self) -> None:
        for name in ("batch", "questions", "chunk", "reuse", "scene_objects"):
            if getattr(self, name) < 1:
                raise ValueError(f"StreamSettings.{name} is at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class ExampleBatch:
    """Samples that share a grid. I images, B = I * questions rows of T tokens, P patches.

    Attributes:
        grid: of all images.
        images: uint8 (I, H, W, 3) for each of the grid's sizes.
        ids: int64 (B, T) prompt and answer, padded on the right; the rows of an image together.
        next_ids: int64 (B, T) the token to predict after each position.
        counted: bool (B, T) whether the loss counts the position.
        coordinate: int64 (B, T) index of the coordinate token to predict, or NO_COORDINATE.
        subject: int64 (B, T) which object of the answer the next token is about, or NO_SUBJECT.
        source: int64 (B, T, 2) range of the prompt that the next token is copied from, end
            exclusive; zeros if it is not copied.
        answered: float32 (B, K, 4) the objects of the answers, padded with zeros.
        kinds, colours: int64 (I, P); boxes: float32 (I, P, 4), within the crop of the patch.
        wholes: float32 (I, P, 4), the boxes within the whole image.
        expected: mean number of counted positions in a batch of this chunk.
    """

    grid: Grid
    images: tuple[Tensor, ...]
    ids: Tensor
    next_ids: Tensor
    counted: Tensor
    coordinate: Tensor
    subject: Tensor
    source: Tensor
    answered: Tensor
    kinds: Tensor
    colours: Tensor
    boxes: Tensor
    wholes: Tensor
    expected: float

    def to(self, device: torch.device) -> ExampleBatch:
        """The same batch on a device."""
        if device.type == "cpu":
            return self
        moved: dict[str, Any] = {
            field.name: value.to(device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        images = tuple(pixels.to(device) for pixels in self.images)
        return replace(self, images=images, **moved)


@dataclass(frozen=True)
class _Sample:
    images: tuple[NDArray[Any], ...]
    targets: list[Target]
    examples: list[Example]
    counted: list[NDArray[Any]]

    @property
    def length(self) -> int:
        """Tokens of the longest row."""
        return max(len(example) for example in self.examples)


def images_of(pixels: NDArray[Any], grid: Grid) -> tuple[NDArray[Any], ...]:
    """Resize uint8 (H, W, 3) to the grid's sizes with the processor's own resampling."""
    return tuple(_resize(pixels, *wh) for wh in grid.sizes_px)


def _resize(pixels: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
    return resample(image, height, width).permute(1, 2, 0).numpy()


class BatchStream:
    """Chunks of batches from a scene source."""

    def __init__(
        self,
        source: SceneSource,
        tokenizer: PreTrainedTokenizerFast,
        views: tuple[SceneView, ...],
        settings: StreamSettings,
    ) -> None:
        self._source, self.views, self.settings = source, views, settings
        self._encoder = ExampleEncoder(tokenizer)

    def chunk(self, index: int, *, max_objects: int = 8) -> list[ExampleBatch]:
        """All batches of chunk ``index``; the grids are the same for every rank."""
        shared = np.random.default_rng([self.settings.seed, 1, index])
        own = np.random.default_rng([self.settings.seed, 2, self.settings.rank, index])
        shares = np.array([view.share for view in self.views])
        picks = shared.choice(len(shares), size=self.settings.chunk, p=shares / shares.sum())
        by_grid: dict[Grid, list[SceneView]] = {}
        for pick in sorted(picks):
            view = self.views[pick]
            by_grid.setdefault(view.grid, []).append(view)
        groups: list[tuple[Grid, list[_Sample]]] = []
        for grid, chosen in by_grid.items():
            samples = self._samples(own, grid, chosen, max_objects)
            samples.sort(key=lambda sample: sample.length)
            size = self._batch_of(grid)
            groups += [(grid, samples[i : i + size]) for i in range(0, len(samples), size)]
        expected = _expected(groups)
        order = shared.permutation(len(groups))
        return [
            _collate(*groups[place], expected=expected[groups[place][0].tiled]) for place in order
        ]

    def _batch_of(self, grid: Grid) -> int:
        """Images in a batch: fewer where each takes many patches."""
        return max(1, min(self.settings.batch, MOST_PATCHES // grid.patches))

    def _samples(
        self, rng: np.random.Generator, grid: Grid, chosen: list[SceneView], max_objects: int
    ) -> list[_Sample]:
        needed = len(chosen) * self._batch_of(grid)
        reuse = 1 if grid.tiled else self.settings.reuse  # small batches of different scenes
        scenes: list[tuple[LabelledImage, tuple[NDArray[Any], ...]]] = []
        for place in range(-(-needed // reuse)):
            view = chosen[place % len(chosen)]
            scene = self._source.draw(rng, view.wh_px, self.settings.scene_objects)
            scenes.append((scene, images_of(scene.pixels, grid)))
        return [
            self._sample(rng, *scenes[place % len(scenes)], grid, max_objects)
            for place in range(needed)
        ]

    def _sample(
        self,
        rng: np.random.Generator,
        scene: LabelledImage,
        images: tuple[NDArray[Any], ...],
        grid: Grid,
        max_objects: int,
    ) -> _Sample:
        targets = list(scene.targets)
        if rng.random() < 0.5 and scene.may_mirror:
            images = tuple(pixels[:, ::-1] for pixels in images)
            targets = [target.mirrored() for target in targets]
        examples, counted = [], []
        words = scene.words or self._source.vocabulary
        for _ in range(self.settings.questions):
            if words.plurals and rng.random() < _CAPTION_SHARE:
                examples.append(self._encoder.caption(describe(targets, words.plurals), grid))
            else:
                question = ask(rng, targets, words, max_objects=max_objects)
                template = _TEMPLATES[int(rng.choice(len(_TEMPLATES), p=_TEMPLATE_SHARES))]
                examples.append(self._encoder.example(question, template, grid))
            decides = examples[-1].decides
            counted.append(decides | (rng.random(len(decides)) < FORMAT_SHARE))
        if scene.words is not None:
            kind_of = self._source.vocabulary.kind_of
            targets = [replace(target, kind=kind_of(target.names[0])) for target in targets]
        return _Sample(colour_shift(rng, images), targets, examples, counted)


def _expected(groups: Sequence[tuple[Grid, list[_Sample]]]) -> dict[bool, float]:
    """Mean number of counted places in a batch without and with tiles; each weighs the same."""
    counts: dict[bool, list[int]] = {False: [], True: []}
    for grid, samples in groups:
        counts[grid.tiled].append(sum(int(c.sum()) for s in samples for c in s.counted))
    return {tiled: float(np.mean(found or [1])) for tiled, found in counts.items()}


def _collate(grid: Grid, samples: list[_Sample], *, expected: float) -> ExampleBatch:
    rows = [pair for s in samples for pair in zip(s.examples, s.counted, strict=True)]
    shape = (len(rows), max(sample.length for sample in samples))
    ids, next_ids = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    counted, coordinate = np.zeros(shape, bool), np.full(shape, NO_COORDINATE, np.int64)
    subject = np.full(shape, NO_SUBJECT, np.int64)
    source = np.zeros((*shape, 2), np.int64)
    most = max(1, *(len(example.boxes) for example, _ in rows))
    answered = np.zeros((len(rows), most, 4), np.float32)
    for row, (example, counts) in enumerate(rows):
        start, stop = len(example.prompt), len(example)
        ids[row, :start], ids[row, start:stop] = example.prompt, example.answer
        places = slice(start - 1, stop - 1)  # the place before a token predicts it
        next_ids[row, places], coordinate[row, places] = example.answer, example.coordinate
        counted[row, places], subject[row, places] = counts, example.subject
        source[row, places] = example.source
        answered[row, : len(example.boxes)] = example.boxes
    dense = [dense_targets(sample.targets, grid) for sample in samples]
    images = zip(*(sample.images for sample in samples), strict=True)
    dense_names = ("kinds", "colours", "boxes", "wholes")
    arrays = {
        "ids": ids,
        "next_ids": next_ids,
        "counted": counted,
        "coordinate": coordinate,
        "subject": subject,
        "source": source,
        "answered": answered,
        **{name: np.stack(parts) for name, *parts in zip(dense_names, *dense, strict=True)},
    }
    tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
    by_size = tuple(torch.from_numpy(np.stack(size)) for size in images)
    return ExampleBatch(grid=grid, images=by_size, expected=expected, **tensors)
