# SPDX-License-Identifier: Apache-2.0
"""Decides which crop of which track is read next, and keeps what was read of each track."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import normalise
from lfmvl_ros.core.config_reading import ReadingSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.readings.crops import crop_of, readable_rows, sharpness
from lfmvl_ros.core.readings.reading import CropReading, ReadLine, TrackText, text_key
from lfmvl_ros.core.readings.voting import Vote, vote
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.tracking import Tracks

CERTAIN = 0.95
"""Confidence from which a text is not read again at once."""
_GATHER_S = 0.4  # the sharpest crop of this time is read
_MOST_KEPT = 8  # readings of a track that vote
_MOST_AT_ONCE = 8  # readings of a track that does not become certain, before it has to wait
_MUCH_LARGER = 1.5  # longest side, against the largest that was read


@dataclass(frozen=True, eq=False)
class Crop:
    """A crop to be read.

    Attributes:
        id, label: of its track.
        pixels: ``(h, w, 3)`` uint8, RGB.
        sharpness: as :func:`~lfmvl_ros.core.readings.crops.sharpness` measures it.
        bbox: of the track in the image, as shares of it.
        stamp_ns, frame_id, camera: of the image.
        attempt: how many crops of the track were read before.
    """

    id: int
    label: str
    pixels: NDArray[np.uint8]
    sharpness: float
    bbox: tuple[float, float, float, float]
    stamp_ns: int
    frame_id: str
    camera: str
    attempt: int = 0


@dataclass
class _State:
    """What is known of a track."""

    label: str
    readings: deque[CropReading] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))
    count: int = 0
    largest_px: int = 0
    read_s: float = 0.0
    certain: bool = False
    waiting: Crop | None = None
    since_s: float = 0.0
    text: TrackText | None = None


class ReadingPlanner:
    """The readings of one camera's tracks; used by one thread.

    Times ``now_s`` are seconds of any clock that does not go back.

    Args:
        settings: returns those in force.
    """

    def __init__(self, settings: Callable[[], ReadingSettings]) -> None:
        self._settings = settings
        self._states: dict[int, _State] = {}
        self._next_s = -np.inf

    def consider(
        self, frame: Frame, tracks: Tracks, now_s: float, requested: Iterable[str] = ()
    ) -> None:
        """Take a frame with its tracks: keep the sharpest crop of each track that is to be read.

        What was read of tracks that have ended, have another label now, or are not to be read any
        more is forgotten.

        Args:
            frame: of the camera.
            tracks: at the frame.
            now_s: now.
            requested: labels that are read in addition to those of the settings.
        """
        settings = self._settings()
        wanted = {fold_label(label) for label in (*settings.labels, *requested) if label}
        self._forget(tracks, wanted)
        rows = readable_rows(tracks) if wanted and len(tracks) else []
        if not rows:
            return
        boxes = normalise(tracks.xyxy_px, tracks.wh).clip(0.0, 1.0)
        for row in rows:
            label, key = tracks.labels[row], int(tracks.ids[row])
            if fold_label(label) not in wanted:
                continue
            state = self._states.setdefault(key, _State(label))
            extent_px = float(np.ptp(tracks.xyxy_px[row].reshape(2, 2), axis=0).max())
            if not self._is_due(state, extent_px, now_s):
                continue
            pixels = crop_of(frame.pixels, tracks.xyxy_px[row])
            how_sharp = sharpness(pixels)
            if state.waiting is None:
                state.since_s = now_s
            elif state.waiting.sharpness >= how_sharp:
                continue
            x1, y1, x2, y2 = (round(value, 5) for value in boxes[row].tolist())
            state.waiting = Crop(
                *(key, label, pixels, how_sharp, (x1, y1, x2, y2)),
                *(frame.stamp_ns, frame.frame_id, frame.camera, state.count),
            )

    def _forget(self, tracks: Tracks, wanted: set[str]) -> None:
        labels = dict(zip(tracks.ids.tolist(), tracks.labels, strict=True))
        for key, state in list(self._states.items()):
            if labels.get(key) != state.label or fold_label(state.label) not in wanted:
                del self._states[key]

    def _is_due(self, state: _State, extent_px: float, now_s: float) -> bool:
        if now_s - state.read_s >= self._settings().again_s or not state.count:
            return True
        if extent_px > _MUCH_LARGER * state.largest_px:
            return True
        return not state.certain and state.count < _MOST_AT_ONCE

    def next(self, now_s: float, *, urgent: bool = False) -> Crop | None:
        """Return the crop to read now; None while none is ready or the rate is used up.

        Those of tracks that were read least often come first.

        Args:
            now_s: now.
            urgent: somebody waits for the text: do not wait for a sharper crop.
        """
        if now_s < self._next_s:
            return None
        ready = [
            state
            for state in self._states.values()
            if state.waiting is not None and (urgent or now_s - state.since_s >= _GATHER_S)
        ]
        if not ready:
            return None
        state = min(ready, key=lambda item: (item.count, item.read_s))
        crop, state.waiting = state.waiting, None
        self._next_s = now_s + 1 / self._settings().rate_hz
        return crop

    def take(self, crop: Crop, lines: tuple[ReadLine, ...], now_s: float) -> TrackText | None:
        """Take what was read in a crop; return what is known of its track now.

        Args:
            crop: of :meth:`next`.
            lines: that were read.
            now_s: now.

        Returns:
            None where the track has ended, or where nothing was ever read on it.
        """
        state = self._states.get(crop.id)
        if state is None or state.label != crop.label:
            return None
        state.readings.append(CropReading(lines, crop.stamp_ns))
        state.count += 1
        state.read_s = now_s
        state.largest_px = max(state.largest_px, *crop.pixels.shape[:2])
        found = self._vote(state)
        state.certain = found.confidence >= CERTAIN
        if state.text is None and not found.lines:
            return None
        readings = tuple(state.readings)
        state.text = TrackText(
            *(crop.id, crop.label, found.text, found.confidence, found.lines, len(readings)),
            tuple(sorted({readings[index].stamp_ns for index in found.agreeing})),
            *(crop.stamp_ns, crop.bbox, crop.frame_id, crop.camera),
        )
        return state.text

    def _vote(self, state: _State) -> Vote:
        """Return what the readings say; older ones are dropped where the newest two contradict."""
        found = vote(state.readings)
        if len(state.readings) >= 3:
            newest = vote(list(state.readings)[-2:])
            agree = newest.agreeing == (0, 1) and bool(newest.lines)
            if agree and text_key(newest.text) != text_key(found.text):
                while len(state.readings) > 2:
                    state.readings.popleft()
                return newest
        return found

    def texts(self) -> dict[int, TrackText]:
        """Return what is known of each track: those on which something was read, by id."""
        return {key: state.text for key, state in self._states.items() if state.text is not None}

    @property
    def waiting(self) -> int:
        """How many tracks have a crop that waits; any thread may ask."""
        return sum(state.waiting is not None for state in list(self._states.values()))
