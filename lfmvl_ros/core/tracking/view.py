# SPDX-License-Identifier: Apache-2.0
"""From the tracker's state to the tracks at one camera frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lfmvl_ros.core.calibration.confidence import CALIBRATED
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import evidence
from lfmvl_ros.core.tracking.ego_motion import EgoMotion
from lfmvl_ros.core.tracking.life import Cadence
from lfmvl_ros.core.tracking.motion import shrink_velocity
from lfmvl_ros.core.tracking.opinions import Opinion, doubted, newest, of_ids, raised
from lfmvl_ros.core.tracking.pauses import NO_PAUSES, Pauses
from lfmvl_ros.core.tracking.table import Table, boxes_in_image
from lfmvl_ros.core.tracking.tracks import Tracks, TrackState
from lfmvl_ros.core.tracking.update import carried, is_alive


def tracks_at(
    table: Table,
    stamp_ns: int,
    source: Grounding,
    cadence: Cadence,
    settings: TrackerSettings,
    ego: EgoMotion | None = None,
    pauses: Pauses = NO_PAUSES,
    opinions: Sequence[Opinion] = (),
) -> Tracks:
    """Return the tracks of ``table`` predicted to ``stamp_ns``, not before the table's own time.

    Tracks unseen for too long, and those that have left the image, are left out. A track does not
    coast while the image stands still and the model is not asked for that reason.

    Args:
        table: the tracks after the answer ``source``.
        stamp_ns: time of the camera frame.
        source: names the camera and its image size.
        cadence: of the answers so far.
        settings: of the tracker.
        ego: the camera's rotation, where it is known and not seen in ``table`` already.
        pauses: when the model was not asked.
        opinions: of a second model, in the order of their frames; ``table`` has their effect.
    """
    trusted = shrink_velocity(table.mean, table.covariance)
    now = carried(table, stamp_ns, settings, ego, pauses)
    best = carried(table.changed(mean=trusted), stamp_ns, settings, ego, pauses)
    alive = is_alive(best, source.wh, cadence, settings, pauses) & ~best.hidden
    # What shrinking the velocity keeps from the position is an error that may be there.
    doubt = (now.mean - best.mean)[alive, :4]
    now, trusted = now.take(alive), best.mean[alive]
    covariance = now.covariance[:, :4, :4] + now.lasting + doubt[:, :, None] * doubt[:, None, :]
    boxes = boxes_in_image(trusted, source.wh)
    coasted_s = (stamp_ns - now.steady_until_ns) * NS
    if pauses:
        coasted_s = coasted_s - pauses.between_s(now.seen_ns, stamp_ns, still_only=True)
    coasted_s = np.maximum(coasted_s, 0.0)
    fading = np.exp(-coasted_s / cadence.life_s(settings))
    # Not their product: the model's confidence is that of box and label already.
    sure = np.minimum(now.confidence, evidence.share(now))
    coasting = now.missed | (coasted_s > 0)
    calibrated = source.confidence_kind == CALIBRATED
    confirmed = now.confirmed & ~doubted(now, calibrated, settings)
    return Tracks(
        stamp_ns=stamp_ns,
        ids=now.ids,
        labels=tuple(table.spelling[column] for column in now.label.tolist()),
        scores=np.minimum(raised(now.sighted * sure, now.second) * fading, 1.0),
        xyxy_px=boxes,
        velocity_px_s=trusted[:, 4:6].copy(),
        covariance=(covariance + covariance.transpose(0, 2, 1)) / 2,
        state=tuple(
            _state(known, late)
            for known, late in zip(confirmed.tolist(), coasting.tolist(), strict=True)
        ),
        age_s=np.maximum((stamp_ns - now.born_ns) * NS, 0.0),
        frame_id=source.frame_id,
        camera=source.camera,
        wh=source.wh,
        existence=dict(zip(now.ids.tolist(), now.existence.tolist(), strict=True)),
        # Only with their effect: a new one may not have reached this frame's table yet.
        opinions=newest(of_ids(opinions, now.ids[now.second != 0].tolist())),
    )


def _state(confirmed: bool, coasting: bool) -> TrackState:
    if not confirmed:
        return TrackState.TENTATIVE
    return TrackState.COASTING if coasting else TrackState.CONFIRMED
