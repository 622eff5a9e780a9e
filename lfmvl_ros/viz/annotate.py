# SPDX-License-Identifier: Apache-2.0
"""An annotated video and its best still, from frames and marks."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.viz.drawing import Mark, draw_caption, draw_marks, draw_trails
from lfmvl_ros.viz.video import VideoWriter, write_image

Image = NDArray[np.uint8]
TRAIL_FRAMES = 30


class AnnotatedVideo:
    """Writes ``annotated.mp4`` and ``preview.png`` into a folder, frame by frame.

    The preview is the frame with the most solid boxes (confirmed and seen lately); of equal ones
    the one in the middle of the video's busiest stretch wins by being met last.
    """

    def __init__(self, folder: Path, rate_hz: float) -> None:
        self._folder, self._rate_hz = folder, rate_hz
        self._writer: VideoWriter | None = None
        self._trails: dict[int, deque[tuple[float, float]]] = defaultdict(
            lambda: deque(maxlen=TRAIL_FRAMES)
        )
        self._best: tuple[float, Image] | None = None

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
        solid = sum(0.2 if mark.dashed or mark.thin else 1.0 for mark in marks.values())
        if self._best is None or solid >= self._best[0]:
            self._best = (solid, canvas)

    def close(self) -> None:
        """Finish the video and write the preview."""
        if self._writer is not None:
            self._writer.close()
        if self._best is not None:
            write_image(self._folder / "preview.png", self._best[1])

    def __enter__(self) -> AnnotatedVideo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
