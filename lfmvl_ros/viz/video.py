# SPDX-License-Identifier: Apache-2.0
"""Read and write images and videos, with errors a person can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.encoded_images import decode_file
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.file_kinds import kind_of
from lfmvl_ros.core.whole_files import whole_file, write_whole, writing

Image = NDArray[np.uint8]


def read_image(path: Path) -> Image:
    """Return an image file as ``(H, W, 3)`` RGB uint8.

    Raises:
        UserError: the file is missing or is no image OpenCV can read.
    """
    _check_file(path, "image")
    image = decode_file(path)
    if image is None:
        raise UserError(_refusal(path, "image", "convert it to JPEG, PNG, BMP or WebP"))
    return np.ascontiguousarray(image[..., ::-1])


def is_video(path: Path) -> bool:
    """Return True for a file that OpenCV reads as a video of several frames, not as an image."""
    if not path.is_file() or cv2.haveImageReader(str(path)):
        return False
    try:
        return VideoReader(path).length > 1
    except UserError:
        return False


def write_image(path: Path, pixels: Image) -> None:
    """Write an RGB image; the suffix chooses the format.

    Raises:
        UserError: unknown suffix, or the file can't be written; one that was there stays.
    """
    try:
        done, data = cv2.imencode(path.suffix or ".png", pixels[..., ::-1])
    except cv2.error:  # no encoder for this suffix
        done = False
    if not done:
        raise UserError(
            f"{str(path)!r} can't be written: OpenCV has no encoder for {path.suffix!r}; "
            "use .png or .jpg"
        )
    write_whole(path, data.tobytes())


class VideoReader:
    """Frames of a video file with their times.

    Raises:
        UserError: the file is missing or holds no video OpenCV can read.
    """

    def __init__(self, path: Path) -> None:
        _check_file(path, "video")
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened() or not self._capture.grab():
            advice = "convert it to H.264 in an .mp4 (`ffmpeg -i IN -c:v libx264 OUT.mp4`)"
            raise UserError(_refusal(path, "video", advice))
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
        rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate_hz = rate_hz if 0.1 <= rate_hz <= 1000 else 30.0
        self.length = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def __iter__(self) -> Iterator[tuple[int, Image]]:
        """Yield ``(time_ns, pixels)``: nanoseconds from the start, and ``(H, W, 3)`` RGB."""
        index = 0
        while True:
            good, image = self._capture.read()
            if not good:
                self._capture.release()
                return
            yield round(index * 1e9 / self.rate_hz), np.ascontiguousarray(image[..., ::-1])
            index += 1


class VideoWriter:
    """Write RGB frames of one size to an ``.mp4`` (MPEG-4 part 2, which every OpenCV has).

    The file gets its name when it is finished, and only if it can be read again: OpenCV reports
    no error when the disk is full.

    Raises:
        UserError: the file can't be opened for writing.
    """

    def __init__(self, path: Path, wh: tuple[int, int], rate_hz: float) -> None:
        self._path, self._wh, self._frames = path, wh, 0
        self._place = ExitStack()
        self._part = self._place.enter_context(whole_file(path))
        with ExitStack() as failed:
            failed.push(self._place)
            with writing(path):
                self._part.open("wb").close()  # names the reason, which OpenCV does not
            self._writer = cv2.VideoWriter(
                str(self._part), cv2.VideoWriter.fourcc(*"mp4v"), max(rate_hz, 1.0), wh
            )
            if not self._writer.isOpened():
                raise UserError(
                    f"can't write {str(path)!r}: OpenCV can't encode a video of {wh[0]}x{wh[1]} "
                    "with this suffix; use .mp4"
                )
            failed.pop_all()

    def write(self, pixels: Image) -> None:
        """Append a frame; one of another size is scaled to the video's."""
        if (pixels.shape[1], pixels.shape[0]) != self._wh:
            pixels = np.asarray(cv2.resize(pixels, self._wh), dtype=np.uint8)
        self._writer.write(np.ascontiguousarray(pixels[..., ::-1]))
        self._frames += 1

    def close(self) -> None:
        """Finish the file.

        Raises:
            UserError: it could not be written whole; nothing of it is left.
        """
        self._writer.release()
        with self._place:
            if self._part.is_file() and not _is_whole(self._part, self._frames):
                raise UserError(
                    f"can't write {str(self._path)!r} with its {self._frames} frames; is the disk "
                    "full, or a limit on the size of files (ulimit -f) in force?"
                )

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()  # also after an error: the frames so far are worth having
        except UserError:
            if error is None:
                raise


def _check_file(path: Path, wanted: str) -> None:
    """Refuse what can't be a file of this kind before anything is read from it."""
    if not path.exists():
        raise UserError(f"there is no {wanted} file {str(path)!r}; check the path")
    if not path.is_file():
        raise UserError(f"{str(path)!r} is {kind_of(path)}, and a file with one {wanted} is wanted")


def _refusal(path: Path, wanted: str, advice: str) -> str:
    """Say what a file is that OpenCV can't read as what is wanted."""
    kind = kind_of(path)
    if wanted not in kind and kind:
        noun = "an image" if wanted == "image" else "a video"
        return f"{str(path)!r} is {kind}, and {noun} is wanted"
    if kind:
        return f"{str(path)!r} is {kind} that is damaged or that OpenCV can't decode; {advice}"
    return f"{str(path)!r} is of no known kind, and can't be read as {wanted}; {advice}"


def _is_whole(path: Path, frames: int) -> bool:
    """Whether a video has so many frames, and its last one is there."""
    capture = cv2.VideoCapture(str(path))
    try:
        if round(capture.get(cv2.CAP_PROP_FRAME_COUNT)) != frames:
            return False
        capture.set(cv2.CAP_PROP_POS_FRAMES, frames - 1)
        return capture.grab()
    finally:
        capture.release()
