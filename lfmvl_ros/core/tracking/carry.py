# SPDX-License-Identifier: Apache-2.0
"""Tracks carried from one camera frame to the next by what the pixels did.

Where the flow of a box is known, its centre moves by it, and the movement measures the velocity as
well. Where it is not (nothing to hold on to, or hidden behind something nearer), the centre moves
as predicted, and with the camera if the background shows how that moved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, cxcywh_to_xyxy
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking.colour import ColourImage, point_weight
from lfmvl_ros.core.tracking.ego_motion import EgoMotion
from lfmvl_ros.core.tracking.flow import BoxMotion, GreyImage, box_motion
from lfmvl_ros.core.tracking.hypotheses import SCENE, reseated, without_flow
from lfmvl_ros.core.tracking.table import MIN_SIDE_PX, Table
from lfmvl_ros.core.tracking.update import carried

# Flow between frames further apart than this is guesswork.
LONGEST_STEP_S = 0.5
# How far the carried centre strays from its object: box sizes per square root of a second, and as
# a share of its movement relative to the background.
DRIFT = 0.08
SLIP = 0.1
FLOW_SIGMA_PX = 0.3
GROWTH_DRIFT = 0.05
_CENTRE = np.array([0, 1, 4, 5])
_SIZE = np.array([2, 3, 6, 7])


@dataclass(frozen=True, eq=False)
class Seen:
    """One remembered frame, the tracks carried to it and the camera's last movement.

    Attributes:
        stamp_ns: of the frame.
        wh: size of the camera's picture, px.
        grey: ``(h, w)`` small copy.
        colour: ``(h, w, 3)`` still smaller copy.
        table: the tracks at this frame; None before the first answer's frame.
        camera: ``(3, 3)`` homography from the frame before, px of the small copy, or None; the
            last one that could be measured.
        step_s: time since the frame before, 0 if there is none.
    """

    stamp_ns: int
    wh: tuple[int, int]
    grey: GreyImage
    colour: ColourImage
    table: Table | None = None
    camera: FloatArray | None = None
    step_s: float = 0.0

    @property
    def scale(self) -> FloatArray:
        """Px of the small copy per px of the picture, ``(2,)``: across, down."""
        small = np.array(self.grey.shape[::-1], dtype=np.float64)
        return np.asarray(small / np.array(self.wh, dtype=np.float64))


def small_boxes(seen: Seen, table: Table) -> FloatArray:
    """Boxes ``(N, 4)`` xyxy of tracks, px of a frame's small copy."""
    return np.asarray(cxcywh_to_xyxy(table.mean[:, :4]) * np.tile(seen.scale, 2))


def step(
    before: Seen,
    after: Seen,
    settings: TrackerSettings,
    across: NDArray[np.intp],
    ego: EgoMotion | None = None,
) -> Seen:
    """Return ``after`` with the tracks of ``before`` carried to it.

    Args:
        before: with a table at its own stamp.
        after: the next frame.
        settings: of the tracker.
        across: ``(N,)`` points along each box's sides.
        ego: the camera's rotation, where it is known: says where to look for the pixels.
    """
    table, step_s = before.table, (after.stamp_ns - before.stamp_ns) * NS
    if table is None:
        return after
    predicted = carried(table, after.stamp_ns, settings)
    if not len(table) or before.wh != after.wh or step_s > LONGEST_STEP_S:
        return replace(after, table=predicted, step_s=step_s)
    alone, spread = without_flow(table, after.stamp_ns, settings)
    sigma_px = np.sqrt(np.trace(spread[:, 4:6, 4:6], axis1=1, axis2=2) / 2) * step_s
    likely = table.weight[:, SCENE:] / table.weight[:, SCENE:].sum(axis=1, keepdims=True)
    scale, rotation = before.scale, None
    if ego is not None:
        turn = ego.rotation(before.stamp_ns, after.stamp_ns)
        rotation = ego.lens.homography(turn, scale)

    def weight(points: FloatArray, rows: NDArray[np.intp]) -> FloatArray:
        share = (points + 0.5) / np.array(before.grey.shape[::-1])
        return point_weight(before.colour, table.colour, share, rows)

    motion = box_motion(
        before.grey,
        after.grey,
        small_boxes(before, table),
        across=across,
        expected=(alone[:, :, :2] - table.alone_mean[:, :, :2]) * scale,
        likely=likely,
        expected_sigma=sigma_px * float(scale.mean()),
        solid=table.confirmed & ~table.missed,
        ignored=table.hidden,
        rotation=rotation,
        camera_guess=before.camera,
        point_weight=weight,
    )
    background = motion.background / scale
    alone = alone.copy()
    alone[:, 0, :2] += background
    # A box without flow moves as the likelier of the other two hypotheses says.
    likelier = likely.argmax(axis=1)
    own = (alone - table.alone_mean)[np.arange(len(table)), likelier, :4]
    moved = replace(
        _moved(table, predicted, motion, own, scale, step_s),
        alone_mean=alone,
        alone_covariance=spread,
        alone_ns=after.stamp_ns,
        background=background / step_s,
    )
    moved = reseated(moved)
    return replace(after, table=moved, camera=motion.camera, step_s=step_s)


