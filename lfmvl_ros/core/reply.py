# SPDX-License-Identifier: Apache-2.0
"""The answer as the model generated it, before parsing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from lfmvl_ros.core.calibration.calibration import Calibration
from lfmvl_ros.core.errors import describe


class FinishReason(str, Enum):
    """Why an answer ended.

    ``REPETITION``: it was stopped because it repeated itself.
    """

    STOP = "stop"
    LENGTH = "length"
    REPETITION = "repetition"
    DEADLINE = "deadline"
    ERROR = "error"


@dataclass(frozen=True)
class Token:
    """One generated token: id, the text it adds, and its natural log-probability (<= 0)."""

    id: int
    text: str
    logprob: float

    def __post_init__(self) -> None:
        if not self.logprob <= 1e-3:
            raise ValueError(f"a log-probability is <= 0, got {self.logprob} for {self.text!r}")


@dataclass(frozen=True)
class StageTimes:
    """The time of one answer by stage, in seconds."""

    preprocess_s: float = 0.0
    vision_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("preprocess_s", "vision_s", "prefill_s", "decode_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"StageTimes.{name} must be finite and >= 0, got {value}")

    @property
    def total_s(self) -> float:
        """All stages together, seconds."""
        return self.preprocess_s + self.vision_s + self.prefill_s + self.decode_s


@dataclass(frozen=True)
class Reply:
    """One answer as the model generated it.

    Attributes:
        text: the whole answer, special tokens removed.
        tokens: generated tokens, whose texts joined give ``text``; empty where unknown.
        finish: why it ended; ``ERROR`` goes with ``error``.
        times: seconds by stage.
        image_tokens: tokens of the image, special ones not counted; 0 when unknown.
        model: name or path of the checkpoint that answered.
        error: one sentence when the backend failed, else None.
        forwards: forward passes of the language model for this answer, including that of the
            prompt; 0 when unknown. Fewer than tokens where a draft was right.
        calibration: of this checkpoint's confidences, if it has one.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    finish: FinishReason = FinishReason.STOP
    times: StageTimes = field(default_factory=StageTimes)
    image_tokens: int = 0
    model: str = ""
    error: str | None = None
    forwards: int = 0
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if (self.finish is FinishReason.ERROR) != (self.error is not None):
            raise ValueError("Reply.error goes with finish=ERROR, and only with it")

    @classmethod
    def failed(cls, error: str, model: str = "") -> Reply:
        """Return the reply of a backend that could not answer."""
        return cls("", finish=FinishReason.ERROR, model=model, error=error)

    @classmethod
    def failed_by(cls, error: BaseException, model: str = "") -> Reply:
        """Return the reply of a backend that raised ``error``.

        >>> Reply.failed_by(RuntimeError("no device")).error
        'RuntimeError: no device'
        """
        if isinstance(error, MemoryError):
            return cls.failed("out of memory; lower image.max_tokens or image.max_tiles", model)
        return cls.failed(describe(error), model)
