# SPDX-License-Identifier: Apache-2.0
"""What ``image.target_latency_ms`` would choose on this machine: tried on rendered images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.latency.budget import Because, Choice
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.registry import SAMPLE_IMAGES, load

_SETTLED, _FEWEST, _MOST = 6, 10, 40  # answers
_SIDES_PX = (64, 4096)  # that scenes can be drawn with
_RATE_HZ = 4.0


@dataclass(frozen=True)
class Tried:
    """Result of the trial.

    Attributes:
        choice: the last one.
        answers: how many were asked for.
        answer_ms: what the last answers took, those with this choice.
    """

    choice: Choice
    answers: int
    answer_ms: tuple[float, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of one image size."""
        p50, p80 = (round(float(np.percentile(self.answer_ms, q)), 1) for q in (50, 80))
        measured = {"answers": self.answers, "measured_ms": {"p50": p50, "p80": p80}}
        return {**self.choice.to_dict(), **measured}

    def remark(self) -> str:
        """Return a line for a person."""
        half, most = np.percentile(self.answer_ms, (50, 80))
        text = (
            f"  tried here on {self.answers} rendered images: half of the answers took up to "
            f"{half:.0f} ms, four in five up to {most:.0f}"
        )
        if self.choice.because is Because.CHEAPEST:
            text += f"; nothing is cheap enough for {self.choice.target_s * 1e3:g} ms"
        return text


def try_target(
    model: VisionLanguageModel, settings: PerceptionSettings, wh: tuple[int, int]
) -> Tried:
    """Ask about a rendered video until the choice no longer changes.

    Args:
        model: as loaded.
        settings: with query and target; the limits of what may be chosen.
        wh: (width, height) of the images.

    Raises:
        UserError: no images of this size can be drawn, or the model fails.
    """
    if not all(_SIDES_PX[0] <= side <= _SIDES_PX[1] for side in wh):
        raise UserError(
            f"a target is tried on rendered images, with sides of {_SIDES_PX[0]} to {_SIDES_PX[1]} "
            f"px, not {wh[0]}x{wh[1]}"
        )
    choices, answer_ms = _answers(Pipeline(model, settings), wh)
    last = choices[-1]
    steady = 0
    while steady < len(choices) and choices[-1 - steady].rung == last.rung:
        steady += 1
    return Tried(last, len(choices), tuple(answer_ms[-steady:]))


def _answers(pipeline: Pipeline, wh: tuple[int, int]) -> tuple[list[Choice], list[float]]:
    """Return what the budget chose for each answer, and how many ms the answer took."""
    image = load(SAMPLE_IMAGES, "scene")(5, wh, _RATE_HZ)
    choices: list[Choice] = []
    answer_ms: list[float] = []
    pipeline.enabled = False  # it answers requests only
    pipeline.start()
    try:
        for index in tqdm(range(_MOST), desc=f"trying {wh[0]}x{wh[1]}", unit="answer", leave=False):
            pipeline.submit(Frame(image(index), round((index + 1) * 1e9 / _RATE_HZ)))
            grounding = pipeline.request_answer().result().grounding
            if grounding.budget is None:
                raise UserError(
                    "this model does not report how many tokens an image takes, so a latency "
                    "target can't be met"
                )
            if grounding.reply.error:
                raise UserError(f"the model fails: {grounding.reply.error}")
            choices.append(grounding.budget)
            answer_ms.append(grounding.reply.times.total_s * 1e3)
            same = {choice.rung.tokens for choice in choices[-_SETTLED:]}
            if len(choices) >= _FEWEST and len(same) == 1:
                break
    finally:
        pipeline.stop()
    return choices, answer_ms
