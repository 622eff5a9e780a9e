# SPDX-License-Identifier: Apache-2.0
"""The truth about a video sequence, in whatever format: boxes with ids in each image."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.datasets.image_sizes import CheckedImage, Size, check_image
from lfmvl_ros.datasets.left_out import LeftOut

SLOWEST_HZ, FASTEST_HZ = 0.01, 1000.0
"""Frame rates of a sequence: slower ones are single images, and no camera is faster."""
FIRST_NS = 10**9
"""Stamp of a sequence's first image."""
_LONGEST_S = 1e9  # stamps are nanoseconds in 64 bits


@dataclass(frozen=True, eq=False)
class TrueBoxes:
    """The N objects that are in one image.

    Attributes:
        ids: N texts, the same for an object in all images of a film.
        labels: N labels.
        xyxy_px: ``(N, 4)``.
        visible: ``(N,)`` visible share, 0 to 1; 1 where nothing is known.
        unsure: labels of which there may be more objects: a track of one counts only if it is on an
            object.

    Raises:
        ValueError: lengths differ, an id comes twice, or a box is not finite.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    xyxy_px: FloatArray
    visible: FloatArray
    unsure: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        n = len(self.ids)
        if len(self.labels) != n or self.xyxy_px.shape != (n, 4) or self.visible.shape != (n,):
            raise ValueError(f"labels, boxes and visible shares must be {n}, as the ids")
        if len(set(self.ids)) != n:
            raise ValueError("an id comes twice in one image")
        if not (np.isfinite(self.xyxy_px).all() and np.isfinite(self.visible).all()):
            raise ValueError("boxes and visible shares must be finite")


@dataclass(frozen=True, eq=False)
class FilmSequence:
    """The images of a sequence, and what is on them.

    Attributes:
        name: of the film.
        images: files, in the order of their frames.
        stamps_ns: of these images, ascending from :data:`FIRST_NS`.
        truth: by the index of the image, from 0; images without an object have an empty entry.
        shown: for each image its size as it is to be shown, and how it is turned for that.
    """

    name: str
    images: tuple[Path, ...]
    stamps_ns: tuple[int, ...]
    truth: Mapping[int, TrueBoxes]
    shown: tuple[CheckedImage, ...]


@dataclass(frozen=True, eq=False)
class ReadFilms:
    """What was read from a folder or a file.

    Attributes:
        sequences: of images, in the order of the file.
        left_out: what is annotated and could not be used.
        changed: what is used otherwise than it is written.
    """

    sequences: tuple[FilmSequence, ...]
    left_out: LeftOut
    changed: LeftOut


def frame_rate(value: object) -> float | None:
    """Return a rate in Hz, a number or its text; None if it is not a rate from 0.01 to 1000.

    >>> frame_rate(20), frame_rate("29.97"), frame_rate(True), frame_rate(1e-9), frame_rate("soon")
    (20.0, 29.97, None, None, None)
    """
    try:
        rate_hz = float(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if not is_number(rate_hz) or not SLOWEST_HZ <= rate_hz <= FASTEST_HZ:
        return None
    return float(rate_hz)


def stamps_of(numbers: Sequence[float], rate_hz: float, film: str) -> tuple[int, ...]:
    """Return the stamps of images by their frame numbers, which ascend.

    Raises:
        UserError: the sequence would last longer than stamps can count.
    """
    lasts_s = (numbers[-1] - numbers[0]) / rate_hz
    if lasts_s > _LONGEST_S:
        raise UserError(
            f"{film} has frame numbers from {numbers[0]:g} to {numbers[-1]:g}, which are "
            f"{lasts_s:.3g} s at {rate_hz:g} images a second; correct them"
        )
    return tuple(FIRST_NS + round((number - numbers[0]) * 1e9 / rate_hz) for number in numbers)


def fitted_images(
    film: Path, images: Sequence[tuple[Path, Collection[Size | None]]]
) -> tuple[CheckedImage, ...]:
    """Return how each image of a sequence is to be shown; only headers are read.

    Args:
        film: for the message.
        images: files, each with the sizes that are stated for it, as of
            :func:`~lfmvl_ros.datasets.image_sizes.fitted`.

    Raises:
        UserError: one has a size that its boxes are not about, or can't be read: no
            image of a sequence may be missing.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(lambda item: check_image(*item, whole=False), images))
    wrong = [(path, each) for (path, _), each in zip(images, found, strict=True)
             if isinstance(each, str)]  # fmt: skip
    if wrong:
        path, why = wrong[0]
        raise UserError(
            f"{len(wrong)} of {len(found)} images of {film} can't be used, such as {path}, which "
            f"{why}; their boxes would be elsewhere: put the images there that were annotated"
        )
    return tuple(each for each in found if isinstance(each, CheckedImage))


def scaled_xyxy(xywh_px: FloatArray, check: CheckedImage) -> FloatArray:
    """Return boxes ``(N, 4)`` of the stated size as corners in pixels of the image."""
    corners = np.concatenate([xywh_px[:, :2], xywh_px[:, :2] + xywh_px[:, 2:]], axis=1)
    scale = np.array(check.wh_px * 2, np.float64) / np.array(check.about_px * 2, np.float64)
    scaled: FloatArray = corners * scale
    return scaled


def is_in_image(xywh_px: Sequence[float], wh_px: Size) -> bool:
    """Return whether a part of a box is in its image."""
    x, y, width, height = xywh_px
    return x < wh_px[0] and y < wh_px[1] and x + width > 0 and y + height > 0


def whole(number: float) -> bool:
    """Return whether a number is finite and has no fraction."""
    return math.isfinite(number) and int(number) == number
