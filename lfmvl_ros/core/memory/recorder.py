# SPDX-License-Identifier: Apache-2.0
"""Records periodically where the objects of one camera are."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lfmvl_ros.core.boxes import normalise
from lfmvl_ros.core.config_memory import MemorySettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.memory.sighting import Sighting
from lfmvl_ros.core.memory.store import MemoryStore
from lfmvl_ros.core.review import crop
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.core.user_files import user_path

_log = logging.getLogger(__name__)
RUN = secrets.token_hex(4)
"""Random id of this process, because track ids start again in each process."""
Places = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class _Noted:
    frame: Frame
    tracks: Tracks
    places: Places
    unix_s: float


class MemoryRecorder:
    """Stores confirmed objects, in a thread of its own that runs from creation to ``close``.

    Args:
        settings: whose ``file`` is not empty.
        on_warning: called once with a sentence, if nothing can be written.

    Raises:
        UserError: the file can't be used.
    """

    def __init__(self, settings: MemorySettings, on_warning: Callable[[str], None]) -> None:
        self._settings, self._on_warning = settings, on_warning
        self._store = MemoryStore(user_path(settings.file, "memory.file"))
        self._waiting: _Noted | None = None
        self._changed = threading.Condition()
        self._ended, self._failed = False, False
        self._due_s = 0.0
        self._thread = threading.Thread(target=self._work, name="memory", daemon=True)
        self._thread.start()

    def tracks(self, frame: Frame, tracks: Tracks, places: Places) -> None:
        """Take the tracks at a frame, and where they are, as JSON by id; returns at once."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        if not any(state is TrackState.CONFIRMED for state in tracks.state):
            return
        self._due_s = now_s + self._settings.period_s
        with self._changed:
            self._waiting = _Noted(frame, tracks, places, time.time())
            self._changed.notify()

    def close(self) -> None:
        """Write the waiting frames, and end the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(10.0)
        self._store.close()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._ended)
                noted, self._waiting = self._waiting, None
            if noted is None:
                return
            self._write(noted)

    def _write(self, noted: _Noted) -> None:
        try:
            self._store.remember(sightings(noted.frame, noted.tracks, noted.places, noted.unix_s))
            oldest_s = noted.unix_s - 3600 * self._settings.max_age_h
            self._store.forget(oldest_s, self._settings.max_objects)
            self._failed = False
        except UserError as error:
            if not self._failed:
                self._on_warning(f"nothing is remembered: {error}")
            self._failed = True
        except Exception:  # a fault of one frame must not end the thread
            _log.exception("the objects of a frame were not stored")


def sightings(frame: Frame, tracks: Tracks, places: Places, unix_s: float) -> list[Sighting]:
    """Return the confirmed tracks of a frame as they are remembered.

    Args:
        frame: whose pixels are cut.
        tracks: at the frame.
        places: where they are, as JSON by id (:meth:`Places.documents`).
        unix_s: now.
    """
    boxes, found = normalise(tracks.xyxy_px, tracks.wh).clip(0.0, 1.0), []
    for row, key in enumerate(tracks.ids.tolist()):
        x1, y1, x2, y2 = (round(value, 5) for value in boxes[row].tolist())
        if tracks.state[row] is not TrackState.CONFIRMED or not (x1 < x2 and y1 < y2):
            continue
        place = places.get(key)
        if place is not None and not place["frame_id"]:
            place = None  # metres in a frame without a name tell nobody anything
        x_m, y_m, z_m = (0.0, 0.0, 0.0) if place is None else place["position"]
        _, jpeg = crop.cut(frame.pixels, crop.around((x1, y1, x2, y2)))
        found.append(
            Sighting(
                *(tracks.labels[row], RUN, tracks.camera, key, tracks.stamp_ns, unix_s),
                *(float(tracks.scores[row]), (x1, y1, x2, y2)),
                position_m=None if place is None else (x_m, y_m, z_m),
                frame_id="" if place is None else str(place["frame_id"]),
                jpeg=jpeg,
            )
        )
    return found
