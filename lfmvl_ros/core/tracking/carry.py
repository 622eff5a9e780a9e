# SPDX-License-Identifier: Apache-2.0
"""Moves tracks from one camera frame to the next with optical flow.

If flow was measured in a box, its centre moves by it, and the movement also measures the velocity.
If not (no texture, or hidden behind something nearer), the centre moves as predicted, plus the
camera's motion if the background shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, cxcywh_to_xyxy
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking.background import GridFlow
from lfmvl_ros.core.tracking.colour import ColourImage, point_weight
from lfmvl_ros.core.tracking.ego_motion import EgoMotion
from lfmvl_ros.core.tracking.flow import BoxMotion, GreyImage, box_motion
from lfmvl_ros.core.tracking.follower import Looked
from lfmvl_ros.core.tracking.hypotheses import (
    SCENE,
    Predictions,
    predictions,
    reseated,
    with_sides,
)
from lfmvl_ros.core.tracking.pauses import NO_PAUSES, Pauses
from lfmvl_ros.core.tracking.table import Table
from lfmvl_ros.core.tracking.update import carried

# Flow between frames further apart than this is unreliable.
LONGEST_STEP_S = 0.5
# Drift of the moved centre: box sizes per square root of a second, and as a share of its movement
# relative to the background. The share is such that 90 % regions hold 90 % of true centres on real
# video (docs/experiments/tracking_real.md).
DRIFT = 0.08
SLIP = 0.2
FLOW_SIGMA_PX = 0.3
GROWTH_DRIFT = 0.05


@dataclass(frozen=True, eq=False)
class Seen:
    """One remembered frame, the tracks moved to it and the camera's last movement.

    Attributes:
        stamp_ns: of the frame.
        wh: size of the camera's image, px.
        grey: ``(h, w)`` small copy.
        colour: ``(h, w, 3)`` still smaller copy.
        detail: ``(h, w, 3)`` copy of the size of ``grey`` for a follower; None without one.
        table: the tracks at this frame; None before the first answer's frame.
        camera: ``(3, 3)`` homography from the frame before, px of the small copy, or None; the
            last one that could be measured.
        step_s: time since the frame before, 0 if there is none.
        grid: where points of the background went since the frame taken at ``grid_since_ns``; None
            before they are followed.
        support: ``(N,)`` share of the points that flow followed, by track; None where it did not.
        looked: the time that a follower has spent up to this frame, and when.
    """

    stamp_ns: int
    wh: tuple[int, int]
    grey: GreyImage
    colour: ColourImage
    detail: ColourImage | None = None
    table: Table | None = None
    camera: FloatArray | None = None
    step_s: float = 0.0
    grid: GridFlow | None = None
    grid_since_ns: int = 0
    support: FloatArray | None = None
    looked: Looked = field(default_factory=Looked)

    @property
    def scale(self) -> FloatArray:
        """Px of the small copy per px of the image, ``(2,)``: across, down."""
        return self.scale4[:2]

    @property
    def scale4(self) -> FloatArray:
        """The same twice, ``(4,)``: for boxes xyxy."""
        return _scale((self.grey.shape[1], self.grey.shape[0]), self.wh)


@lru_cache(maxsize=8)
def _scale(small_wh: tuple[int, int], wh: tuple[int, int]) -> FloatArray:
    """Px of a small copy per px of the image, ``(4,)``: across, down, twice. Not written to."""
    scale = np.array(small_wh * 2, dtype=np.float64) / np.array(wh * 2, dtype=np.float64)
    scale.setflags(write=False)
    return scale


def small_boxes(seen: Seen, table: Table) -> FloatArray:
    """Boxes ``(N, 4)`` xyxy of tracks, px of a frame's small copy."""
    boxes: FloatArray = cxcywh_to_xyxy(table.mean[:, :4])
    boxes *= seen.scale4
    return boxes


