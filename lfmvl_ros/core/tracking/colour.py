# SPDX-License-Identifier: Apache-2.0
"""Tells the colours of an object from those of its surroundings.

A histogram of the box against one of the ring around it gives the probability that a pixel of a
given colour belongs to the object (Possegger, Mauthner, Bischof, "In defense of color-based
model-free tracking", CVPR 2015). It weighs the points that optical flow follows: a box around a
rider is mostly background, which the flow would follow otherwise.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray

ColourImage = NDArray[np.uint8]
COLOUR_HEIGHT_PX = 180
# Bins of brightness and of the two opponent colours, and the width of the latter.
SIDE = 8
OPPONENT_STEP = 24
BINS = SIDE**3
# What is sampled: the inner part of the box, and a ring from just outside it to this many sides.
SAMPLES = 20
LOOKS = 8
INNER = 0.8
RING = (1.05, 1.8)
# A colour with a lower share of a histogram is ignored.
UNKNOWN = 2e-3
# No colour excludes a point, because lighting changes.
LEAST = 0.02
SHARPNESS = 4.0
MEMORY = 0.5
# Evidence that a box shows an object, from the share of the object's colours in it.
LIKENESS_GAIN = 10.0
MOST_LIKENESS = 2.0


def _opponent_bins() -> NDArray[np.intp]:
    """Bin of a difference between two colours, from -255 (the first entry) to 255."""
    return np.clip(np.arange(-255, 256) // OPPONENT_STEP + SIDE // 2, 0, SIDE - 1)


# What a pixel adds to the number of its bin: by the sum of its colours, by red less green, and by
# the mean of those less blue.
_BRIGHT = np.minimum(np.arange(3 * 255 + 1) // (3 * 256 // SIDE), SIDE - 1) * SIDE**2
_FIRST = _opponent_bins() * SIDE
_SECOND = _opponent_bins()


def small_colour(pixels: NDArray[np.uint8], most_height_px: int = COLOUR_HEIGHT_PX) -> ColourImage:
    """Return a copy ``(h, w, 3)`` of an RGB image, at most 180 px high unless stated.

    >>> small_colour(np.zeros((360, 640, 3), np.uint8)).shape
    (180, 320, 3)
    """
    height, width = pixels.shape[:2]
    if height <= most_height_px:
        return pixels.copy()
    size = (max(round(width * most_height_px / height), 1), most_height_px)
    # Four pixels are averaged for each; averaging all of them takes five times as long, and colours
    # are counted in coarse bins.
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def nothing_known(count: int) -> NDArray[np.uint8]:
    """Return the table ``(N, BINS)`` in which every colour is as likely the object's as not."""
    return np.full((count, BINS), 128, np.uint8)


def foreground(image: ColourImage, boxes: FloatArray) -> NDArray[np.uint8]:
    """Probability ``(N, BINS)``, in 255ths, that a colour inside a box is its object's.

    Args:
        image: ``(h, w, 3)``.
        boxes: ``(N, 4)`` xyxy, as shares of the image's width and height.
    """
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    inner = _histogram(image, _grid(centre, half * INNER, SAMPLES), None)
    spread = _grid(centre, half * RING[1], SAMPLES)
    off = np.abs(spread - centre[:, None]) / np.maximum(half, 1e-9)[:, None]
    outer = _histogram(image, spread, off.max(axis=-1) > RING[0])
    share = (inner + UNKNOWN) / (inner + outer + 2 * UNKNOWN)
    return np.asarray(np.round(255 * share), np.uint8)


