# SPDX-License-Identifier: Apache-2.0
"""Image sources of ``camera_node``: scene, video file, folder of images or device."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from lfmvl_ros.core.colour import Pixels
from lfmvl_ros.core.config import CameraSettings
from lfmvl_ros.core.encoded_images import IMAGE_SUFFIXES
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_folder import images_in
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import exists, is_directory, is_regular_file, user_path
from lfmvl_ros.core.video_reader import USUAL_RATE_HZ, VideoReader
from lfmvl_ros.registry import IMAGE_SOURCES, load, names
from lfmvl_ros.viz.video import read_image

_FASTEST_HZ = 240.0
_log = logging.getLogger(__name__)


class ImageSource(Protocol):
    """A sequence of images, or a live device.

    Attributes:
        name: for the log.
        rate_hz: images per second, > 0; about that where :meth:`next_ns` gives times.
        live: the images come when they come; :meth:`read` waits for the next.
    """

    name: str
    rate_hz: float
    live: bool

    def read(self) -> Pixels | None:
        """Return the next image, ``(H, W, 3)`` uint8 RGB; None after the last.

        Raises:
            UserError: the source failed.
        """

    def next_ns(self) -> int | None:
        """Return when the next image was taken, ns from the first one.

        None if ``rate_hz`` decides it: then from the start, for all images of a source. Also
        None after the last image.
        """

    def skip(self, count: int) -> int:
        """Skip the next ``count`` images; return how many were skipped, fewer at the end."""

    def rewind(self) -> None:
        """Start again with the first image."""

    def intrinsics(self, wh: tuple[int, int]) -> Intrinsics:
        """Return the camera's intrinsics for images of this (width, height)."""

    def close(self) -> None:
        """Free the file or device."""


def open_source(settings: CameraSettings) -> ImageSource:
    """Return the source that ``settings.source`` names: a registered one, or a path.

    Raises:
        UserError: the source does not exist or can't be read.
    """
    name = settings.source
    if name in names(IMAGE_SOURCES):
        made: ImageSource = load(IMAGE_SOURCES, name)(settings)
        return made
    path = user_path(name, "camera source")
    if is_directory(path):
        return FolderSource(path, settings)
    if exists(path) and path.is_char_device():
        return DeviceSource(path, settings)
    if is_regular_file(path):
        return VideoSource(path, settings)
    named = "".join(f"{known!r}, " for known in names(IMAGE_SOURCES))
    raise UserError(
        f"camera source {quoted(name)} does not exist; give {named}a video file, a folder of "
        "images or a device such as /dev/video0"
    )


def pinhole(wh: tuple[int, int], horizontal_fov_deg: float) -> Intrinsics:
    """Return the intrinsics of an ideal camera with this field of view.

    >>> lens = pinhole((640, 480), 90.0)
    >>> round(lens.fx_px, 1), lens.cx_px, lens.cy_px
    (320.0, 319.5, 239.5)
    """
    focal_px = wh[0] / 2 / math.tan(math.radians(horizontal_fov_deg) / 2)
    return Intrinsics(focal_px, focal_px, (wh[0] - 1) / 2, (wh[1] - 1) / 2)


class _Pinhole:
    """Base of sources without a calibration."""

    live = False

    def __init__(self, settings: CameraSettings) -> None:
        self._fov_deg = settings.horizontal_fov_deg

    def intrinsics(self, wh: tuple[int, int]) -> Intrinsics:
        """Return an ideal camera with the field of view of the settings."""
        return pinhole(wh, self._fov_deg)

    def next_ns(self) -> int | None:
        """The rate says it."""
        return None


class FolderSource(_Pinhole):
    """The images of a folder by name, in natural order, without hidden files."""

    def __init__(self, folder: Path, settings: CameraSettings) -> None:
        super().__init__(settings)
        self._folder = folder
        self.name = f"images in {folder}"
        self.rate_hz = settings.rate_hz or USUAL_RATE_HZ
        self._paths = images_in(folder)
        self._next = 0
        self._bad: set[Path] = set()
        if not self._paths:
            raise UserError(
                f"there are no images in {folder}; expected files that end in "
                f"{', '.join(sorted(IMAGE_SUFFIXES))}"
            )

    def read(self) -> Pixels | None:
        """Read the next image; one that can't be read is left out with a warning."""
        while self._next < len(self._paths):
            path = self._paths[self._next]
            self._next += 1
            if path in self._bad:
                continue
            try:
                return read_image(path)
            except UserError as error:
                self._bad.add(path)
                _log.warning("%s; it is left out", error)
        if len(self._bad) == len(self._paths):
            raise UserError(f"not one image of {self._folder} can be read; see the warnings before")
        return None

    def skip(self, count: int) -> int:
        """Skip images without reading them."""
        skipped = min(count, len(self._paths) - self._next)
        self._next += skipped
        return skipped

    def rewind(self) -> None:
        """Go back to the first image."""
        self._next = 0

    def close(self) -> None:
        """Nothing to free."""


class VideoSource(_Pinhole):
    """A video file, at the times that it gives its frames; or at ``rate_hz`` where that is set."""

    def __init__(self, path: Path, settings: CameraSettings) -> None:
        super().__init__(settings)
        self.name = f"video {path}"
        self._video = VideoReader(path)
        self._own_times = not settings.rate_hz
        self.rate_hz = settings.rate_hz or min(self._video.rate_hz, _FASTEST_HZ)
        self._warned = ""

    def next_ns(self) -> int | None:
        """Return when the next frame was taken."""
        return self._video.next_ns() if self._own_times else None

    def read(self) -> Pixels | None:
        """Read the next frame."""
        frame = self._video.read()
        self._warn()
        return None if frame is None else frame[1]

    def skip(self, count: int) -> int:
        """Pass over frames: they are unpacked, not converted."""
        skipped = next((n for n in range(count) if not self._video.skip()), count)
        self._warn()
        return skipped

    def rewind(self) -> None:
        """Open the file again."""
        self._video.rewind()

    def close(self) -> None:
        """Close the file."""
        self._video.close()

    def _warn(self) -> None:
        if self._video.problem not in ("", self._warned):
            self._warned = self._video.problem
            _log.warning("%s", self._warned)


class DeviceSource(_Pinhole):
    """A V4L2 device, through OpenCV."""

    live = True

    def __init__(self, path: Path, settings: CameraSettings) -> None:
        super().__init__(settings)
        self.name = f"device {path}"
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if settings.rate_hz:
            self._capture.set(cv2.CAP_PROP_FPS, settings.rate_hz)
        own_hz = self._capture.get(cv2.CAP_PROP_FPS) if self._capture.isOpened() else 0.0
        self.rate_hz = settings.rate_hz or (own_hz if 0 < own_hz <= _FASTEST_HZ else USUAL_RATE_HZ)
        self._first = self._grab()  # opening proves nothing
        if self._first is None:
            raise UserError(
                f"{self.name} gives no image; check that it is a camera and that no other program "
                "uses it"
            )

    def read(self) -> Pixels | None:
        """Wait for the next image."""
        image, self._first = self._first, None
        if image is None:
            image = self._grab()
        if image is None:
            raise UserError(f"{self.name} gives no more images; check its cable")
        return image

    def skip(self, count: int) -> int:
        """Pass over images: they are unpacked, not converted."""
        return next((n for n in range(count) if not self._capture.grab()), count)

    def rewind(self) -> None:
        """A device has no beginning."""

    def close(self) -> None:
        """Close the device."""
        self._capture.release()

    def _grab(self) -> Pixels | None:
        ok, image = self._capture.read()
        if not ok or image is None:
            return None
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
