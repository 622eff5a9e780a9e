# SPDX-License-Identifier: Apache-2.0
"""How the pixels under boxes moved from one camera frame to the next: sparse optical flow.

A few points inside each box are followed with the pyramidal method of Lucas and Kanade (Bouguet,
"Pyramidal implementation of the Lucas Kanade feature tracker", 2000). A box's points rarely all
lie on its object: those with colours of the surroundings and those that move as the background
does count less, and the box moves as most of what is left agrees
(:mod:`lfmvl_ros.core.tracking.consensus`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, iou_matrix
from lfmvl_ros.core.tracking.consensus import agreed_motion

GreyImage = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
PointWeight = Callable[[FloatArray, NDArray[np.intp]], FloatArray]
GREY_HEIGHT_PX = 360
WINDOW_PX = 7
LEVELS = 3
# Least eigenvalue of a window's gradient matrix: below it there is nothing to hold on to.
TEXTURE = 1e-3
INSET = 0.1
BACKGROUND_GRID = (14, 8)
BACKGROUND_LEAST = 8
BACKGROUND_TOLERANCE_PX = 1.0
# How much a point counts that moves exactly as the background, and how far from that it stops.
BACKGROUND_VOTE = 0.1
BACKGROUND_KERNEL_PX = 1.0
SAME_THING_IOU = 0.7
# One point for every so many px of a box's shorter side.
POINT_SPACING_PX = 8.0
FEWEST_ACROSS, MOST_ACROSS = 3, 8
SCALE_SIDE_PX = 24.0
# What a camera turns this close to 90 degrees off its axis, or beyond, is out of the picture.
LEAST_DEPTH = 0.05


@dataclass(frozen=True, eq=False)
class BoxMotion:
    """What happened to N boxes between two frames, in px of the small picture.

    Attributes:
        shift: ``(N, 2)`` movement of the centre.
        scale: ``(N,)`` growth, 1 where it was not measured.
        support: ``(N,)`` share of a box's points that moved together, 0 where it was lost.
        background: ``(N, 2)`` movement of the scene behind each centre; by the known rotation
            alone if ``camera`` is None.
        camera: ``(3, 3)`` homography that carries points of the background, or None.
    """

    shift: FloatArray
    scale: FloatArray
    support: FloatArray
    background: FloatArray
    camera: FloatArray | None


def small_grey(pixels: NDArray[np.uint8]) -> GreyImage:
    """Return a grey copy ``(h, w)`` of an RGB picture, at most 360 px high.

    >>> small_grey(np.zeros((720, 1280, 3), np.uint8)).shape
    (360, 640)
    """
    height, width = pixels.shape[:2]
    if height > GREY_HEIGHT_PX:
        size = (max(round(width * GREY_HEIGHT_PX / height), 1), GREY_HEIGHT_PX)
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def points_across(boxes: FloatArray, most_points: int) -> NDArray[np.intp]:
    """How many points ``(N,)`` to follow along the sides of boxes, ``most_points`` in all.

    Args:
        boxes: ``(N, 4)`` xyxy, px of the small image.
        most_points: for all boxes together; 3x3 for each is the least.
    """
    shorter = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf)
    wanted = np.clip(np.rint(shorter / POINT_SPACING_PX), FEWEST_ACROSS, MOST_ACROSS)
    limit = MOST_ACROSS
    while limit > FEWEST_ACROSS and float((np.minimum(wanted, limit) ** 2).sum()) > most_points:
        limit -= 1
    return np.asarray(np.minimum(wanted, limit), np.intp)


def box_motion(
    before: GreyImage,
    after: GreyImage,
    boxes: FloatArray,
    *,
    across: NDArray[np.intp],
    expected: FloatArray,
    likely: FloatArray,
    expected_sigma: FloatArray,
    solid: BoolArray,
    ignored: BoolArray | None = None,
    rotation: FloatArray | None = None,
    camera_guess: FloatArray | None = None,
    point_weight: PointWeight | None = None,
) -> BoxMotion:
    """Measure how boxes moved.

    Args:
        before: ``(h, w)`` small image in which the boxes are.
        after: the next one, same size.
        boxes: ``(N, 4)`` xyxy, px of the small image.
        across: ``(N,)`` points along each box's sides, see :func:`points_across`.
        expected: ``(N, 2, 2)`` movements that are expected: relative to the scene behind the box,
            and relative to the image, px.
        likely: ``(N, 2)`` their probabilities.
        expected_sigma: ``(N,)`` their standard deviation, px.
        solid: ``(N,)`` boxes that hide what is behind them.
        ignored: ``(N,)`` boxes that are not measured; None for none.
        rotation: ``(3, 3)`` homography of how the camera turned, where that is known otherwise:
            points are looked for where it puts them.
        camera_guess: ``(3, 3)`` what the camera's motion is taken for where it cannot be measured.
        point_weight: how much points ``(M, 2)`` of boxes ``(M,)`` count, (0, 1]; None for all 1.
    """
    height, width = before.shape
    points, weight = _grid_points(boxes, across, (width, height))
    usable = (weight > 0) & _visible(points, boxes, solid, (width, height))
    if ignored is not None:
        usable[ignored] = False
    rows, _ = np.nonzero(usable)
    behind = _background_points(boxes if ignored is None else boxes[~ignored], (width, height))
    start, count = np.concatenate([points[usable], behind]), len(rows)
    turn = np.eye(3) if rotation is None else rotation
    foreseen = transformed(start, turn)
    moved, good = follow_points(before, after, start, foreseen)
    camera = _camera_motion(foreseen[count:][good[count:]], moved[count:][good[count:]])
    # From here on, movements are those that the camera's turning does not explain.
    shifts = np.zeros(points.shape)
    shifts[usable] = moved[:count] - foreseen[:count]
    voice = good[:count].astype(np.float64)
    if point_weight is not None and count:
        voice *= point_weight(start[:count], rows)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    turned = transformed(centres, turn)
    background = turned - centres
    if camera is not None:
        background = transformed(turned, camera) - centres
        still = transformed(foreseen[:count], camera) - foreseen[:count]
        apart = ((shifts[usable] - still) ** 2).sum(axis=1) / (2 * BACKGROUND_KERNEL_PX**2)
        still_share = _still(expected, likely, expected_sigma, background - (turned - centres))
        doubt = (1 - BACKGROUND_VOTE) * (1 - still_share[rows])
        voice *= 1 - doubt * np.exp(-apart)
        camera = camera @ turn
    elif camera_guess is not None:
        background, camera = transformed(centres, camera_guess) - centres, camera_guess
    weight[~usable] = 0.0
    weight[usable] *= voice
    sides = boxes[:, 2:] - boxes[:, :2]
    agreed = agreed_motion(
        points - centres[:, None],
        shifts,
        weight,
        np.sqrt(np.maximum(sides.prod(axis=1), 1.0)),
        expected - (turned - centres)[:, None] + np.stack([background, 0 * background], axis=1),
        likely,
        expected_sigma,
        sides.min(axis=1, initial=np.inf) >= SCALE_SIDE_PX,
    )
    asked = np.maximum(usable.sum(axis=1), 1)
    followed = np.bincount(rows[good[:count]], minlength=len(boxes)) / asked
    moved_by = agreed.shift + turned - centres
    return BoxMotion(moved_by, agreed.growth, agreed.support * followed, background, camera)


def _still(
    expected: FloatArray, likely: FloatArray, sigma: FloatArray, background: FloatArray
) -> FloatArray:
    """Probability ``(N,)`` that boxes are expected to move as the background does.

    See :func:`box_motion` for the first three; ``background (N, 2)`` is its movement behind them.
    """
    variance = sigma**2 + BACKGROUND_KERNEL_PX**2
    own = expected - np.stack([0 * background, background], axis=1)
    near = np.exp(-(own**2).sum(axis=-1) / (2 * variance[:, None]))
    return np.asarray((likely * near).sum(axis=1) * BACKGROUND_KERNEL_PX**2 / variance)


def transformed(points: FloatArray, homography: FloatArray) -> FloatArray:
    """Points ``(M, 2)`` after a homography ``(3, 3)``; those it puts out of sight stay."""
    ends = points @ homography[:, :2].T + homography[:, 2]
    visible = ends[:, 2:] > LEAST_DEPTH
    return np.where(visible, ends[:, :2] / np.where(visible, ends[:, 2:], 1.0), points)


def follow_points(
    before: GreyImage, after: GreyImage, start: FloatArray, foreseen: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Follow points ``(M, 2)``; where they went, and which could be followed.

    Points are not followed back: that costs as much again, and the consensus of a box's points
    leaves out those that went astray, as does the robust fit of the background.

    Args:
        before: a small image.
        after: the next one.
        start: where the points are.
        foreseen: ``(M, 2)`` where to look for them. They are found up to about 20 px from there.
    """
    if not len(start):
        return np.zeros((0, 2)), np.zeros(0, np.bool_)
    end, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        np.asarray(start, np.float32).reshape(-1, 1, 2),
        np.asarray(foreseen, np.float32).reshape(-1, 1, 2),
        winSize=(WINDOW_PX, WINDOW_PX),
        maxLevel=LEVELS,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 12, 0.02),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        minEigThreshold=TEXTURE,
    )
    return np.asarray(end.reshape(-1, 2), np.float64), np.asarray(found.ravel() == 1, np.bool_)