def _moved(
    table: Table,
    predicted: Table,
    motion: BoxMotion,
    own: FloatArray,
    scale: FloatArray,
    step_s: float,
) -> Table:
    mean, covariance = predicted.mean.copy(), predicted.covariance.copy()
    mean[:, :4] = table.mean[:, :4] + own
    seen = np.flatnonzero(motion.support > 0)
    if seen.size:
        shift = motion.shift[seen] / scale
        relative = (motion.shift - motion.background)[seen] / scale
        mean[seen, :2] = table.mean[seen, :2] + shift
        size = np.sqrt(table.mean[seen, 2] * table.mean[seen, 3])
        noise = (
            (DRIFT * size[:, None]) ** 2 * step_s / motion.support[seen, None]
            + (SLIP * relative) ** 2
        ) * table.surprise[seen, None]
        mean[seen, 4:6], covariance[seen] = _measured_velocity(
            table, predicted, seen, shift, noise, step_s, float(scale.mean())
        )
        grown = motion.scale[seen]
        mean[seen, 2:4] = np.where(
            (grown != 1.0)[:, None], table.mean[seen, 2:4] * grown[:, None], mean[seen, 2:4]
        )
        told = (grown != 1.0)[:, None] * (GROWTH_DRIFT * mean[seen, 2:4]) ** 2 * step_s
        covariance[seen[:, None], [2, 3], [2, 3]] += told
    mean[:, 2:4] = np.maximum(mean[:, 2:4], MIN_SIDE_PX)
    return replace(predicted, mean=mean, covariance=covariance)


def _measured_velocity(
    table: Table,
    predicted: Table,
    rows: NDArray[np.intp],
    shift: FloatArray,
    noise: FloatArray,
    step_s: float,
    scale: float,
) -> tuple[FloatArray, FloatArray]:
    """Velocity ``(K, 2)`` corrected by the flow, and the covariance ``(K, 8, 8)`` after the step.

    The centre's covariance grows by ``noise`` alone: the flow has seen the movement that the
    velocity would have foretold. Centre and size part ways, which keeps it positive definite.
    """
    velocity, prior = predicted.mean[rows, 4:6], predicted.covariance[rows]
    axis = np.arange(2)
    variance = prior[:, axis + 4, axis + 4]
    error = (FLOW_SIGMA_PX / scale / step_s) ** 2
    gain = variance / (variance + error)
    centre = table.covariance[np.ix_(rows, _CENTRE, _CENTRE)].copy()
    keep = np.concatenate([np.ones_like(gain), 1 - gain], axis=1)
    centre[:, axis + 2, axis + 2] = variance
    centre *= keep[:, :, None] * keep[:, None, :]
    centre[:, axis, axis] += noise
    centre[:, axis + 2, axis + 2] += gain**2 * error
    out = np.zeros_like(prior)
    out[:, _CENTRE[:, None], _CENTRE] = centre
    out[:, _SIZE[:, None], _SIZE] = prior[:, _SIZE[:, None], _SIZE]
    return velocity + gain * (shift / step_s - velocity), out
