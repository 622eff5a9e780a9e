# SPDX-License-Identifier: Apache-2.0
"""What a track is, by majority over time: label evidence that fades, so that labels can change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.tracking.measurement import Measurements, label_key
from lfmvl_ros.core.tracking.table import Table

MEMORY = 0.85
LEAST_SCORE = 0.05
# Another label must have this much more behind it, so that two of equal weight do not alternate.
LEAD = 1.2
FORGOTTEN = 1e-3


def with_labels(table: Table, seen: Measurements, query: Query) -> Table:
    """Return ``table`` with a column for every label of an answer; the query's spelling wins."""
    asked = {label_key(label): label for label in query.labels}
    new: dict[str, str] = {}
    for key, written in zip(seen.labels, seen.written, strict=True):
        if key not in table.vocabulary:
            new.setdefault(key, asked.get(key, " ".join(written.split())))
    if not new:
        return table
    pad = np.zeros((len(table), len(new)))
    return table.changed(
        vocabulary=(*table.vocabulary, *new),
        spelling=(*table.spelling, *new.values()),
        evidence=np.concatenate([table.evidence, pad], axis=1),
    )


def shares(table: Table) -> FloatArray:
    """Probability of each label for each track, ``(N, V)``, rows sum to 1."""
    return np.asarray(table.evidence / table.evidence.sum(axis=1, keepdims=True), dtype=np.float64)


def observed(
    table: Table,
    rows: NDArray[np.intp],
    labels: Sequence[str],
    score: FloatArray,
    weight: FloatArray,
) -> Table:
    """Return ``table`` after tracks ``rows`` were called ``labels``; a better one is adopted.

    Args:
        table: the tracks.
        rows: ``(K,)`` distinct tracks.
        labels: K label keys of the vocabulary.
        score: ``(K,)`` confidence in each.
        weight: ``(K,)`` share of an independent answer, [0, 1].
    """
    if not rows.size:
        return table
    every, label = table.evidence.copy(), table.label.copy()
    columns = [table.vocabulary.index(key) for key in labels]
    every[rows] *= MEMORY ** weight[:, None]
    every[rows, columns] += weight * np.maximum(score, LEAST_SCORE)
    best = every[rows].argmax(axis=1)
    better = every[rows, best] > LEAD * every[rows, label[rows]]
    label[rows] = np.where(better, best, label[rows])
    return table.changed(evidence=every, label=label)


def pruned(table: Table) -> Table:
    """Return ``table`` without labels that no track has evidence of any more."""
    if not table.vocabulary:
        return table
    strongest = table.evidence.max(axis=1, keepdims=True, initial=0.0)
    every = np.where(table.evidence < FORGOTTEN * strongest, 0.0, table.evidence)
    used: NDArray[np.bool_] = np.asarray((every > 0).any(axis=0))
    used[table.label] = True
    if used.all():
        return table.changed(evidence=every)
    return table.changed(
        vocabulary=tuple(v for v, keep in zip(table.vocabulary, used, strict=True) if keep),
        spelling=tuple(v for v, keep in zip(table.spelling, used, strict=True) if keep),
        evidence=every[:, used],
        label=(np.cumsum(used) - 1)[table.label].astype(np.int64),
    )
