# SPDX-License-Identifier: Apache-2.0
"""Ask a model about images: the one way to do it, for pipeline, commands and Python users."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.config import ImageSettings, PerceptionSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.interrupts import ends_the_process
from lfmvl_ros.core.latency.budget import Choice, LatencyBudget
from lfmvl_ros.core.latency.budgeting import asked_together, choose_for
from lfmvl_ros.core.model import VisionLanguageModel, revision_of
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import TEMPLATES, Prompt, PromptTemplate
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply

_log = logging.getLogger(__name__)


def ask(
    model: VisionLanguageModel,
    images: Sequence[Frame | NDArray[np.uint8]],
    query: Query | str,
    settings: PerceptionSettings | None = None,
) -> list[Grounding]:
    """Ask what of ``query`` is in each image, in one call of the model.

    Args:
        model: from :func:`lfmvl_ros.load_model`.
        images: frames, or RGB pixels ``(H, W, 3)`` uint8. At most a few: they are answered as one
            batch.
        query: what to find; text is split at commas.
        settings: how to generate and parse; its ``query`` and ``model`` are not used.

    Returns:
        One grounding per image. A model that fails does not raise: see ``Grounding.outcome``.

    Raises:
        UserError: the query can't be used.
        ValueError: an image has another shape or type.
    """
    frames = [image if isinstance(image, Frame) else Frame(image, 0) for image in images]
    if not frames:
        return []
    asked = Query.parse(query) if isinstance(query, str) else query
    request = Request.prepare(model, settings or PerceptionSettings(), asked, frames)
    return [request.grounding(*pair) for pair in zip(frames, request.replies(), strict=True)]


def template_for(settings: PerceptionSettings, model: VisionLanguageModel) -> PromptTemplate:
    """Return the prompt template the settings ask for: the model's own, or a published one."""
    chosen = TEMPLATES.get(settings.prompt_template)
    return model.template if chosen is None else chosen.on_scale_of(model.template)


@dataclass(frozen=True, eq=False)
class Request:
    """One call of the model. Settings that change meanwhile count from the next one on.

    Attributes:
        model: the model to call.
        settings: in force when the request was prepared.
        frames: one per camera.
        prompt: the text, the same for all frames.
        hints: the expected answer for each frame, where there is one.
        image: how many image tokens each frame may take.
        choice: what the latency budget chose; None without a budget.
    """

    model: VisionLanguageModel
    settings: PerceptionSettings
    frames: Sequence[Frame]
    prompt: Prompt
    hints: Sequence[Hint | None]
    image: ImageSettings
    choice: Choice | None = None

    @classmethod
    def prepare(
        cls,
        model: VisionLanguageModel,
        settings: PerceptionSettings,
        query: Query,
        frames: Sequence[Frame],
        *,
        hints: Sequence[Hint | None] = (),
        budget: LatencyBudget | None = None,
    ) -> Request:
        """Render the prompt and decide how many image tokens each frame may take.

        Args:
            model: to be called.
            settings: how.
            query: what to find.
            frames: at least one.
            hints: one per frame; empty: nothing is expected.
            budget: chooses the image tokens where ``settings.image.target_latency_ms`` is set.

        Raises:
            UserError: the query can't be used.
        """
        prompt = template_for(settings, model).render(query)
        image, choice = settings.image, None
        if budget is not None:
            image, choice = choose_for(budget, model, settings, frames, prompt)
        return cls(model, settings, frames, prompt, hints, image, choice)

    def replies(self, cancelled: Callable[[], bool] = lambda: False) -> Sequence[Reply]:
        """Call the model and return one reply per frame, whatever happens.

        The replies of a batch have the stage times of the whole batch.
        """
        try:
            replies = self.model.ground(
                self.frames,
                [self.prompt] * len(self.frames),
                generation=self.settings.generation,
                image=self.image,
                cancelled=cancelled,
                hints=self.hints,
            )
            if len(replies) != len(self.frames):
                raise RuntimeError(f"{len(replies)} replies to {len(self.frames)} frames")
        except BaseException as error:  # a backend's defect must not take the node down
            if ends_the_process(error):
                raise
            _log.exception("the model failed")
            return [Reply.failed_by(error, self.model.name)] * len(self.frames)
        return replies

    def grounding(self, frame: Frame, reply: Reply) -> Grounding:
        """Parse a reply to one of the frames."""
        parsing = self.settings.parsing
        grounding = parse_reply(
            reply,
            frame=frame,
            prompt=self.prompt,
            settings=parsing,
            coordinates=self.model.coordinates,
        )
        return replace(grounding, budget=self.choice, revision=revision_of(self.model))

    def teach(self, budget: LatencyBudget, replies: Sequence[Reply]) -> None:
        """Let the budget learn from the time that the replies took, about whole images only."""
        if self.choice is not None and all(frame.region is None for frame in self.frames):
            budget.learn(asked_together(self.frames), self.choice, replies)
