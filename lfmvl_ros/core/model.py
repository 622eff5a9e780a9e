# SPDX-License-Identifier: Apache-2.0
"""The interface of a model; the backends in ``lfmvl_ros.models`` implement it."""

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


def check_pairs(frames: Sequence[Frame], prompts: Sequence[Prompt]) -> None:
    """Raise ValueError unless there is a prompt for each frame of a batch."""
    if len(frames) != len(prompts):
        raise ValueError(f"as many prompts as frames, got {len(prompts)} and {len(frames)}")


class VisionLanguageModel(Protocol):
    """A model that answers prompts about frames. Called by one thread at a time."""

    @property
    def name(self) -> str:
        """Name of the checkpoint, as published with every answer."""

    @property
    def template(self) -> PromptTemplate:
        """The checkpoint's own prompt template."""

    @property
    def coordinates(self) -> CoordinateScale:
        """The unit of its coordinates: known, or recognised from its answers."""

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

        ``hints[i]``, where given, is the expected answer. It may make the answer faster and never
        changes it; a model may ignore it.

        Does not raise because of an image or of what the model generated: such a reply has
        ``finish=ERROR``. Returns early, with ``finish=DEADLINE``, when ``generation.timeout_s`` has
        passed or ``cancelled()`` returns True, which is checked at least after each forward pass.
        """

    def write(
        self,
        prompt: TextPrompt,
        *,
        generation: GenerationSettings,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Answer a question without an image; for tool calls.

        ``generation.grammar`` and drafts have no effect; a model that runs in this process keeps to
        ``prompt.form`` where xgrammar is installed. The text keeps the markers that a family
        writes around tool calls, where the backend sees them; there are no ``tokens``. Errors,
        deadline and cancellation as in :meth:`ground`.
        """

    def image_rules(self, wanted: ImageSettings) -> ImageTokenSettings | None:
        """Return the image token rules with these settings applied; None if they are unknown.

        The latency budget needs them.
        """

    def close(self) -> None:
        """Free the weights. The model is not used afterwards."""


def revision_of(model: VisionLanguageModel) -> str:
    """Return the commit of a model's checkpoint on its hub; "" where it comes from none."""
    return str(getattr(model, "revision", ""))


def precision_of(model: VisionLanguageModel) -> str:
    """Return the precision of the weights that answer, such as ``int8`` or ``bfloat16``.

    It can differ from the one asked for: without exact int8 products a checkpoint runs in float.

    Returns:
        "" where the model does not say: a server, a GGUF file, a recording.
    """
    return str(getattr(model, "precision", ""))
