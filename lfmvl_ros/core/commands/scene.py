# SPDX-License-Identifier: Apache-2.0
"""What tools know about the cameras: newest tracks and answers, with the queries of these answers.

Answers are written by the model's thread; the thread of the commands reads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import normalise
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.image_words import part_of_image
from lfmvl_ros.core.parsing.labels import LabelMatcher
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.readings.reading import Texts, text_of
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracks, TrackState


@dataclass(frozen=True, eq=False)
class CameraState:
    """One camera: tracks at its newest frame, and the newest usable answer.

    Attributes:
        camera: its name.
        fresh: its newest frame came a moment ago, so ``tracks`` is up to date.
        tracks: None before the first frame.
        answer: None before the first usable one.
        places: positions of tracks by id, as JSON; those that have a recent one.
        texts: what is written on the tracks' objects, by id.
    """

    camera: str
    fresh: bool = False
    tracks: Tracks | None = None
    answer: Grounding | None = None
    places: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    texts: Texts = field(default_factory=dict)

    @property
    def whence(self) -> str:
        """Where its images come from, to follow a word in a message; "" for the only camera."""
        return f" from camera {self.camera}" if self.camera else ""

    def refuse_silence(self) -> None:
        """Raise a :class:`UserError` where no frame came a moment ago."""
        if self.tracks is None:
            raise UserError(
                f"no image has come{self.whence} yet; wait for the camera to start, or check the "
                "topic"
            )
        if not self.fresh:
            raise UserError(
                f"no more images come{self.whence}; has the camera, the recording or the demo "
                "ended?"
            )

    def objects(self, label: str) -> list[dict[str, Any]]:
        """Return the tracks of a label that were confirmed, as JSON has them.

        Args:
            label: as the query spells it.
        """
        tracks = self.tracks
        if tracks is None or not len(tracks):
            return []
        boxes = normalise(tracks.xyxy_px, tracks.wh)
        return [
            {
                "camera": self.camera,
                "id": int(tracks.ids[i]),
                "label": tracks.labels[i],
                "confidence": round(float(tracks.scores[i]), 4),
                "state": tracks.state[i].value,
                "bbox": np.round(boxes[i], 5).tolist(),
                **self._place(int(tracks.ids[i])),
                **self._text(int(tracks.ids[i]), tracks.labels[i]),
            }
            for i in tracks.established
            if tracks.labels[i] == label
        ]

    def was_asked_for(self, label: str) -> bool:
        """Return whether a label was in the query of the newest usable answer."""
        return self.answer is not None and spelt(label, self.answer.query) is not None

    def ids(self) -> list[int]:
        """Return the ids of all tracks that were confirmed, of any label."""
        tracks = self.tracks if self.fresh else None
        return [] if tracks is None else [int(tracks.ids[i]) for i in tracks.established]

    def _place(self, id_: int) -> dict[str, Any]:
        return {"place": dict(self.places[id_])} if id_ in self.places else {}

    def _text(self, id_: int, label: str) -> dict[str, Any]:
        found = text_of(self.texts, id_, label)
        return {} if found is None else found.fields()


class Scene:
    """The cameras as the tools see them.

    Args:
        cameras: their names; one empty name for a camera without one.
        stale_s: returns after how long without a frame a camera counts as silent, seconds.
        tracks: returns a camera's tracks at its newest frame and when they came (monotonic
            seconds); None where there are none.
        places: returns where a camera's tracks are at a stamp (ns), as JSON by id.
        texts: returns what is written on a camera's tracks, by id.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        stale_s: Callable[[], float],
        tracks: Callable[[str], tuple[Tracks, float] | None],
        places: Callable[[str, int], Mapping[int, Mapping[str, Any]]] = lambda _camera, _ns: {},
        texts: Callable[[str], Texts] = lambda _camera: {},
    ) -> None:
        self.cameras = tuple(cameras)
        self._stale_s, self._tracks, self._places = stale_s, tracks, places
        self._texts = texts
        self._lock = threading.Lock()
        self._answers: dict[str, Grounding] = {}

    def answered(self, answer: Answer) -> None:
        """Take an answer; unusable ones, and those about a part of the image, are ignored."""
        grounding = answer.grounding
        if grounding.outcome.is_evidence and grounding.region is None:
            with self._lock:
                self._answers[grounding.camera] = grounding

    def clear(self) -> None:
        """Forget the answers, because requests are paused."""
        with self._lock:
            self._answers.clear()

    def views(self, camera: str) -> list[CameraState]:
        """Return the views of a camera, or of all where the name is empty."""
        return [self._view(name) for name in self.cameras if camera in ("", name)]

    def _view(self, name: str) -> CameraState:
        newest = self._tracks(name)
        with self._lock:
            answer = self._answers.get(name)
        if newest is None:
            return CameraState(name, answer=answer)
        tracks, came_s = newest
        fresh = time.monotonic() - came_s <= self._stale_s()
        places = self._places(name, tracks.stamp_ns)
        return CameraState(name, fresh, tracks, answer, places, self._texts(name))


def spelt(label: str, query: Query) -> str | None:
    """Return a label as the query spells it; None where the query does not have it.

    >>> spelt("Red Crates", Query.parse("red crate, person"))
    'red crate'
    """
    known, found = LabelMatcher(query).match(label)
    return known if found else None


def certain(objects: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of :meth:`CameraState.objects` that are confirmed now, not only predicted."""
    return [item for item in objects if item["state"] == TrackState.CONFIRMED.value]


def in_words(item: Mapping[str, Any]) -> str:
    """Return where one of :meth:`CameraState.objects` is, for people."""
    place = part_of_image(item["bbox"])
    text = f"{item['label']} {item['id']} ({item['state']}), {place} of the image"
    if item["camera"]:
        text += f" of {item['camera']}"
    if "place" in item:
        x_m, y_m, z_m = item["place"]["position"]
        text += f", at {x_m:.2f}, {y_m:.2f}, {z_m:.2f} m in {item['place']['frame_id']}"
    return text
