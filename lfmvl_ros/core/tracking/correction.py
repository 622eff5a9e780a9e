# SPDX-License-Identifier: Apache-2.0
"""Corrects tracks by the boxes of an answer: those that were matched, and those that were not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lfmvl_ros.core.boxes import FloatArray, limited
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import evidence, life
from lfmvl_ros.core.tracking.association import Pairs
from lfmvl_ros.core.tracking.hypotheses import with_sides
from lfmvl_ros.core.tracking.life import Cadence
from lfmvl_ros.core.tracking.measurement import Measurements
from lfmvl_ros.core.tracking.motion import correct
from lfmvl_ros.core.tracking.noise import learnt_noise, process_noise
from lfmvl_ros.core.tracking.opinions import is_confirmed
from lfmvl_ros.core.tracking.regions import magnification_of, may_miss
from lfmvl_ros.core.tracking.sightings import Sightings, sightings
from lfmvl_ros.core.tracking.table import Table, put

# An innovation this unlikely means that the object did not move as the motion model assumes.
_UNLIKELY_NIS = float(chdtri(4, 0.05))  # of chi-squared with 4 degrees
MAX_INFLATION = 4.0
MOST_UNLIKELY_NIS = MAX_INFLATION * _UNLIKELY_NIS
CONFIDENCE_MEMORY = 0.7
# An object is leaving when its box is closer to the border than this share of the image.
BORDER_SHARE = 0.02


def corrected(
    table: Table,
    seen: Measurements,
    pairs: Pairs,
    columns: NDArray[np.intp],
    grounding: Grounding,
    cadence: Cadence,
    settings: TrackerSettings,
) -> Table:
    """Correct the tracks that were seen; the others count as missed where the answer allows it.

    Args:
        table: the tracks at the answer's frame.
        seen: the boxes.
        pairs: which of them belong to which track.
        columns: ``(M,)`` of the labels of the boxes in the vocabulary.
        grounding: the answer.
        cadence: of the answers so far.
        settings: of the tracker.
    """
    weight = life.answer_weight(grounding.stamp_ns, table.judged_ns, settings, table.fresh)
    if len(pairs.tracks):
        matched = sightings(seen, pairs, columns, len(table))
        table = _filtered(table, matched, settings)
        table = _believed(table, matched, weight, grounding, cadence, settings)
    if len(pairs.tracks) < len(table) and grounding.outcome.is_evidence_of_absence:
        absent = may_miss(table, grounding.region)
        absent[pairs.tracks] = False
        if absent.any():
            table = _missed(table, absent, weight, grounding, settings)
    return table


def _missed(
    table: Table,
    absent: NDArray[np.bool_],
    weight: FloatArray,
    grounding: Grounding,
    settings: TrackerSettings,
) -> Table:
    """Return the tracks after an answer that should have named those that are ``absent``."""
    against = life.after_miss(
        table.log_odds,
        weight,
        confirmed=table.confirmed,
        leaving=_is_leaving(table.mean, grounding.wh),
        settings=settings,
        second=table.second,
    )
    stamp, until = grounding.stamp_ns, table.steady_until_ns
    return table.changed(
        log_odds=np.where(absent, against, table.log_odds),
        missed=table.missed | absent,
        judged_ns=np.where(absent, stamp, table.judged_ns),
        steady_until_ns=np.where(absent, np.minimum(stamp, until), until),
    )


def _filtered(table: Table, seen: Sightings, settings: TrackerSettings) -> Table:
    """Return the tracks with the state of those that were seen corrected, and with their noise."""
    rows = seen.rows
    inflation = limited(seen.nis / _UNLIKELY_NIS, 1.0, MAX_INFLATION)
    if settings.noise_adaptation == 0:
        inflation = np.ones_like(inflation)
    predicted = table.covariance[rows] * inflation[:, None, None]
    fixed, spread = correct(table.mean[rows], predicted, seen.boxes, seen.error)
    with_sides(fixed)
    learnt = learnt_noise(table, seen, settings)
    return table.changed(
        jitter=learnt.jitter,
        jitter_known=learnt.jitter_known,
        fresh=learnt.fresh,
        mean=put(table.mean, rows, fixed),
        covariance=put(table.covariance, rows, spread),
        noise_scale=put(table.noise_scale, rows, learnt.noise_scale),
        innovation=put(table.innovation, rows, learnt.innovation),
        noise=put(table.noise, rows, process_noise(fixed, learnt.noise_scale, settings)),
    )


def _believed(
    table: Table,
    seen: Sightings,
    weight: FloatArray,
    grounding: Grounding,
    cadence: Cadence,
    settings: TrackerSettings,
) -> Table:
    """Return the tracks with what an answer says about the existence and label of those it saw."""
    rows, score, stamp_ns = seen.rows, seen.scores, grounding.stamp_ns
    counts = weight[rows]
    keep = CONFIDENCE_MEMORY**counts
    again = keep[:, None, None]
    lasting = again * table.lasting[rows] + (1 - again) * (1 - table.fresh) * seen.stated
    known = life.after_sight(table.log_odds[rows], counts, score, settings)
    log_odds = put(table.log_odds, rows, known)
    confidence = put(table.confidence, rows, keep * table.confidence[rows] + (1 - keep) * score)
    return table.changed(
        lasting=put(table.lasting, rows, lasting),
        log_odds=log_odds,
        confidence=confidence,
        posterior=evidence.observed(table, rows, seen.columns, score, counts),
        confirmed=table.confirmed
        | is_confirmed(log_odds, confidence, table.second, seen.calibrated, settings),
        missed=put(table.missed, rows, False),
        seen_ns=put(table.seen_ns, rows, stamp_ns),
        judged_ns=put(table.judged_ns, rows, stamp_ns),
        magnification=put(table.magnification, rows, magnification_of(grounding.region)),
        steady_until_ns=put(table.steady_until_ns, rows, stamp_ns + round(cadence.steady_s / NS)),
    )


def _is_leaving(mean: FloatArray, wh: tuple[int, int]) -> NDArray[np.bool_]:
    size = np.array(wh, dtype=np.float64)
    reach = np.abs(mean[:, :2] - size / 2) + mean[:, 2:4] / 2
    over = reach > (0.5 - BORDER_SHARE) * size
    return np.asarray(over[:, 0] | over[:, 1])
