# SPDX-License-Identifier: Apache-2.0
"""What the pipeline asks of a model. The backends in ``lfmvl_ros.models`` fulfil it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.prompt import Prompt, PromptTemplate, TextPrompt
from lfmvl_ros.core.reply import Reply


class VisionLanguageModel(Protocol):
    """A model that answers prompts about frames. One thread at a time calls it."""

    @property
    def name(self) -> str:
        """Name of the checkpoint, as published with every answer."""

    @property
    def template(self) -> PromptTemplate:
        """The checkpoint's own way of being asked."""

    @property
    def coordinates(self) -> CoordinateScale:
        """The unit of its coordinates: known, or found out from its answers."""

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
        """Answer ``prompts[i]`` about ``frames[i]``, as one batch.

        ``hints[i]``, where given, says what that answer is expected to be like. It may make the
        answer come sooner and never changes it; a model may ignore it.

        Never raises for what an image or the model's own words bring: such a reply has
        ``finish=ERROR``. Returns early, with ``finish=DEADLINE``, once ``generation.timeout_s``
        has passed or ``cancelled()`` turns true; it is asked after each
        forward pass at the latest.
        """

    def write(
        self,
        prompt: TextPrompt,
        *,
        generation: GenerationSettings,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Answer a question without an image; for tool calls.

        ``generation.grammar`` and drafts have no effect. The text keeps the markers that a family
        writes around tool calls, where the backend sees them; there are no ``tokens``. Errors,
        deadline and cancellation as in :meth:`ground`.
        """

    def image_rules(self, wanted: ImageSettings) -> ImageTokenSettings | None:
        """Return the token rules that these settings make of an image; None where nobody knows.

        Without them no latency budget can be kept.
        """

    def close(self) -> None:
        """Free the weights. The model is not used afterwards."""
