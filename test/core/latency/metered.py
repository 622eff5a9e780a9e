# SPDX-License-Identifier: Apache-2.0
"""A model whose time follows from what it is asked with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_tokens import ImageTokenSettings, count_image_tokens
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.prompt import CARD_TEMPLATE, Prompt, PromptTemplate
from lfmvl_ros.core.reply import Reply, StageTimes, Token

OWN = ImageTokenSettings(min_tokens=32, split=False)


class MeteredModel:
    """Says that it took a millisecond for each image token, and nothing is waited for."""

    name = "metered"
    template: PromptTemplate = CARD_TEMPLATE

    def __init__(self, own: ImageTokenSettings | None = OWN) -> None:
        self.coordinates = CoordinateScale()
        self.own = own
        self.asked: list[ImageSettings] = []
        self.batches: list[int] = []
        self.slower = 1.0

    def image_rules(self, wanted: ImageSettings) -> ImageTokenSettings | None:
        if self.own is None:
            return None
        return ImageTokenSettings(
            min_tokens=wanted.min_tokens or self.own.min_tokens,
            max_tokens=wanted.max_tokens or self.own.max_tokens,
            split=wanted.split == "always",
        )

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
        self.asked.append(image)
        self.batches.append(len(frames))
        rules = self.image_rules(image) or OWN
        tokens = [count_image_tokens(frame.wh, rules).tokens for frame in frames]
        times = StageTimes(0.0, 0.0007 * sum(tokens) * self.slower, 0.0003 * sum(tokens), 0.02)
        return [
            Reply("[]", (Token(1, "[]", 0.0),), times=times, image_tokens=count, forwards=2)
            for count in tokens
        ]

    def close(self) -> None:
        pass
