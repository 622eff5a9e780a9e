# SPDX-License-Identifier: Apache-2.0
"""The tool ``read``: what is written on the objects of a label."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from lfmvl_ros.core.commands.result import Done, Status, ToolProgress
from lfmvl_ros.core.commands.scene import CameraState, Scene
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.readings.reading import TrackText, text_of
from lfmvl_ros.core.readings.worker import ReadingWorker
from lfmvl_ros.core.safe_text import quoted

_CERTAIN = 0.9
_Found = tuple[dict[str, Any], TrackText | None]
_ENOUGH_READINGS = 4  # of a text that does not become certain, such as one with look-alikes


class TextRequest:
    """Texts that are read for the tool, until the end of its :meth:`steps`.

    Args:
        scene: what the cameras see.
        workers: of the cameras, by name.
        camera: whose objects are read; "" for all.
        label: of the objects, as the query spells it.

    Raises:
        UserError: nothing can be read there.
    """

    def __init__(
        self, scene: Scene, workers: Mapping[str, ReadingWorker], camera: str, label: str
    ) -> None:
        self._scene, self._camera, self._label = scene, camera, label
        self._began_s = time.monotonic()
        self._workers = {name: worker for name, worker in workers.items() if camera in ("", name)}
        self._check()
        for worker in self._workers.values():
            worker.request(label)

    def _check(self) -> None:
        for worker in self._workers.values():
            if worker.problem:
                raise UserError(worker.problem)
        for view in self._scene.views(self._camera):
            view.refuse_silence()

    def steps(
        self, timeout_s: float, check: Callable[[], object]
    ) -> Generator[ToolProgress | None, None, Done]:
        """Wait until all objects in view are read, or until the time is over.

        Args:
            timeout_s: the longest time.
            check: raises a :class:`UserError` where the node is not active any more.
        """
        try:
            while True:
                check()
                self._check()
                elapsed_s = time.monotonic() - self._began_s
                views = self._scene.views(self._camera)
                found = [item for view in views for item in self._texts_of(view)]
                if (found and all(map(_is_read, found))) or elapsed_s >= timeout_s:
                    return self._done(found, elapsed_s)
                yield self._progress(found, elapsed_s, timeout_s)
        finally:
            for worker in self._workers.values():
                worker.withdraw(self._label)

    def _progress(
        self, found: Sequence[_Found], elapsed_s: float, timeout_s: float
    ) -> ToolProgress:
        facts = {
            "label": self._label,
            "elapsed_s": round(elapsed_s, 2),
            "timeout_s": timeout_s,
            "objects": [_document(item, text) for item, text in found],
        }
        known = sum(text is not None for _, text in found)
        return ToolProgress(f"{known} of {len(found)} x {self._label} are read", facts)

    def _texts_of(self, view: CameraState) -> list[_Found]:
        worker = self._workers.get(view.camera)
        texts = {} if worker is None else worker.texts
        return [
            (item, text_of(texts, item["id"], item["label"]))
            for item in view.objects(self._label)  # also those that the last answer missed
        ]

    def _done(self, found: Sequence[_Found], elapsed_s: float) -> Done:
        facts = {
            "label": self._label,
            "elapsed_s": round(elapsed_s, 3),
            "objects": [_document(item, text) for item, text in found],
        }
        if not found:
            return Done(Status.DONE, f"no {self._label} is confirmed now", facts)
        return Done(Status.DONE, "; ".join(_in_words(item, text) for item, text in found), facts)


def _is_read(found: _Found) -> bool:
    text = found[1]
    return text is not None and (
        text.confidence >= _CERTAIN or (bool(text.text) and text.readings >= _ENOUGH_READINGS)
    )


def _document(item: dict[str, Any], text: TrackText | None) -> dict[str, Any]:
    return {**item, **({} if text is None or not text.text else text.fields())}


def _in_words(item: dict[str, Any], text: TrackText | None) -> str:
    name = f"{item['label']} {item['id']}"
    if item["camera"]:
        name += f" of {item['camera']}"
    if text is None or not text.text:
        return f"{name}: no text was read"
    return f"{name}: {quoted(text.text, 200)} ({text.confidence:.2f})"
