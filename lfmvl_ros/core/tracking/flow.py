# SPDX-License-Identifier: Apache-2.0
"""How the pixels under boxes moved from one camera frame to the next: sparse optical flow.

A few points inside each box are tracked with the pyramidal method of Lucas and Kanade (Bouguet,
"Pyramidal implementation of the Lucas Kanade feature tracker", 2000). Not all of them lie on the
object: points with colours of the surroundings, and points that move as the background does, count
less. The box takes the motion on which most of the others agree
(:mod:`lfmvl_ros.core.tracking.consensus`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.tracking.background import GridFlow, grid_points, outside_boxes
from lfmvl_ros.core.tracking.consensus import Agreed, agreed_motion
from lfmvl_ros.core.tracking.points import BoolArray, FollowedPoints, points_to_follow

GreyImage = NDArray[np.uint8]
PointWeight = Callable[[FloatArray, NDArray[np.intp]], FloatArray]
GREY_HEIGHT_PX = 360
# OpenCV computes eight pixels of a row at once and the remaining ones singly: a window of 7 px
# takes twice as long.
WINDOW_PX = 8
LEVELS = 3
# Smallest eigenvalue of a window's gradient matrix; below it there is too little texture.
TEXTURE = 1e-3
# Weight of a point that moves exactly as the background, and the standard deviation of the Gaussian
# with which the weight rises to 1 as its motion differs.
BACKGROUND_VOTE = 0.1
BACKGROUND_KERNEL_PX = 1.0
SCALE_SIDE_PX = 24.0
# Points rotated this close to 90 degrees off the camera's axis, or beyond, are out of the image.
LEAST_DEPTH = 0.05


@dataclass(frozen=True, eq=False)
class BoxMotion:
    """How N boxes moved between two frames, in px of the small image.

    Attributes:
        shift: ``(N, 2)`` movement of the centre.
        scale: ``(N,)`` growth, 1 where it was not measured.
        support: ``(N,)`` share of a box's points that moved together, 0 where it was lost.
        background: ``(N, 2)`` movement of the scene behind each centre; by the known rotation
            alone if ``camera`` is None.
        camera: ``(3, 3)`` homography that carries points of the background, or None.
        grid: where points of the background went.
    """

    shift: FloatArray
    scale: FloatArray
    support: FloatArray
    background: FloatArray
    camera: FloatArray | None
    grid: GridFlow


def small_grey(pixels: NDArray[np.uint8]) -> GreyImage:
    """Return a grey copy ``(h, w)`` of an RGB image, at most 360 px high.

    >>> small_grey(np.zeros((720, 1280, 3), np.uint8)).shape
    (360, 640)
    """
    height, width = pixels.shape[:2]
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if height > GREY_HEIGHT_PX:  # after the conversion: a third of the work, which is most of it
        size = (max(round(width * GREY_HEIGHT_PX / height), 1), GREY_HEIGHT_PX)
        # Below half, averaging two neighbours is all that area averaging does, in a fifth of the
        # time.
        little = height < 2 * GREY_HEIGHT_PX
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR if little else cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


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
    grid: GridFlow | None = None,
) -> BoxMotion:
    """Measure how boxes moved.

    Args:
        before: ``(h, w)`` small image in which the boxes are.
        after: the next one, same size.
        boxes: ``(N, 4)`` xyxy, px of the small image.
        across: ``(N,)`` points along each box's sides, see
            :func:`~lfmvl_ros.core.tracking.points.points_across`.
        expected: ``(N, 2, 2)`` movements that are expected: relative to the scene behind the box,
            and relative to the image, px.
        likely: ``(N, 2)`` their probabilities.
        expected_sigma: ``(N,)`` their standard deviation, px.
        solid: ``(N,)`` boxes that hide what is behind them.
        ignored: ``(N,)`` boxes that are not measured; None for none.
        rotation: ``(3, 3)`` homography of the camera's measured rotation; the search for points
            starts where it puts them.
        camera_guess: ``(3, 3)`` used as the camera's motion where that cannot be measured.
        point_weight: how much points ``(M, 2)`` of boxes ``(M,)`` count, (0, 1]; None for all 1.
        grid: background points that were followed between the same two images before.
    """
    wh = (before.shape[1], before.shape[0])
    points = points_to_follow(boxes, across, solid, wh, ignored)
    behind = boxes if ignored is None or not ignored.any() else boxes[~ignored]
    followed = _followed(before, after, points.places, outside_boxes(behind, wh), rotation, grid)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    turned = centres if rotation is None else transformed(centres, rotation)
    background, camera = _behind(centres, turned, followed.grid.camera, rotation, camera_guess)
    # From here on, movements are relative to the camera's rotation.
    by_turning = turned - centres
    shift = followed.moved - followed.foreseen
    voice = followed.good.astype(np.float64)
    if point_weight is not None and len(points):
        voice *= point_weight(points.places, points.rows)
    if followed.grid.camera is not None:
        still = _still(expected, likely, expected_sigma, background - by_turning)[points.rows]
        voice *= _voice_of_background(followed.foreseen, shift, followed.grid.camera, still)
    likely_shift = expected - by_turning[:, None]
    likely_shift[:, 0] += background
    agreed = _agreed(points, shift, voice, boxes, centres, likely_shift, likely, expected_sigma)
    return BoxMotion(
        agreed.shift + by_turning,
        agreed.growth,
        agreed.support * points.share_of(followed.good),
        background,
        camera,
        followed.grid,
    )


def _behind(
    centres: FloatArray,
    turned: FloatArray,
    fitted: FloatArray | None,
    rotation: FloatArray | None,
    guess: FloatArray | None,
) -> tuple[FloatArray, FloatArray | None]:
    """Movement ``(N, 2)`` of the scene behind boxes, and the camera's as a homography, or None.

    Args:
        centres: ``(N, 2)`` of the boxes.
        turned: ``(N, 2)`` where the camera's rotation puts them.
        fitted: ``(3, 3)`` how the background moved in addition to the rotation; None: not
            measured.
        rotation: see :func:`box_motion`.
        guess: its ``camera_guess``.
    """
    if fitted is not None:
        camera = fitted if rotation is None else fitted @ rotation
        return transformed(turned, fitted) - centres, camera
    if guess is not None:
        return transformed(centres, guess) - centres, guess
    return turned - centres, None


def _agreed(
    points: FollowedPoints,
    shift: FloatArray,
    voice: FloatArray,
    boxes: FloatArray,
    centres: FloatArray,
    expected: FloatArray,
    likely: FloatArray,
    expected_sigma: FloatArray,
) -> Agreed:
    """What the points of each box agree on, of movements ``(M, 2)`` with weights ``(M,)``."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return agreed_motion(
        (points.grid - centres.T[:, :, None]).transpose(1, 2, 0),
        points.spread(shift.T).transpose(1, 2, 0),
        points.spread(points.weight * voice),
        np.sqrt(np.maximum(sides[:, 0] * sides[:, 1], 1.0)),
        expected,
        likely,
        expected_sigma,
        np.minimum(sides[:, 0], sides[:, 1]) >= SCALE_SIDE_PX,
    )


