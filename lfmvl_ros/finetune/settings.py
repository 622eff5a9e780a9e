# SPDX-License-Identifier: Apache-2.0
"""The settings of a fine-tuning run and their defaults, declared once."""

from __future__ import annotations

import math
from dataclasses import dataclass

CHECKPOINTING = ("auto", "always", "never")
DTYPES = ("auto", "float32", "bfloat16")
TOWERS = ("auto", "both", "vision")

_SMALL = 50_000_000  # parameters: below, a model learns from few images only with large steps


@dataclass(frozen=True)
class FinetuneSettings:
    """One fine-tuning run.

    Attributes:
        full: train all weights instead of low-rank adapters.
        towers: which get adapters. ``vision``: the vision tower and the projector. ``both``: the
            language tower as well, and the embeddings of the names' tokens are trained. ``auto``:
            ``vision`` where the card of the start lists all names. With ``full``, all weights are
            trained, whatever it is.
        strength: how much of the trained change the result keeps, 0.01 to 1.
        rank: of the adapters, 1 to 256.
        rate: learning rate at its highest; 0 for :func:`usual_rate`.
        steps: updates; 0: ``minutes`` or ``epochs`` decides.
        minutes: time for training and evaluation; 0: ``epochs`` decides.
        epochs: how often each training image is used.
        batch: images of an update.
        questions: about each image of an update; the vision tower runs once for all of them.
        negatives: fraction of questions about absent objects only, 0.25 to 0.75.
        image_tokens: most tokens per image, without tiles; 0 for the checkpoint's rules.
        most_objects: most objects in an answer.
        judgements: number of evaluations on held-out images during training.
        held_out_questions: most questions of an evaluation.
        patience: evaluations in a row without a better score before it stops; 0 for never.
        keep_share: fraction of images from folders of old data, if there are any.
        seed: of adapters, order, crops and questions.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: of the frozen weights and the computation; trained weights are in float32.
        checkpointing: compute activations again in the backward pass: less memory, more time.
        save_every_s: how often the state is written.

    Raises:
        ValueError: a value is out of the range above.
    """

    full: bool = False
    towers: str = "auto"
    strength: float = 1.0
    rank: int = 16
    rate: float = 0.0
    steps: int = 0
    minutes: float = 0.0
    epochs: float = 10.0
    batch: int = 4
    questions: int = 3
    negatives: float = 0.3
    image_tokens: int = 0
    most_objects: int = 20
    judgements: int = 8
    held_out_questions: int = 64
    patience: int = 4
    keep_share: float = 0.2
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    checkpointing: str = "auto"
    save_every_s: float = 60.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("strength", 0.01, 1.0),
            ("rank", 1, 256),
            ("rate", 0.0, 0.1),
            ("steps", 0, 10_000_000),
            ("minutes", 0.0, 1e6),
            ("epochs", 0.001, 10_000),
            ("batch", 1, 1024),
            ("questions", 1, 16),
            ("negatives", 0.25, 0.75),
            ("image_tokens", 0, 16_384),
            ("most_objects", 1, 100),
            ("judgements", 1, 1000),
            ("held_out_questions", 4, 10_000),
            ("patience", 0, 1000),
            ("keep_share", 0.01, 0.9),
            ("seed", 0, 2**31),
            ("save_every_s", 0.0, 86_400),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{name} is from {low} to {high}, got {value}")
        for name, choices in (
            ("checkpointing", CHECKPOINTING),
            ("dtype", DTYPES),
            ("towers", TOWERS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is one of {', '.join(choices)}; got {getattr(self, name)!r}"
                )
        if self.full and self.towers == "vision":
            raise ValueError("full trains all weights; leave out full, or towers vision")


def usual_rate(parameters: int, *, full: bool) -> float:
    """Return the learning rate for a model of this many parameters.

    The small one is the publisher's for adapters of the published checkpoints. A model as small
    as the bundled one (4.6 M parameters) takes ten times as much.
    """
    rate = 2e-3 if parameters < _SMALL else 2e-4
    return rate / (2 if parameters < _SMALL else 10) if full else rate
