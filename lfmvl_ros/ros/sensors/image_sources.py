# SPDX-License-Identifier: Apache-2.0
"""Where ``camera_node`` takes its images from: scene, video file, folder of images or device."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from lfmvl_ros.core.config import CameraSettings
from lfmvl_ros.core.encoded_images import decode_file
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import exists, is_directory, is_regular_file, user_path
from lfmvl_ros.registry import IMAGE_SOURCES, load, names
from lfmvl_ros.ros.sensors.pixels import Pixels

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
USUAL_RATE_HZ = 30.0
_FASTEST_HZ = 240.0


class ImageSource(Protocol):
    """A numbered row of images, or a device that gives them when it likes.

    Attributes:
        name: for the log.
        rate_hz: images a second, > 0.
        live: the images come when they come; :meth:`read` waits for the next.
    """

    name: str
    rate_hz: float
    live: bool

    def read(self) -> Pixels | None:
        """Return the next image, ``(H, W, 3)`` uint8 RGB; None after the last.

        Raises:
            UserError: the source broke.
        """

    def skip(self, count: int) -> int:
        """Pass over the next ``count`` images; return how many there were, fewer at the end."""

    def rewind(self) -> None:
        """Start again with the first image."""

    def intrinsics(self, wh: tuple[int, int]) -> Intrinsics:
        """Return the camera's lens for images of this (width, height)."""

    def close(self) -> None:
        """Free the file or device."""


def open_source(settings: CameraSettings) -> ImageSource:
    """Return the source that ``settings.source`` names: a registered one, or a path.

    Raises:
        UserError: there is no such thing, or it can't be read.
    """
    name = settings.source
    if name in names(IMAGE_SOURCES):
        made: ImageSource = load(IMAGE_SOURCES, name)(settings)
        return made
    path = user_path(name, "camera source")
    if is_directory(path):
        return FolderSource(path, settings)
    if exists(path) and path.is_char_device():
        return CaptureSource(path, settings, live=True)
    if is_regular_file(path):
        return CaptureSource(path, settings, live=False)
    named = "".join(f"{known!r}, " for known in names(IMAGE_SOURCES))
    raise UserError(
        f"camera source {quoted(name)} does not exist; give {named}a video file, a folder of "
        "images or a device such as /dev/video0"
    )


def pinhole(wh: tuple[int, int], horizontal_fov_deg: float) -> Intrinsics:
    """Return the lens of an ideal camera with that field of view.

    >>> lens = pinhole((640, 480), 90.0)
    >>> round(lens.fx_px, 1), lens.cx_px, lens.cy_px
    (320.0, 319.5, 239.5)
    """
    focal_px = wh[0] / 2 / math.tan(math.radians(horizontal_fov_deg) / 2)
    return Intrinsics(focal_px, focal_px, (wh[0] - 1) / 2, (wh[1] - 1) / 2)


class _Pinhole:
    """What sources without a calibration share."""

    live = False

    def __init__(self, settings: CameraSettings) -> None:
        self._fov_deg = settings.horizontal_fov_deg

    def intrinsics(self, wh: tuple[int, int]) -> Intrinsics:
        """Return an ideal camera with the field of view of the settings."""
        return pinhole(wh, self._fov_deg)


class FolderSource(_Pinhole):
    """The images of a folder, sorted by name."""

    def __init__(self, folder: Path, settings: CameraSettings) -> None:
        super().__init__(settings)
        self.name = f"images in {folder}"
        self.rate_hz = settings.rate_hz or USUAL_RATE_HZ
        found = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        self._paths = sorted(path for path in found if path.is_file())
        self._next = 0
        if not self._paths:
            raise UserError(
                f"there are no images in {folder}; expected files that end in "
                f"{', '.join(sorted(IMAGE_SUFFIXES))}"
            )

    def read(self) -> Pixels | None:
        """Read the next image."""
        if self._next >= len(self._paths):
            return None
        path = self._paths[self._next]
        self._next += 1
        image = decode_file(path) if is_regular_file(path) else None
        if image is None:
            raise UserError(f"{path} is not a readable image; remove it or write it again")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def skip(self, count: int) -> int:
        """Pass over images without reading them."""
        skipped = min(count, len(self._paths) - self._next)
        self._next += skipped
        return skipped

    def rewind(self) -> None:
        """Go back to the first image."""
        self._next = 0

    def close(self) -> None:
        """Nothing to free."""


class CaptureSource(_Pinhole):
    """A video file or a V4L2 device, through OpenCV."""

    def __init__(self, path: Path, settings: CameraSettings, *, live: bool) -> None:
        super().__init__(settings)
        self.live = live
        self._path = path
        self.name = f"{'device' if live else 'video'} {path}"
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2 if live else cv2.CAP_ANY)
        if live:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            if settings.rate_hz:
                self._capture.set(cv2.CAP_PROP_FPS, settings.rate_hz)
        own_hz = self._capture.get(cv2.CAP_PROP_FPS) if self._capture.isOpened() else 0.0
        self.rate_hz = settings.rate_hz or (own_hz if 0 < own_hz <= _FASTEST_HZ else USUAL_RATE_HZ)
        # Opening is no proof: a text file may open and never give an image.
        self._first = self._grab()
        if self._first is None:
            advice = (
                "check that it is a camera and that no other program holds it"
                if live
                else "check that it is a video, and that it plays elsewhere"
            )
            raise UserError(f"{self.name} gives no image; {advice}")

    def read(self) -> Pixels | None:
        """Read the next image."""
        pixels, self._first = self._first, None
        if pixels is None:
            pixels = self._grab()
        if pixels is None and self.live:
            raise UserError(f"{self.name} gives no more images; check its cable")
        return pixels

    def skip(self, count: int) -> int:
        """Pass over images: they are unpacked, not converted."""
        for skipped in range(count):
            if self._first is not None:
                self._first = None
            elif not self._capture.grab():
                return skipped
        return count

    def rewind(self) -> None:
        """Open the video again: not every container can seek."""
        self._first = None
        self._capture.open(str(self._path), cv2.CAP_ANY)

    def close(self) -> None:
        """Close the file or device."""
        self._capture.release()

    def _grab(self) -> Pixels | None:
        ok, image = self._capture.read()
        if not ok or image is None:
            return None
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
