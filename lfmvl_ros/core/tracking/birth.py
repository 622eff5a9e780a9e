# SPDX-License-Identifier: Apache-2.0
"""Starts tracks: one for every box that no track and no other box explains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, cxcywh_to_xyxy, iou_matrix
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import evidence, life
from lfmvl_ros.core.tracking.association import Pairs
from lfmvl_ros.core.tracking.colour import nothing_known
from lfmvl_ros.core.tracking.hypotheses import weighed
from lfmvl_ros.core.tracking.life import Cadence
from lfmvl_ros.core.tracking.measurement import Measurements
from lfmvl_ros.core.tracking.noise import process_noise
from lfmvl_ros.core.tracking.regions import magnification_of
from lfmvl_ros.core.tracking.table import Table

# Standard deviation of the velocity of a new object, in box sizes (root of the area) a second.
NEW_SPEED = 1.5
NEW_GROWTH = 0.4
# Two boxes of an answer with the same label that overlap this much are the same object, unless
# each has a track already.
SAME_IOU = 0.5


def births(
    table: Table,
    seen: Measurements,
    pairs: Pairs,
    grounding: Grounding,
    cadence: Cadence,
    settings: TrackerSettings,
    new_id: Callable[[int], int | None],
    explained: NDArray[np.bool_] | None = None,
) -> tuple[Table | None, dict[int, int]]:
    """Start a track for every unexplained box.

    Args:
        table: the tracks.
        seen: the boxes.
        pairs: which of them are those of tracks.
        grounding: the answer.
        cadence: of the answers so far.
        settings: of the tracker.
        new_id: gives the id for a detection's track; None: no track.
        explained: ``(M,)`` further boxes that are not a new object.

    Returns:
        The new tracks, None without any; and the ids of new tracks by the index of the detection
        that started them.
    """
    born: dict[int, int] = {}
    rows: list[int] = []
    for row in _unexplained(seen, pairs, explained):
        key = new_id(seen.first[row])
        if key is not None:
            born[seen.first[row]] = key
            rows.append(row)
    if not rows:
        return None, born
    ids = np.array(list(born.values()), dtype=np.int64)
    newborn = _newborn(table, seen, rows, ids, grounding, cadence, settings)
    posterior = evidence.observed(
        newborn, slice(None), newborn.label, newborn.confidence, np.ones(len(rows))
    )
    return newborn.changed(posterior=posterior), born


def _newborn(
    table: Table,
    seen: Measurements,
    rows: list[int],
    ids: NDArray[np.int64],
    grounding: Grounding,
    cadence: Cadence,
    settings: TrackerSettings,
) -> Table:
    """Return tracks of the boxes at ``rows``, of which nothing else is known yet."""
    n, stamp_ns = len(rows), grounding.stamp_ns
    mean, covariance = _first_state(seen.boxes[rows], seen.error[rows])
    noise_scale = np.ones(n)
    log_odds = np.full(n, life.birth_log_odds(settings))
    stamps = np.full(n, stamp_ns, dtype=np.int64)
    columns = np.array([table.vocabulary.index(seen.labels[row]) for row in rows], dtype=np.int64)
    return Table(
        stamp_ns=stamp_ns,
        alone_ns=stamp_ns,
        vocabulary=table.vocabulary,
        spelling=table.spelling,
        ids=ids,
        mean=mean,
        covariance=covariance,
        lasting=(1 - table.fresh) * seen.stated[rows],
        alone_mean=np.repeat(mean[:, None], 2, axis=1),
        alone_covariance=covariance,
        belief=np.zeros((n, 3)),
        weight=weighed(np.zeros((n, 3))),
        background=np.zeros((n, 2)),
        colour=nothing_known(n),
        noise=process_noise(mean, noise_scale, settings),
        noise_scale=noise_scale,
        innovation=np.zeros((n, 2)),
        log_odds=log_odds,
        second=np.zeros(n),
        confidence=seen.scores[rows],
        posterior=evidence.first_posterior(columns, len(table.vocabulary)),
        label=columns,
        settled=np.zeros(n, dtype=np.bool_),
        confirmed=life.is_confirmed(log_odds, seen.scores[rows], seen.calibrated, settings),
        missed=np.zeros(n, dtype=np.bool_),
        born_ns=stamps,
        seen_ns=stamps,
        judged_ns=stamps,
        magnification=np.full(n, magnification_of(grounding.region)),
        steady_until_ns=stamps + round(cadence.steady_s / NS),
    )


def _first_state(boxes: FloatArray, error: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean ``(N, 8)`` and covariance of objects seen once, which may move in any direction.

    Args:
        boxes: ``(N, 4)`` cx, cy, w, h, px.
        error: ``(N, 4, 4)`` their covariance.
    """
    n, size = len(boxes), np.sqrt(boxes[:, 2] * boxes[:, 3])
    mean = np.concatenate([boxes, np.zeros((n, 4))], axis=1)
    covariance = np.zeros((n, 8, 8))
    covariance[:, :4, :4] = error
    speeds = np.array([NEW_SPEED, NEW_SPEED, NEW_GROWTH, NEW_GROWTH])
    axis = np.arange(4)
    covariance[:, axis + 4, axis + 4] = (size[:, None] * speeds) ** 2
    return mean, covariance


def _unexplained(
    seen: Measurements, pairs: Pairs, explained: NDArray[np.bool_] | None
) -> list[int]:
    """Rows of ``seen`` that no track and no other box of the answer explains.

    Models sometimes name an object twice, with two boxes. The second would become a track that
    alternates with the first one, and sometimes takes its id.
    """
    taken = np.zeros(len(seen), dtype=np.bool_) if explained is None else explained.copy()
    taken[pairs.boxes] = True
    if taken.all():
        return []
    rows = np.flatnonzero(~taken)  # the most confident first, see ``measure``
    boxes = cxcywh_to_xyxy(seen.boxes)
    labels = np.array(seen.labels, dtype=object)
    doubles = iou_matrix(boxes[rows], boxes) >= SAME_IOU
    doubles &= labels[rows, None] == labels
    started = []
    for row, double in zip(rows.tolist(), doubles, strict=True):
        if not (double & taken).any():
            started.append(row)
            taken[row] = True
    return started