@dataclass(frozen=True, eq=False)
class _Followed:
    """Where the search for M points of boxes began and ended, which were found; the background."""

    foreseen: FloatArray
    moved: FloatArray
    good: BoolArray
    grid: GridFlow


def _followed(
    before: GreyImage,
    after: GreyImage,
    inner: FloatArray,
    outside: BoolArray,
    rotation: FloatArray | None,
    grid: GridFlow | None,
) -> _Followed:
    """Follow the points ``(M, 2)`` of boxes and those of the background in one call.

    See :func:`box_motion`; ``outside (G,)`` are the points of the background's grid to be used.
    """
    if grid is None or not grid.is_for(rotation):
        grid = GridFlow.empty(rotation)
    background = grid_points((before.shape[1], before.shape[0]))
    new = outside & ~grid.asked
    start = np.concatenate([inner, background[new]])
    foreseen = start if rotation is None else transformed(start, rotation)
    moved, good = follow_points(before, after, start, foreseen)
    count = len(inner)
    grid = grid.with_points(new, moved[count:], good[count:])
    sought = background if rotation is None else transformed(background, rotation)
    grid = grid.with_camera(outside, sought)
    return _Followed(foreseen[:count], moved[:count], good[:count], grid)


def _voice_of_background(
    foreseen: FloatArray, shift: FloatArray, camera: FloatArray, still_share: FloatArray
) -> FloatArray:
    """Weights of points ``(M,)`` by how they move relative to the background, (0, 1].

    Args:
        foreseen: ``(M, 2)`` where their search started.
        shift: ``(M, 2)`` how far from there they were found.
        camera: ``(3, 3)`` how the background moved from where its search started.
        still_share: ``(M,)`` probability that a point's box is expected to move with it.
    """
    off = shift - (transformed(foreseen, camera) - foreseen)
    off *= off
    apart = (off[:, 0] + off[:, 1]) / (-2 * BACKGROUND_KERNEL_PX**2)
    return np.asarray(1 - (1 - BACKGROUND_VOTE) * (1 - still_share) * np.exp(apart))


def _still(
    expected: FloatArray, likely: FloatArray, sigma: FloatArray, background: FloatArray
) -> FloatArray:
    """Probability ``(N,)`` that boxes are expected to move as the background does.

    See :func:`box_motion` for the first three; ``background (N, 2)`` is its movement behind them.
    """
    variance = sigma**2 + BACKGROUND_KERNEL_PX**2
    own = expected.copy()
    own[:, 1] -= background
    own *= own
    near = np.exp((own[:, :, 0] + own[:, :, 1]) / (-2 * variance[:, None]))
    near *= likely
    return np.asarray((near[:, 0] + near[:, 1]) * BACKGROUND_KERNEL_PX**2 / variance)


def transformed(points: FloatArray, homography: FloatArray) -> FloatArray:
    """Points ``(M, 2)`` after a homography ``(3, 3)``; those it moves out of the image stay."""
    ends = points @ homography[:, :2].T
    ends += homography[:, 2]
    if not homography[2, :2].any() and homography[2, 2] == 1.0:  # affine: nothing to divide by
        return ends[:, :2]
    in_sight = ends[:, 2:] > LEAST_DEPTH
    return np.where(in_sight, ends[:, :2] / np.where(in_sight, ends[:, 2:], 1.0), points)


def follow_points(
    before: GreyImage, after: GreyImage, start: FloatArray, foreseen: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Track points ``(M, 2)``; return where they went, and which were found.

    Points are not tracked back for a check, which would double the cost: the consensus of a box's
    points, and the robust fit of the background, reject outliers.

    Args:
        before: a small image.
        after: the next one.
        start: where the points are.
        foreseen: ``(M, 2)`` where their search starts. They are found up to about 20 px from there.
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
