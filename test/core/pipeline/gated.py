# SPDX-License-Identifier: Apache-2.0
"""A pipeline with a model whose answers the test releases one by one."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from lfmvl_ros.core.config import GenerationSettings, ImageSettings, PerceptionSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.prompt import CARD_TEMPLATE, Prompt, PromptTemplate
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.core.report import Answer

from ...waiting import PATIENCE_S

Model = TypeVar("Model", bound=VisionLanguageModel)

MS = 1_000_000
BOX = json.dumps([{"label": "tote", "bbox": [0.25, 0.25, 0.50, 0.75]}])


class GatedModel:
    """Answers when the test says so, with the text it says; notes what it was asked."""

    name = "gated"
    template: PromptTemplate = CARD_TEMPLATE

    def __init__(self) -> None:
        self.coordinates = CoordinateScale()
        self.asked: queue.Queue[tuple[Frame, Prompt]] = queue.Queue()
        self.replies: queue.Queue[Reply | Exception] = queue.Queue()
        self.cancelled = threading.Event()
        self.hints: list[Hint | None] = []
        self.batches: list[list[str]] = []
        self.closed = threading.Event()

    def ground(
        self,
        frames: Sequence[Frame],
        prompts: Sequence[Prompt],
        *,
        generation: GenerationSettings,
        image: ImageSettings,
        cancelled: Callable[[], bool] = lambda: False,
        hints: Sequence[Hint | None] = (),
    ) -> list[Reply]:
        self.hints += hints
        self.batches.append([frame.camera for frame in frames])
        for frame, prompt in zip(frames, prompts, strict=True):
            self.asked.put((frame, prompt))
        while not cancelled():
            try:
                reply = self.replies.get(timeout=0.01)
            except queue.Empty:
                continue
            if isinstance(reply, Exception):
                raise reply
            return [reply] * len(frames)
        self.cancelled.set()
        return [Reply("", finish=FinishReason.DEADLINE)] * len(frames)

    def close(self) -> None:
        self.closed.set()


class Bench(Generic[Model]):
    """A running pipeline and its model, with the answers it published."""

    def __init__(self, model: Model, **changes: object) -> None:
        self.model = model
        self.answers: queue.Queue[Answer] = queue.Queue()
        named = {name.replace("__", "."): value for name, value in changes.items()}
        settings = PerceptionSettings().updated({"query": "tote", **named})
        self.pipeline = Pipeline(self.model, settings, self.answers.put)
        self.pipeline.start()

    def stop(self) -> bool:
        """Stop the pipeline, however long that takes; False if its model does not return."""
        return self.pipeline.stop(PATIENCE_S)

    def next_answer(self) -> Answer:
        return self.answers.get(timeout=PATIENCE_S)


class GatedBench(Bench[GatedModel]):
    """With a model that answers when the test says so."""

    def __init__(self, **changes: object) -> None:
        super().__init__(GatedModel(), **changes)

    def asked(self) -> tuple[Frame, Prompt]:
        return self.model.asked.get(timeout=PATIENCE_S)

    def answer(self, text: str = BOX) -> Answer:
        self.model.replies.put(Reply(text))
        return self.next_answer()


def frame(stamp_ms: int, camera: str = "") -> Frame:
    return Frame(np.zeros((48, 64, 3), np.uint8), stamp_ms * MS, "lens", camera)
