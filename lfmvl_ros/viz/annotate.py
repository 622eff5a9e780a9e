# SPDX-License-Identifier: Apache-2.0
"""An annotated video and a typical still of it, from frames and marks."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.viz.drawing import Mark, draw_caption, draw_marks, draw_trails
from lfmvl_ros.viz.finishing import FinishedOutput
from lfmvl_ros.viz.video import VideoWriter, write_image

Image = NDArray[np.uint8]
TRAIL_FRAMES = 30
PREVIEW_CANDIDATES = 32


class TypicalFrame:
    """Picks a typical frame of a run whose length is not known beforehand.

    The rule: of at most :data:`PREVIEW_CANDIDATES` frames spread evenly over the run, the one with
    the median number of boxes; of several, the one nearest to the middle of the run. It does not
    look at what is in the boxes, so it shows false ones as often as the run has them.
    """

    def __init__(self) -> None:
        self._count = 0
        self._stride = 1
        self._kept: list[tuple[int, int, Image]] = []  # index, boxes, pixels

    def add(self, pixels: Image, boxes: int) -> None:
        """Take the next frame, which must not be written to afterwards, and its number of boxes."""
        if self._count % self._stride == 0:
            self._kept.append((self._count, boxes, pixels))
        if len(self._kept) > PREVIEW_CANDIDATES:
            self._kept = self._kept[::2]
            self._stride *= 2
        self._count += 1

    def choose(self) -> Image | None:
        """Return the frame; None of an empty run."""
        if not self._kept:
            return None
        middle, typical = (self._count - 1) / 2, self._median()
        candidates = [item for item in self._kept if item[1] == typical]
        return min(candidates, key=lambda item: abs(item[0] - middle))[2]

    def _median(self) -> int:
        """The lower median, so that there is a frame with as many."""
        return sorted(boxes for _, boxes, _ in self._kept)[(len(self._kept) - 1) // 2]


class AnnotatedVideo(FinishedOutput):
    """Writes ``annotated.mp4`` and ``preview.png`` into a folder, frame by frame.

    The preview is chosen by the rule of :class:`TypicalFrame`.
    """

    def __init__(self, folder: Path, rate_hz: float) -> None:
        self._folder, self._rate_hz = folder, rate_hz
        self._writer: VideoWriter | None = None
        self._trails: dict[int, deque[tuple[float, float]]] = defaultdict(
            lambda: deque(maxlen=TRAIL_FRAMES)
        )
        self._preview = TypicalFrame()

    def add(self, pixels: Image, marks: Mapping[int, Mark], caption: str = "") -> None:
        """Append one ``(H, W, 3)`` RGB frame with its marks by track id."""
        for key, mark in marks.items():
            x1, y1, x2, y2 = mark.xyxy_px
            self._trails[key].append(((x1 + x2) / 2, (y1 + y2) / 2))
        for key in set(self._trails) - set(marks):
            del self._trails[key]
        canvas = draw_marks(pixels, marks.values())
        draw_trails(canvas, ((list(self._trails[key]), mark.colour) for key, mark in marks.items()))
        if caption:
            draw_caption(canvas, caption)
        if self._writer is None:
            wh = (canvas.shape[1], canvas.shape[0])
            self._writer = VideoWriter(self._folder / "annotated.mp4", wh, self._rate_hz)
        self._writer.write(canvas)
        self._preview.add(canvas, len(marks))

    def close(self) -> None:
        """Finish the video and write the preview."""
        try:
            preview = self._preview.choose()
            if preview is not None:
                write_image(self._folder / "preview.png", preview)
        finally:
            if self._writer is not None:
                self._writer.close()
