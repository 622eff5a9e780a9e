# SPDX-License-Identifier: Apache-2.0
"""Settings of a training of the sentence model.

Without torch, so that a command checks them before it imports that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

LAYERS = "ca"
"""Kinds of blocks: short convolution, attention."""


@dataclass(frozen=True)
class SentenceShape:
    """Sizes of the model.

    Attributes:
        width: channels, a multiple of 64.
        layers: its blocks, one of ``c`` (short convolution) or ``a`` (attention) each.
        ff: inner width of its feed-forward blocks.
        vocabulary: number of tokens.
    """

    width: int = 192
    layers: str = "cacaca"
    ff: int = 512
    vocabulary: int = 4096

    def __post_init__(self) -> None:
        if self.width % 64 or not 64 <= self.width <= 4096:
            raise ValueError(f"width is a multiple of 64 from 64 to 4096, got {self.width}")
        if not self.layers or set(self.layers) - set(LAYERS):
            raise ValueError(f"layers is a word of c and a, got {self.layers!r}")
        if not 0 < self.ff <= 16384 or not 512 <= self.vocabulary <= 65536:
            raise ValueError(f"ff or vocabulary is out of range: {self.ff}, {self.vocabulary}")


@dataclass(frozen=True)
class SentenceTraining:
    """One training run.

    Attributes:
        out: run directory.
        minutes: training time; the learning rate follows it. Ignored where ``steps`` is given.
        steps: number of updates instead.
        seed: of weights and sentences.
        batch: sentences in an update.
        shape: sizes of the model.
        tokenizer_sentences: from how many sentences the tokenizer is learned.
        start: checkpoint directory whose weights, shape and tokenizer the run begins with; None:
            random weights, and a tokenizer of its own.
    """

    out: Path
    minutes: float = 75.0
    steps: int | None = None
    seed: int = 0
    batch: int = 96
    shape: SentenceShape = field(default_factory=SentenceShape)
    tokenizer_sentences: int = 60_000
    start: Path | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps is at least 1, got {self.steps}")
        if not self.minutes > 0:
            raise ValueError(f"minutes is above 0, got {self.minutes:g}")
        if self.batch < 1:
            raise ValueError(f"batch is at least 1, got {self.batch}")