def blended(old: NDArray[np.uint8], new: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return tables ``(N, BINS)`` after a sighting: the old ones fade."""
    mixed = MEMORY * old.astype(np.float32) + (1 - MEMORY) * new
    return np.asarray(np.round(mixed), np.uint8)


def point_weight(
    image: ColourImage, table: NDArray[np.uint8], points: FloatArray, rows: NDArray[np.intp]
) -> FloatArray:
    """Weight ``(M,)`` in (0, 1] of points by the colours under them.

    Args:
        image: ``(h, w, 3)``.
        table: ``(N, BINS)``, see :func:`foreground`.
        points: ``(M, 2)`` as shares of the image's width and height.
        rows: ``(M,)`` the row of ``table`` that each point belongs to.
    """
    colours, _ = _colours(image, points)
    return _weights(LEAST, SHARPNESS)[table[rows, colours]]


@lru_cache(maxsize=4)
def _weights(least: float, sharpness: float) -> FloatArray:
    """Weight ``(256,)`` of a point by the probability, in 255ths, that its colour is the object's.

    Not to be written to.
    """
    return np.asarray(least + (1 - least) * (np.arange(256) / 255.0) ** sharpness)


def object_share(image: ColourImage, table: NDArray[np.uint8], boxes: FloatArray) -> FloatArray:
    """Mean probability ``(N, H)`` that what lies in H boxes of each track is its object.

    Args:
        image: ``(h, w, 3)``.
        table: ``(N, BINS)``, see :func:`foreground`.
        boxes: ``(N, H, 4)`` xyxy, as shares of the image's width and height.
    """
    count, places = boxes.shape[:2]
    flat = boxes.reshape(-1, 4)
    centre, half = (flat[:, :2] + flat[:, 2:]) / 2, (flat[:, 2:] - flat[:, :2]) / 2
    colours, inside = _colours(image, _grid(centre, half * INNER, LOOKS))
    rows = np.repeat(np.arange(count), places)[:, None]
    share = np.where(inside, table[rows, colours] / 255.0, 0.0)
    return np.asarray(share.mean(axis=1).reshape(count, places))


def likeness(image: ColourImage, table: NDArray[np.uint8], boxes: FloatArray) -> FloatArray:
    """Log-likelihood ratio ``(K,)`` that K boxes show the objects of K tracks, by their colours.

    Args:
        image: ``(h, w, 3)``.
        table: ``(K, BINS)``, see :func:`foreground`.
        boxes: ``(K, 4)`` xyxy, as shares of the image's width and height.
    """
    share = object_share(image, table, boxes[:, None])[:, 0]
    return np.asarray(np.clip(LIKENESS_GAIN * (share - 0.5), -MOST_LIKENESS, MOST_LIKENESS))


def _grid(centre: FloatArray, half: FloatArray, side: int) -> FloatArray:
    """Points ``(N, side^2, 2)`` spread over boxes."""
    step = (np.arange(side) + 0.5) / side * 2 - 1
    across, down = np.meshgrid(step, step)
    unit = np.stack([across.ravel(), down.ravel()], axis=1)
    return np.asarray(centre[:, None] + unit[None] * half[:, None])


def _colours(image: ColourImage, points: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Bin of the pixel under each point ``(..., 2)``, and whether the point is in the image."""
    height, width = image.shape[:2]
    across, down = points[..., 0] * width, points[..., 1] * height
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    x = np.minimum(np.maximum(across, 0), width - 1).astype(np.intp)
    y = np.minimum(np.maximum(down, 0), height - 1).astype(np.intp)
    pixel = image.reshape(-1, 3)[y * width + x].astype(np.intp)
    red, green, blue = pixel[..., 0], pixel[..., 1], pixel[..., 2]
    both = red + green
    bin_of = _BRIGHT[both + blue] + _FIRST[red - green + 255] + _SECOND[(both >> 1) - blue + 255]
    return bin_of, inside


def _histogram(
    image: ColourImage, points: FloatArray, chosen: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """Smoothed colour histograms ``(N, BINS)`` of points ``(N, K, 2)``; rows sum to about 1."""
    colours, inside = _colours(image, points)
    if chosen is not None:
        inside &= chosen
    count = len(points)
    cells = (np.arange(count)[:, None] * BINS + colours)[inside]
    bins = np.bincount(cells, minlength=count * BINS).astype(np.float32)
    cube = bins.reshape(count, SIDE, SIDE, SIDE)
    for axis in (1, 2, 3):
        low = np.concatenate([cube.take([0], axis), cube.take(range(SIDE - 1), axis)], axis)
        high = np.concatenate([cube.take(range(1, SIDE), axis), cube.take([-1], axis)], axis)
        cube = 0.5 * cube + 0.25 * (low + high)
    flat = cube.reshape(count, BINS)
    return np.asarray(flat / np.maximum(flat.sum(axis=1, keepdims=True), 1.0), np.float32)
