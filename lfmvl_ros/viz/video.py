# SPDX-License-Identifier: Apache-2.0
"""Read and write images and videos, with errors a person can act on."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.encoded_images import decode_file
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.file_kinds import check_file, refusal
from lfmvl_ros.core.video_reader import VideoReader
from lfmvl_ros.core.whole_files import check_output, whole_file, write_whole, writing
from lfmvl_ros.viz.finishing import FinishedOutput

Image = NDArray[np.uint8]
VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov")  # that hold MPEG-4 part 2
_NO_ENCODER = "{0!r} can't be written: OpenCV has no encoder for {1!r}; use .png or .jpg"
_log = logging.getLogger(__name__)


def read_image(path: Path) -> Image:
    """Return an image file as ``(H, W, 3)`` RGB uint8; what is guessed about it is logged.

    Raises:
        UserError: the file is missing, or is not an image that OpenCV can read.
    """
    check_file(path, "image")
    pixels = decode_file(path, on_warning=lambda text: _log.warning("%s: %s", path, text))
    if pixels is None:
        raise UserError(refusal(path, "image", "convert it to JPEG, PNG, BMP or WebP"))
    return pixels


def is_video(path: Path) -> bool:
    """Return True for a file that OpenCV reads as a video of several frames, not as an image."""
    if not path.is_file() or cv2.haveImageReader(str(path)):
        return False
    try:
        video = VideoReader(path)
        video.skip()
        several = video.next_ns() is not None
        video.close()
    except UserError:
        return False
    return several


def check_image_output(path: Path) -> None:
    """Refuse a place for an image before the work whose result is drawn there.

    Raises:
        UserError: OpenCV can't write such a file, or it can't be written there.
    """
    if not cv2.haveImageWriter(f"x{path.suffix}"):
        raise UserError(_NO_ENCODER.format(str(path), path.suffix))
    check_output(path)


def check_video_output(path: Path) -> None:
    """Refuse a place for a video before its frames are made.

    Raises:
        UserError: it is of another format, or it can't be written there.
    """
    check_output(path, VIDEO_SUFFIXES)


def write_image(path: Path, pixels: Image) -> None:
    """Write an RGB image; the suffix chooses the format.

    Raises:
        UserError: unknown suffix, or the file can't be written; one that was there stays.
    """
    try:
        done, data = cv2.imencode(path.suffix, pixels[..., ::-1])
    except cv2.error:  # no encoder for this suffix
        done = False
    if not done:
        raise UserError(_NO_ENCODER.format(str(path), path.suffix))
    write_whole(path, data.tobytes())


class VideoWriter(FinishedOutput):
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