def step(
    before: Seen,
    after: Seen,
    settings: TrackerSettings,
    across: NDArray[np.intp],
    ego: EgoMotion | None = None,
    pauses: Pauses = NO_PAUSES,
) -> Seen:
    """Return ``after`` with the tracks of ``before`` moved to it.

    Args:
        before: with a table at its own stamp.
        after: the next frame.
        settings: of the tracker.
        across: ``(N,)`` points along each box's sides.
        ego: the camera's rotation, where it is known; the search for pixels starts there.
        pauses: when the image stood still.
    """
    table, step_s = before.table, (after.stamp_ns - before.stamp_ns) * NS
    if table is None:
        return after
    if not len(table) or before.wh != after.wh or step_s > LONGEST_STEP_S:
        predicted = carried(table, after.stamp_ns, settings, pauses=pauses)
        return replace(after, table=predicted, step_s=step_s, support=None)
    ahead = predictions(table, after.stamp_ns, settings)
    motion = _measured(before, after, table, ahead, step_s, across, ego)
    scale = before.scale
    background = motion.background / scale
    alone = ahead.alone_mean
    alone[:, 0, :2] += background
    # A box without flow moves with the likelier of the other two hypotheses.
    likelier = table.weight[:, SCENE:].argmax(axis=1)
    every = np.arange(len(table))
    own = alone[every, likelier, :4] - table.alone_mean[every, likelier, :4]
    mean, covariance = _moved(table, ahead, motion, own, scale, step_s)
    moved = table.changed(
        stamp_ns=after.stamp_ns,
        mean=mean,
        covariance=covariance,
        alone_mean=alone,
        alone_covariance=ahead.alone_covariance,
        alone_ns=after.stamp_ns,
        background=background / step_s,
    )
    if pauses.still_ns(before.stamp_ns, after.stamp_ns):
        moved = _rested(table, moved, motion.support > 0)
    return replace(
        after,
        table=reseated(moved),
        camera=motion.camera,
        step_s=step_s,
        grid=motion.grid,
        grid_since_ns=before.stamp_ns,
        support=motion.support,
    )


def _rested(table: Table, moved: Table, seen: NDArray[np.bool_]) -> Table:
    """Return ``moved``, as certain as ``table`` was, since the image stood still between them.

    What is too small to count as motion is still followed where flow has ``seen`` it, ``(N,)``.
    """
    return moved.changed(
        mean=np.where(seen[:, None], moved.mean, table.mean),
        covariance=table.covariance,
        alone_mean=table.alone_mean,
        alone_covariance=table.alone_covariance,
    )


def _measured(
    before: Seen,
    after: Seen,
    table: Table,
    ahead: Predictions,
    step_s: float,
    across: NDArray[np.intp],
    ego: EgoMotion | None,
) -> BoxMotion:
    """The flow of the tracks of ``before``, see :func:`step`."""
    scale, rotation = before.scale, None
    if ego is not None:
        turn = ego.rotation(before.stamp_ns, after.stamp_ns)
        rotation = ego.lens.homography(turn, scale)
    small_wh = np.array(before.grey.shape[::-1])

    def weight(points: FloatArray, rows: NDArray[np.intp]) -> FloatArray:
        return point_weight(before.colour, table.colour, (points + 0.5) / small_wh, rows)

    spread, likely = ahead.alone_covariance, table.weight[:, SCENE:]
    return box_motion(
        before.grey,
        after.grey,
        small_boxes(before, table),
        across=across,
        expected=(ahead.alone_mean[:, :, :2] - table.alone_mean[:, :, :2]) * scale,
        likely=likely / (likely[:, 0] + likely[:, 1])[:, None],
        expected_sigma=np.sqrt((spread[:, 4, 4] + spread[:, 5, 5]) / 2)
        * (step_s * float(scale.mean())),
        solid=table.confirmed & ~table.missed,
        ignored=table.hidden,
        rotation=rotation,
        camera_guess=before.camera,
        point_weight=weight,
        grid=after.grid if after.grid_since_ns == before.stamp_ns else None,
    )


