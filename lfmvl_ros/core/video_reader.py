# SPDX-License-Identifier: Apache-2.0
"""Frames of a video file at the times that the file itself gives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.file_kinds import check_file, is_cut_off, refusal

Image = NDArray[np.uint8]

USUAL_RATE_HZ = 30.0
_RATES_HZ = (1e-4, 1000.0)  # a frame in three hours is a time lapse; more is not a rate
_ADVICE = "convert it to H.264 in an .mp4 (`ffmpeg -i IN -c:v libx264 OUT.mp4`)"
_DAMAGED_IN_A_ROW = 100
"""Frames that can't be decoded before the rest of a video is given up."""
_TRIES = 16  # to find the next frame behind damaged data


class VideoReader:
    """Frames of a video file with their times.

    A time comes from the container: frames of a phone or of a time lapse are not evenly spaced.
    Where a container gives a frame no time, or one that is not after that of the frame before,
    the frame gets the usual period.

    Attributes:
        rate_hz: frames a second as the file states it, > 0; 30 where it does not.
        length: how many frames it states, 0 where it does not. In files of varying rate FFmpeg
            guesses this number.
        frames: how many frames were passed so far.
        problem: what is wrong with the frames that were read so far, in a sentence; "" for
            nothing. Set at the latest when :meth:`read` has returned None.

    Raises:
        UserError: the file is missing or holds no video OpenCV can read.
    """

    def __init__(self, path: Path) -> None:
        check_file(path, "video")
        self._path = path
        self._capture = cv2.VideoCapture()
        self.rewind()
        # Opening proves nothing: a text file may open and never give an image.
        pixels = self._retrieve() if self._next_ns is not None else None
        if pixels is None:
            self.close()
            raise UserError(refusal(path, "video", _ADVICE))
        self._first: Image | None = pixels

    def rewind(self) -> None:
        """Open the file again: after a seek, FFmpeg leaves out first frames of some containers."""
        self._first = None
        self.frames, self.problem = 0, ""
        self._last_ns, self._longest_ns, self._damaged = -1, 0, 0
        self._start_ms: float | None = None
        self._next_ns: int | None = None
        if self._capture.open(str(self._path)):
            rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS))
            self.rate_hz = rate_hz if _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1] else USUAL_RATE_HZ
            self.length = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
            self._grab()

    def next_ns(self) -> int | None:
        """Return the time of the next frame, ns from the first; None after the last."""
        return self._next_ns

    def read(self) -> tuple[int, Image] | None:
        """Return the next frame; None after the last.

        Returns:
            Nanoseconds from the first frame, and ``(H, W, 3)`` RGB.
        """
        while (time_ns := self._next_ns) is not None:
            pixels, self._first = self._first, None
            if pixels is None:
                pixels = self._retrieve()
            self._advance()
            if pixels is not None:
                return time_ns, pixels
        return None

    def skip(self) -> bool:
        """Pass over the next frame without converting it; False when there is none."""
        if self._next_ns is None:
            return False
        self._first = None
        self._advance()
        return True

    def close(self) -> None:
        """Close the file."""
        self._next_ns = None
        self._capture.release()

    def __iter__(self) -> Iterator[tuple[int, Image]]:
        """Yield what :meth:`read` returns, up to the last frame."""
        while (frame := self.read()) is not None:
            yield frame
        self.close()

    def _advance(self) -> None:
        self._last_ns, self.frames = self._next_ns or 0, self.frames + 1
        self._grab()

    def _retrieve(self) -> Image | None:
        good, image = self._capture.retrieve()
        if good and image is not None:
            self._damaged = 0
            return np.ascontiguousarray(image[..., ::-1])
        self._damaged += 1
        self.problem = f"frame {self.frames + 1} of {str(self._path)!r} can't be decoded"
        return None

    def _grab(self) -> None:
        """Take the next frame from the file, and set its time."""
        tries = next((n for n in range(_TRIES) if self._capture.grab()), None)
        if tries is None or self._damaged > _DAMAGED_IN_A_ROW:
            self._next_ns = None
            self._judge_end()
            return
        stated_ms = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        if self._start_ms is None:
            self._start_ms = stated_ms if np.isfinite(stated_ms) else 0.0
            self._next_ns = 0
            return
        period_ns = round(1e9 / self.rate_hz)
        after_ms = stated_ms - self._start_ms
        time_ns = round(after_ms * 1e6) if np.isfinite(after_ms) else -1
        if time_ns <= self._last_ns:
            time_ns = self._last_ns + period_ns
        if tries:  # what is between can't be decoded, and FFmpeg has found the next frame
            self.problem = (
                f"{str(self._path)!r} has nothing that can be decoded between "
                f"{self._last_ns / 1e9:.2f} s and {time_ns / 1e9:.2f} s"
            )
        else:
            self._longest_ns = max(self._longest_ns, time_ns - self._last_ns)
        self._next_ns = time_ns

    def _judge_end(self) -> None:
        """Say so where a file ends before its own headers say that it does."""
        stated_ns = self.length / self.rate_hz * 1e9
        # The stated length is a guess where the rate varies, so it must be missed by far.
        shorter = self.frames < self.length and self._last_ns + 2 * self._longest_ns < stated_ns
        name, last_s = repr(str(self._path)), self._last_ns / 1e9
        if is_cut_off(self._path):
            of = f" of {self.length}" if shorter else ""
            self.problem = f"{name} breaks off after frame {self.frames}{of}, at {last_s:.2f} s"
        elif shorter:
            self.problem = (
                f"{name} gave {self.frames} of the {self.length} frames that its header states, the"
                f" last at {last_s:.2f} s; the others can't be decoded"
            )
