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
from lfmvl_ros.core.tracking.life import Cadence
from lfmvl_ros.core.tracking.measurement import Measurements
from lfmvl_ros.core.tracking.motion import correct
from lfmvl_ros.core.tracking.noise import learnt_noise, process_noise
from lfmvl_ros.core.tracking.opinions import is_confirmed
from lfmvl_ros.core.tracking.regions import magnification_of, may_miss
from lfmvl_ros.core.tracking.table import MIN_SIDE_PX, Table

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
    grounding: Grounding,
    cadence: Cadence,
    settings: TrackerSettings,
) -> Table:
    """Correct the tracks that were seen; the others count as missed where the answer allows it."""
    weight = life.answer_weight(grounding.stamp_ns, table.judged_ns, settings, table.fresh)
    table = _sighted(table, seen, pairs, weight, settings)
    hit = np.zeros(len(table), dtype=np.bool_)
    hit[pairs.tracks] = True
    absent = ~hit & grounding.outcome.is_evidence_of_absence & may_miss(table, grounding.region)
    if absent.any():
        table = _missed(table, absent, weight, grounding, settings)
    stamp, until = grounding.stamp_ns, grounding.stamp_ns + round(cadence.steady_s / NS)
    return table.changed(
        missed=table.missed & ~hit,
        seen_ns=np.where(hit, stamp, table.seen_ns),
        judged_ns=np.where(hit, stamp, table.judged_ns),
        magnification=np.where(hit, magnification_of(grounding.region), table.magnification),
        steady_until_ns=np.where(hit, until, table.steady_until_ns),
    )


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


def _sighted(
    table: Table, seen: Measurements, pairs: Pairs, weight: FloatArray, settings: TrackerSettings
) -> Table:
    rows, boxes = pairs.rows(len(table)), pairs.boxes
    if not boxes.size:
        return table
    inflation = limited(pairs.nis / _UNLIKELY_NIS, 1.0, MAX_INFLATION)
    if settings.noise_adaptation == 0:
        inflation = np.ones_like(inflation)
    predicted = table.covariance[rows] * inflation[:, None, None]
    fixed, spread = correct(table.mean[rows], predicted, seen.boxes[boxes], seen.error[boxes])
    fixed[:, 2:4] = np.maximum(fixed[:, 2:4], MIN_SIDE_PX)
    mean, covariance = table.mean.copy(), table.covariance.copy()
    noise_scale, noise = table.noise_scale.copy(), table.noise.copy()
    log_odds, confidence = table.log_odds.copy(), table.confidence.copy()
    mean[rows], covariance[rows] = fixed, spread
    innovation = table.innovation.copy()
    learnt = learnt_noise(table, seen, pairs, settings)
    noise_scale[rows], innovation[rows] = learnt.noise_scale, learnt.innovation
    noise[rows] = process_noise(fixed, noise_scale[rows], settings)
    score = seen.scores[boxes]
    log_odds[rows] = life.after_sight(log_odds[rows], weight[rows], score, settings)
    keep = CONFIDENCE_MEMORY ** weight[rows]
    confidence[rows] = keep * confidence[rows] + (1 - keep) * score
    lasting, share = table.lasting.copy(), keep[:, None, None]
    lasting[rows] = share * lasting[rows] + (1 - share) * (1 - learnt.fresh) * seen.stated[boxes]
    labels = [seen.labels[box] for box in boxes.tolist()]
    table = evidence.observed(table, pairs.tracks, labels, score, weight[rows])
    return table.changed(
        jitter=learnt.jitter,
        jitter_known=learnt.jitter_known,
        fresh=learnt.fresh,
        mean=mean,
        covariance=covariance,
        lasting=lasting,
        noise_scale=noise_scale,
        innovation=innovation,
        noise=noise,
        log_odds=log_odds,
        confidence=confidence,
        confirmed=table.confirmed
        | is_confirmed(log_odds, confidence, table.second, seen.calibrated, settings),
    )


def _is_leaving(mean: FloatArray, wh: tuple[int, int]) -> NDArray[np.bool_]:
    size = np.array(wh, dtype=np.float64)
    reach = np.abs(mean[:, :2] - size / 2) + mean[:, 2:4] / 2
    over = reach > (0.5 - BORDER_SHARE) * size
    return np.asarray(over[:, 0] | over[:, 1])