def _moved(
    table: Table,
    ahead: Predictions,
    motion: BoxMotion,
    own: FloatArray,
    scale: FloatArray,
    step_s: float,
) -> tuple[FloatArray, FloatArray]:
    """Mean ``(N, 8)`` and covariance ``(N, 8, 8)`` after a step.

    Args:
        table: the tracks before it.
        ahead: the tracks as predicted.
        motion: the measured flow, in px of the small copy.
        own: ``(N, 4)`` how boxes without flow change.
        scale: px of the small copy per px of the image.
        step_s: how long it takes.
    """
    here, mean = table.mean, ahead.mean.copy()
    mean[:, :4] = here[:, :4] + own
    seen = motion.support > 0
    if not seen.any():
        return with_sides(mean), ahead.covariance
    shift, relative = motion.shift / scale, (motion.shift - motion.background) / scale
    drift = (DRIFT**2 * step_s) * here[:, 2] * here[:, 3] / np.where(seen, motion.support, 1.0)
    noise = (drift[:, None] + (SLIP * relative) ** 2) * table.noise_scale[:, None]
    velocity, measured = _measured_velocity(table, ahead, shift, noise, step_s, float(scale.mean()))
    grown = seen & (motion.scale != 1.0)
    rows = seen[:, None]
    mean[:, :2] = np.where(rows, here[:, :2] + shift, mean[:, :2])
    mean[:, 4:6] = np.where(rows, velocity, mean[:, 4:6])
    mean[:, 2:4] = np.where(grown[:, None], here[:, 2:4] * motion.scale[:, None], mean[:, 2:4])
    covariance = np.where(rows[:, :, None], measured, ahead.covariance)
    # The variances of width and height are entries 18 and 27 of the 64.
    told = (GROWTH_DRIFT * mean[:, 2:4]) ** 2 * step_s
    covariance.reshape(-1, 64)[:, 18:28:9] += grown[:, None] * told
    return with_sides(mean), covariance


def _measured_velocity(
    table: Table,
    ahead: Predictions,
    shift: FloatArray,
    noise: FloatArray,
    step_s: float,
    scale: float,
) -> tuple[FloatArray, FloatArray]:
    """Velocity ``(N, 2)`` corrected by the flow, and the covariance ``(N, 8, 8)`` after the step.

    The centre's covariance grows by ``noise`` only, because the movement was measured and not
    predicted from the velocity. Centre and size are decorrelated, which keeps it positive definite.
    """
    count = len(table)
    # Both sides of a covariance as (place or velocity, centre or size, x or y), so that the centre
    # and the size are slices.
    parts = (count, 2, 2, 2, 2, 2, 2)
    prior = ahead.covariance.reshape(parts)
    centre = table.covariance.reshape(parts)[:, :, 0, :, :, 0, :].reshape(count, 4, 4)
    velocity = ahead.mean[:, 4:6]
    variance = np.stack([ahead.covariance[:, 4, 4], ahead.covariance[:, 5, 5]], axis=1)
    error = (FLOW_SIGMA_PX / scale / step_s) ** 2
    gain = variance / (variance + error)
    diagonal = centre.reshape(count, 16)[:, ::5]
    diagonal[:, 2:] = variance
    centre[:, 2:] *= (1 - gain)[:, :, None]
    centre[:, :, 2:] *= (1 - gain)[:, None, :]
    diagonal[:, :2] += noise
    diagonal[:, 2:] += gain**2 * error
    out = np.zeros(parts)
    out[:, :, 0, :, :, 0, :] = centre.reshape(count, 2, 2, 2, 2)
    out[:, :, 1, :, :, 1, :] = prior[:, :, 1, :, :, 1, :]
    return velocity + gain * (shift / step_s - velocity), out.reshape(count, 8, 8)
