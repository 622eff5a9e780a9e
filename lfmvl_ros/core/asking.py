# SPDX-License-Identifier: Apache-2.0
"""One call of the model: what it is asked about a batch of frames, and what comes back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lfmvl_ros.core.answer_text import Hint
from lfmvl_ros.core.config import ImageSettings, PerceptionSettings
from lfmvl_ros.core.lane import Job
from lfmvl_ros.core.latency_budget import Choice
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.prompt import TEMPLATES, Prompt, PromptTemplate
from lfmvl_ros.core.reply import Reply

_log = logging.getLogger(__name__)


def template_for(settings: PerceptionSettings, model: VisionLanguageModel) -> PromptTemplate:
    """Return the prompt template the settings ask for: the model's own, or a published one."""
    return TEMPLATES.get(settings.prompt_template, model.template)


@dataclass(frozen=True, eq=False)
class Request:
    """What the model is asked; settings that change meanwhile count from the next one on.

    Attributes:
        model: who is asked.
        settings: in force when it was put together.
        jobs: the frames, one a camera.
        prompt: the words, the same for all of them.
        hints: what each answer will probably say, where that is known.
        image: what each picture may cost.
        choice: the latency budget's part in that; None where there is none.
    """

    model: VisionLanguageModel
    settings: PerceptionSettings
    jobs: Sequence[Job]
    prompt: Prompt
    hints: Sequence[Hint | None]
    image: ImageSettings
    choice: Choice | None = None

    def ask(self, cancelled: Callable[[], bool]) -> Sequence[Reply]:
        """Call the model and return one reply a job, whatever happens.

        The replies of a batch have the stage times of the whole batch.
        """
        frames = [job.frame for job in self.jobs]
        try:
            replies = self.model.ground(
                frames,
                [self.prompt] * len(frames),
                generation=self.settings.generation,
                image=self.image,
                cancelled=cancelled,
                hints=self.hints,
            )
            if len(replies) != len(frames):
                raise RuntimeError(f"{len(replies)} replies to {len(frames)} frames")
        except BaseException as error:  # a backend's defect must not take the node down
            _log.exception("the model failed")
            return [Reply.failed_by(error, self.model.name)] * len(frames)
        return replies
