# SPDX-License-Identifier: Apache-2.0
"""The answers that the tool ``find`` requests, camera by camera, and what they contained."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from lfmvl_ros.core.commands.result import Done, Status, ToolProgress
from lfmvl_ros.core.commands.scene import Scene
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.report import Answer


class Search:
    """Answers that ``find`` requests, and what they contained."""

    def __init__(self, scene: Scene, camera: str) -> None:
        self._scene, self._camera = scene, camera
        self._requests: dict[str, Future[Answer]] = {}
        self._usable = self._answers = 0
        self._problem = ""

    def ask(self, pipeline: Pipeline) -> None:
        """Request answers about the newest frames in any trigger mode; count those that came."""
        for view in self._scene.views(self._camera):
            name = view.camera
            request = self._requests.get(name)
            if request is not None and not request.done():
                continue
            if request is not None:
                self._count(request)
            try:
                self._requests[name] = pipeline.request_answer(name)
            except UserError as error:  # no frame yet: it may still come
                self._problem = str(error)
                self._requests.pop(name, None)

    def _count(self, request: Future[Answer]) -> None:
        if request.cancelled() or request.exception() is not None:
            return
        self._answers += 1
        grounding = request.result().grounding
        if grounding.outcome.is_evidence:
            self._usable += 1
        else:
            self._problem = grounding.reply.error or f"answers are {grounding.outcome.value}"

    def objects(self, label: str, requested: str) -> list[dict[str, Any]]:
        """Return the objects of a label where an answer has been asked for it."""
        views = [view for view in self._scene.views(self._camera) if view.was_asked_for(requested)]
        return [item for view in views if view.fresh for item in view.objects(label)]

    def progress(self, label: str, elapsed_s: float, timeout_s: float) -> ToolProgress:
        """Return how far the search is."""
        facts = {
            "label": label,
            "elapsed_s": round(elapsed_s, 2),
            "timeout_s": timeout_s,
            "answer_count": self._answers,
        }
        return ToolProgress(f"looking for {label}: {self._answers} answers", facts)

    def nothing(self, label: str, elapsed_s: float) -> Done:
        """Return the end of a search that found nothing; one that saw nothing is a failure."""
        for name in [name for name, request in self._requests.items() if request.done()]:
            self._count(self._requests.pop(name))  # answered since the last look
        facts = {
            "found": False,
            "label": label,
            "elapsed_s": round(elapsed_s, 3),
            "answer_count": self._answers,
            "objects": [],
        }
        if not self._usable:
            why = self._problem or "no answer came in time"
            return Done(Status.FAILED, f"nothing is known of {label}: {why}", facts)
        text = f"no {label} was confirmed within {elapsed_s:.1f} s, in {self._usable} answers"
        return Done(Status.DONE, text, facts)

    def close(self) -> None:
        """Stop waiting for answers."""
        for request in self._requests.values():
            request.cancel()
