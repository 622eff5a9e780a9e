# SPDX-License-Identifier: Apache-2.0
"""Decides the label of a track: a recursive Bayes filter over labels, which expects exchanges.

Each track has the probability of every label (the forward pass of a hidden Markov model: Rabiner,
"A tutorial on hidden Markov models", Proceedings of the IEEE, 1989). Between two answers, goods may
have been exchanged in place, so some of the probability moves to the other labels, more after a
longer time. An answer then multiplies the probability of its label by how much more likely the
label is right than confused.

A row sums to less than 1: the rest is for labels that no answer has named yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking.life import END
from lfmvl_ros.core.tracking.measurement import Measurements, label_key
from lfmvl_ros.core.tracking.table import Index, Table, put

# Mean time between two exchanges of an object in place. Ten times more or less makes the label one
# answer later or sooner.
EXCHANGE_S = 200.0
# A track that was missed so often that it was hidden may be something else when it is seen again.
EXCHANGED_IF_HIDDEN = 0.5
# Share of what no label has yet that goes to a label when it is first named.
FIRST_SHARE = 0.5
# How much likelier a label that an answer gives with full confidence is right than confused.
ODDS = 19.0
LEAST_SCORE = 0.05
# A label that was this probable once is settled: a change after that is another object.
SETTLED = 0.99
# Another label must be this much likelier than the published one, so that it does not flicker; much
# likelier than a settled one, since controllers rely on it. Meanwhile the score says that it is in
# doubt.
LEAD, LEAD_OVER_SETTLED = 3.0, 50.0
FORGOTTEN = 0.01


def with_labels(table: Table, seen: Measurements, query: Query) -> Table:
    """Return ``table`` with a column for every label of an answer; the query's spelling wins."""
    if set(table.vocabulary).issuperset(seen.labels):
        return table
    asked = {label_key(label): label for label in query.labels}
    new: dict[str, str] = {}
    for key, written in zip(seen.labels, seen.written, strict=True):
        if key not in table.vocabulary:
            new.setdefault(key, asked.get(key, " ".join(written.split())))
    rest = np.maximum(1 - table.posterior.sum(axis=1, keepdims=True), 0.0)
    return table.changed(
        vocabulary=(*table.vocabulary, *new),
        spelling=(*table.spelling, *new.values()),
        posterior=np.concatenate(
            [table.posterior, np.repeat(FIRST_SHARE / len(new) * rest, len(new), axis=1)], axis=1
        ),
    )


def first_posterior(columns: NDArray[np.int64], labels: int) -> FloatArray:
    """Return the probabilities ``(N, labels)`` of tracks before their first label counts.

    Args:
        columns: ``(N,)`` the first label of each.
        labels: size of the vocabulary.
    """
    posterior = np.zeros((len(columns), labels))
    posterior[np.arange(len(columns)), columns] = FIRST_SHARE
    return posterior


def share(table: Table) -> FloatArray:
    """Probability that each track has its published label, ``(N,)``."""
    return np.asarray(table.posterior[np.arange(len(table)), table.label])


def columns(table: Table, seen: Measurements) -> NDArray[np.intp]:
    """Return the columns ``(M,)`` of the labels of boxes in the vocabulary, which has them all."""
    column_of = {key: column for column, key in enumerate(table.vocabulary)}
    return np.array([column_of[key] for key in seen.words], dtype=np.intp)[seen.code]


def agreeing(table: Table, columns: NDArray[np.intp]) -> FloatArray:
    """Probability ``(N, M)`` that each track has each of M labels, given their columns."""
    # By rows of the transposed array, which are copied as a whole.
    return np.asarray(table.posterior.T.take(columns, axis=0).T)


