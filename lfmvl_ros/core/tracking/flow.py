# SPDX-License-Identifier: Apache-2.0
"""How the pixels under boxes moved from one camera frame to the next: sparse optical flow.

A few points inside each box are followed with the pyramidal method of Lucas and Kanade (Bouguet,
"Pyramidal implementation of the Lucas Kanade feature tracker", 2000) there and back (Kalal,
Mikolajczyk, Matas, "Forward-backward error", ICPR 2010). A box's points rarely all lie on its
object, so the box moves as the best supported group of them does, not as their mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, iou_matrix

GreyImage = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
GREY_HEIGHT_PX = 360
WINDOW_PX = 7
LEVELS = 3
# Least eigenvalue of a window's gradient matrix: below it there is nothing to hold on to.
TEXTURE = 1e-3
# A point that does not come back to where it started was not followed.
RETURN_PX = 0.7
INSET = 0.1
# Points whose movements differ by about this much belong together.
KERNEL_PX = 0.5
BACKGROUND_GRID = (14, 8)
BACKGROUND_LEAST = 8
BACKGROUND_TOLERANCE_PX = 1.0
# What a point that moves like the background has to say about a box.
BACKGROUND_VOTE = 0.4
LEAST_POINTS = 3
SAME_THING_IOU = 0.7
SCALE_SIDE_PX = 48.0
SCALE_POINTS = 10
# What a camera turns this close to 90 degrees off its axis, or beyond, is out of the picture.
LEAST_DEPTH = 0.05


@dataclass(frozen=True, eq=False)
class BoxMotion:
    """What happened to N boxes between two frames, in px of the small picture.

    Attributes:
        shift: ``(N, 2)`` movement of the centre.
        scale: ``(N,)`` growth, 1 where it was not measured.
        support: ``(N,)`` share of a box's points that moved together, 0 where it was lost.
        background: ``(N, 2)`` movement of the scene behind each centre; zeros if ``camera`` is
            None.
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


def box_motion(
    before: GreyImage,
    after: GreyImage,
    boxes: FloatArray,
    *,
    side: int,
    expected: FloatArray,
    expected_sigma: FloatArray,
    solid: BoolArray,
    ignored: BoolArray | None = None,
    rotation: FloatArray | None = None,
) -> BoxMotion:
    """Measure how boxes moved.

    Args:
        before: ``(h, w)`` small picture in which the boxes are.
        after: the next one, same size.
        boxes: ``(N, 4)`` xyxy, px of the small picture.
        side: points along a box's side.
        expected: ``(N, 2)`` movement that the velocity so far foretells, px.
        expected_sigma: ``(N,)`` its standard deviation.
        solid: ``(N,)`` boxes that hide what is behind them.
        ignored: ``(N,)`` boxes that are not looked at; None for none.
        rotation: ``(3, 3)`` homography of how the camera turned, where that is known otherwise:
            points are looked for where it puts them.
    """
    height, width = before.shape
    points = _grid_points(boxes, side, (width, height))
    usable = _visible(points, boxes, solid, (width, height))
    n, per_box = usable.shape
    if ignored is not None:
        usable[ignored] = False
    behind = _background_points(boxes if ignored is None else boxes[~ignored], (width, height))
    start = np.concatenate([points[usable], behind])
    turn = np.eye(3) if rotation is None else rotation
    foreseen = transformed(start, turn)
    moved, good = follow_points(before, after, start, foreseen)
    count = int(usable.sum())
    camera = _camera_motion(foreseen[count:][good[count:]], moved[count:][good[count:]])
    # From here on, movements are those that the camera's turning does not explain.
    shifts, followed = np.zeros((n, per_box, 2)), np.zeros((n, per_box), np.bool_)
    shifts[usable] = moved[:count] - foreseen[:count]
    followed[usable] = good[:count]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    turned = transformed(centres, turn)
    vote = np.where(followed, _centrality(side)[None], 0.0)
    background: FloatArray = np.zeros((n, 2))
    if camera is not None:
        background = transformed(turned, camera) - centres
        around = transformed(points.reshape(-1, 2), turn)
        still = (transformed(around, camera) - around).reshape(points.shape)
        alike = np.hypot(*np.moveaxis(shifts - still, -1, 0)) < KERNEL_PX
        vote = np.where(alike, BACKGROUND_VOTE * vote, vote)
        camera = camera @ turn
    sides = boxes[:, 2:] - boxes[:, :2]
    unexplained = expected - (turned - centres)
    shift, together, support = _best_group(shifts, vote, followed, unexplained, expected_sigma)
    scale = _growth(points, shifts, together, shift, centres, sides.min(axis=1))
    return BoxMotion(shift + turned - centres, scale, support, background, camera)


def transformed(points: FloatArray, homography: FloatArray) -> FloatArray:
    """Points ``(M, 2)`` after a homography ``(3, 3)``; those it puts out of sight stay."""
    ends = points @ homography[:, :2].T + homography[:, 2]
    visible = ends[:, 2:] > LEAST_DEPTH
    return np.where(visible, ends[:, :2] / np.where(visible, ends[:, 2:], 1.0), points)


