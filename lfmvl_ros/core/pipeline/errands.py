# SPDX-License-Identifier: Apache-2.0
"""Requests to the model that are not about finding objects: a sentence to parse, a caption.

The worker that owns the model takes one between answers about camera frames: one errand, then an
answer for each camera that waits, then the next errand.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from lfmvl_ros.core.config import GenerationSettings, PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.interrupts import ends_the_process
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.reply import FinishReason, Reply

MOST_WAITING = 16
_log = logging.getLogger(__name__)

Ask = Callable[[VisionLanguageModel, PerceptionSettings, Callable[[], bool]], Reply]
"""Calls the model with the current settings; the third argument returns whether to give up."""


def free_generation(settings: PerceptionSettings) -> GenerationSettings:
    """Return how to generate texts that are not about boxes: without a grammar, and no drafts."""
    return replace(settings.generation, grammar="none", draft="none")


@dataclass(frozen=True, eq=False)
class Errand:
    """One such request, and the future of its reply."""

    ask: Ask
    future: Future[Reply]

    def run(
        self,
        model: VisionLanguageModel,
        settings: PerceptionSettings,
        stopping: Callable[[], bool],
    ) -> Reply:
        """Return the model's reply; an exception becomes a reply with an error."""
        try:
            return self.ask(model, settings, lambda: stopping() or self.future.cancelled())
        except BaseException as error:  # a backend's defect must not take the node down
            if ends_the_process(error):
                raise
            _log.exception("the model failed")
            return Reply.failed_by(error, model.name)

    def settle(self, reply: Reply) -> None:
        """Fulfil the future with the reply; to be called once."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(reply)

    def give_up(self, after_s: float) -> None:
        """Fulfil the future with a timeout, after ``after_s`` seconds without an answer."""
        _log.error("a model call has not returned after %.1f s", after_s)
        self.settle(Reply("", finish=FinishReason.DEADLINE))


class Errands:
    """The waiting errands, oldest first; guarded by the lock of the pipeline."""

    def __init__(self) -> None:
        self._waiting: deque[Errand] = deque()

    def add(self, ask: Ask) -> Future[Reply]:
        """Add an errand to the queue.

        Raises:
            UserError: too many wait.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise UserError(f"{MOST_WAITING} questions wait for the model; ask again later")
        errand = Errand(ask, Future())
        self._waiting.append(errand)
        return errand.future

    def take(self) -> Errand | None:
        """Return the oldest that was not cancelled."""
        while self._waiting:
            errand = self._waiting.popleft()
            if not errand.future.cancelled():
                return errand
        return None

    def refuse(self, reason: str) -> None:
        """Fail all waiting errands."""
        while (errand := self.take()) is not None:
            if errand.future.set_running_or_notify_cancel():
                errand.future.set_exception(UserError(reason))