def observed(
    table: Table,
    rows: Index,
    columns: NDArray[np.intp],
    score: FloatArray,
    weight: FloatArray,
) -> FloatArray:
    """Return the probabilities ``(N, V)`` of labels after an answer gave some to K tracks.

    Args:
        table: the tracks at the answer's frame, ``seen_ns`` and ``log_odds`` as they were before.
        rows: of K distinct tracks.
        columns: ``(K,)`` of their labels in the vocabulary.
        score: ``(K,)`` confidence in each.
        weight: ``(K,)`` share of an independent answer, [0, 1].
    """
    elapsed_s = (table.stamp_ns - table.seen_ns[rows]) * NS
    exchanged = 1 - np.exp(-np.maximum(elapsed_s, 0.0) / EXCHANGE_S)
    missed = table.log_odds[rows] <= END  # whatever a second model says
    if missed.any():
        exchanged[missed] = np.maximum(exchanged[missed], EXCHANGED_IF_HIDDEN)
    one = (1 - exchanged[:, None]) * table.posterior[rows]
    one += exchanged[:, None] / (one.shape[1] + 1)
    factor = ODDS ** (weight * np.maximum(score, LEAST_SCORE))
    named = np.arange(len(one)), columns
    before = one[named]
    gained = before * (factor - 1)
    one[named] = before + gained
    one /= (1 + gained)[:, None]
    return put(table.posterior, rows, one)


def renamed(
    table: Table, rows: NDArray[np.intp], new_id: Callable[[int, int], int | None]
) -> tuple[Table, dict[int, int]]:
    """Give the tracks ``rows`` another label where that is clearly more likely than theirs.

    A track whose label was settled has become another object, so it gets a new id and its age
    starts again. One that was in doubt keeps its id.

    Args:
        table: the tracks after an answer was :func:`observed`.
        rows: ``(K,)`` those that it named.
        new_id: the id for what ``rows[k]`` has become, given ``k`` and its id until now; None: it
            keeps label and id for now.

    Returns:
        The tracks, and old id -> new id.
    """
    if not rows.size:
        return table, {}
    one, called = table.posterior[rows], share(table)
    settled: NDArray[np.bool_] = table.settled | (called >= SETTLED)
    lead = np.where(settled[rows], LEAD_OVER_SETTLED, LEAD)
    changes = (one.max(axis=1) > lead * called[rows]).nonzero()[0].tolist()
    if not changes:
        return table.changed(settled=settled), {}
    best = one.argmax(axis=1)
    label, ids, born_ns = table.label.copy(), table.ids.copy(), table.born_ns.copy()
    exchanged: dict[int, int] = {}
    for k in changes:
        row = rows[k]
        if settled[row]:
            old = int(ids[row])
            key = new_id(k, old)
            if key is None:
                continue
            exchanged[old] = ids[row] = key
            born_ns[row] = table.stamp_ns
        label[row], settled[row] = best[k], False
    return table.changed(label=label, ids=ids, born_ns=born_ns, settled=settled), exchanged


def exchanged_again(
    table: Table, ids: frozenset[int], exchanges: Mapping[int, int]
) -> tuple[Table, dict[int, int]]:
    """Give tracks the new ids that they got when this answer was applied for the first time.

    Their labels may follow one answer sooner or later than then.

    Args:
        table: the tracks before the answer is applied again.
        ids: those that ended with it.
        exchanges: old id -> new id.
    """
    again = {key: exchanges[key] for key in table.ids.tolist() if key in ids and key in exchanges}
    if not again:
        return table, {}
    rows = np.array([key in again for key in table.ids.tolist()], dtype=np.bool_)
    changed = np.array([again.get(key, key) for key in table.ids.tolist()], dtype=np.int64)
    return table.changed(ids=changed, settled=table.settled & ~rows), again


def pruned(table: Table) -> Table:
    """Return ``table`` without labels that no track is likely to have."""
    if not table.vocabulary:
        return table
    used: NDArray[np.bool_] = np.asarray((table.posterior >= FORGOTTEN).any(axis=0))
    used[table.label] = True
    if used.all():
        return table
    return table.changed(
        vocabulary=tuple(v for v, keep in zip(table.vocabulary, used, strict=True) if keep),
        spelling=tuple(v for v, keep in zip(table.spelling, used, strict=True) if keep),
        posterior=table.posterior[:, used],
        label=(np.cumsum(used) - 1)[table.label].astype(np.int64),
    )