def follow_points(
    before: GreyImage, after: GreyImage, start: FloatArray, foreseen: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Follow points ``(M, 2)`` there and back; where they went, and which were really followed.

    Args:
        before: a small picture.
        after: the next one.
        start: where the points are.
        foreseen: ``(M, 2)`` where to look for them. They are found up to about 20 px from there.
    """
    if not len(start):
        return np.zeros((0, 2)), np.zeros(0, np.bool_)
    origin = np.asarray(start, np.float32).reshape(-1, 1, 2)
    ahead = np.asarray(foreseen, np.float32).reshape(-1, 1, 2) - origin
    there, found = _flow(before, after, origin, ahead)
    back, returned = _flow(after, before, there, -ahead)
    off = np.abs(back - origin).reshape(-1, 2).max(axis=1)
    good = found & returned & (off < RETURN_PX)
    return np.asarray(there.reshape(-1, 2), np.float64), np.asarray(good, np.bool_)


def _flow(
    before: GreyImage,
    after: GreyImage,
    start: NDArray[np.float32],
    ahead: NDArray[np.float32],
) -> tuple[NDArray[np.float32], BoolArray]:
    end, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        start,
        start + ahead,
        winSize=(WINDOW_PX, WINDOW_PX),
        maxLevel=LEVELS,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 12, 0.02),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        minEigThreshold=TEXTURE,
    )
    return np.asarray(end, np.float32), np.asarray(found).ravel() == 1


def _grid_points(boxes: FloatArray, side: int, wh: tuple[int, int]) -> FloatArray:
    """Points ``(N, side * side, 2)`` spread over the part of each box that is in the picture."""
    limit = np.array([*wh, *wh], dtype=np.float64)
    inside = np.clip(boxes, 0.0, limit)
    low, size = inside[:, None, :2], (inside[:, 2:] - inside[:, :2])[:, None, :]
    share = INSET + (1 - 2 * INSET) * (np.arange(side) + 0.5) / side
    across, down = np.meshgrid(share, share)
    grid = np.stack([across.ravel(), down.ravel()], axis=1)
    return np.asarray(low + grid[None] * size - 0.5)


def _centrality(side: int) -> FloatArray:
    """Weight ``(side * side,)`` of a box's points: its middle is most likely its object."""
    offset = (np.arange(side) + 0.5) / side - 0.5
    bell = np.exp(-((offset / 0.4) ** 2))
    return np.asarray(np.outer(bell, bell).ravel())


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


def _best_group(
    shifts: FloatArray,
    vote: FloatArray,
    followed: BoolArray,
    expected: FloatArray,
    expected_sigma: FloatArray,
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """The movement ``(N, 2)`` most points agree on, those points ``(N, K)``, their share ``(N,)``.

    Each point proposes its own movement; the others vote for it the more, the closer they are.
    What was expected tips the balance between groups of about equal size.
    """
    apart = ((shifts[:, :, None] - shifts[:, None]) ** 2).sum(axis=-1)
    variance = KERNEL_PX**2
    near = np.exp(-apart / (2 * variance)) * vote[:, None, :]
    surprise = ((shifts - expected[:, None]) ** 2).sum(axis=-1)
    surprise = surprise / (2 * (expected_sigma[:, None] ** 2 + variance))
    votes = near.sum(axis=-1) * (0.3 + np.exp(-surprise))
    best = np.where(followed, votes, -1.0).argmax(axis=1)
    row = np.arange(len(best))
    chosen = shifts[row, best]
    together = followed & (apart[row, best] < 4 * variance)
    for _ in range(2):
        off = ((shifts - chosen[:, None]) ** 2).sum(axis=-1)
        weight = np.where(together, vote * np.exp(-off / (2 * variance)), 0.0)
        total = np.maximum(weight.sum(axis=1), 1e-9)
        mean = (shifts * weight[..., None]).sum(axis=1) / total[:, None]
        chosen = np.where(together.any(axis=1)[:, None], mean, 0.0)
    count = together.sum(axis=1)
    support = np.where(count >= LEAST_POINTS, count / max(shifts.shape[1], 1), 0.0)
    return chosen, together, np.asarray(support)


def _growth(
    points: FloatArray,
    shifts: FloatArray,
    together: BoolArray,
    shift: FloatArray,
    centres: FloatArray,
    sides: FloatArray,
) -> FloatArray:
    """How much boxes grew, ``(N,)``; 1 where they are too small or too plain to tell.

    Where it is known, ``shift`` is corrected: the points' middle need not be the box's.
    """
    scale = np.ones(len(sides))
    rows = np.flatnonzero((sides >= SCALE_SIDE_PX) & (together.sum(axis=1) >= SCALE_POINTS))
    for row in rows.tolist():
        start, step = points[row, together[row]], shifts[row, together[row]]
        spread = start - start.mean(axis=0)
        growth = float((spread * step).sum()) / max(float((spread**2).sum()), 1e-9)
        growth = min(max(growth, -0.1), 0.1)
        scale[row] = 1 + growth
        shift[row] = step.mean(axis=0) + growth * (centres[row] - start.mean(axis=0))
    return scale