def _grid_points(
    boxes: FloatArray, across: NDArray[np.intp], wh: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Points ``(N, K, 2)`` spread over the part of each box that is in the image.

    And their weight ``(N, K)``: the middle of a box is most likely its object. Boxes with fewer
    than K points have weights of 0 at the end.
    """
    limit = np.array([*wh, *wh], dtype=np.float64)
    inside = np.clip(boxes, 0.0, limit)
    low, size = inside[:, None, :2], (inside[:, 2:] - inside[:, :2])[:, None, :]
    number = np.arange(int(across.max(initial=1)) ** 2)
    place = np.stack([number % across[:, None], number // across[:, None]], axis=-1)
    share = (place + 0.5) / across[:, None, None]
    weight = np.exp(-(((share - 0.5) / 0.4) ** 2).sum(axis=-1))
    weight[number[None] >= across[:, None] ** 2] = 0.0
    grid = INSET + (1 - 2 * INSET) * share
    return np.asarray(low + grid * size - 0.5), np.asarray(weight)


def _visible(
    points: FloatArray, boxes: FloatArray, solid: BoolArray, wh: tuple[int, int]
) -> BoolArray:
    """Which points ``(N, K)`` are in the picture and under no nearer box.

    Of two things on one floor, the nearer one reaches further down in the picture.
    """
    limit = np.array(wh, dtype=np.float64) - 1
    usable: BoolArray = np.all((points >= 0) & (points <= limit), axis=-1)
    bottom, shared = boxes[:, 3], iou_matrix(boxes, boxes)
    # Two boxes nearly alike are two tracks of one thing; neither hides the other.
    covers = (shared > 0) & (shared < SAME_THING_IOU) & solid[None, :]
    covers &= bottom[None, :] > bottom[:, None]
    for behind, front in np.argwhere(covers).tolist():
        box = boxes[front]
        covered = np.all((points[behind] > box[:2]) & (points[behind] < box[2:]), axis=-1)
        usable[behind] &= ~covered
    return usable


def _background_points(boxes: FloatArray, wh: tuple[int, int]) -> FloatArray:
    """Points ``(B, 2)`` of a grid over the picture that lie in no box."""
    columns, rows = BACKGROUND_GRID
    x = (np.arange(columns) + 0.5) * wh[0] / columns
    y = (np.arange(rows) + 0.5) * wh[1] / rows
    points = np.stack([np.tile(x, rows), np.repeat(y, columns)], axis=1)
    inside = (points[:, None] > boxes[None, :, :2]) & (points[:, None] < boxes[None, :, 2:])
    return np.asarray(points[~np.any(np.all(inside, axis=-1), axis=1)])


def _camera_motion(start: FloatArray, end: FloatArray) -> FloatArray | None:
    """Similarity ``(3, 3)`` that most background points agree on, or None."""
    if len(start) < BACKGROUND_LEAST:
        return None
    motion, agree = cv2.estimateAffinePartial2D(
        start,
        end,
        method=cv2.RANSAC,
        ransacReprojThreshold=BACKGROUND_TOLERANCE_PX,
        maxIters=200,
        refineIters=3,
    )
    if motion is None or int(agree.sum()) < max(BACKGROUND_LEAST, len(start) // 3):
        return None
    return np.concatenate([np.asarray(motion, np.float64), [[0.0, 0.0, 1.0]]])
