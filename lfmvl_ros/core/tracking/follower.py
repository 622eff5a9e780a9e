# SPDX-License-Identifier: Apache-2.0
"""Corrects optical flow for a few objects, by their appearance.

Flow measures how the pixels under a box moved, and its errors add up. A learned follower
(:mod:`lfmvl_ros.core.tracking.siamese`) finds the object of the last answer in a later frame; its
errors do not add up, but they are larger, and a search (a look) takes milliseconds. So only some
tracks are searched for, each every few frames, and a look corrects the flow's hypothesis as an
answer would. The next answers judge that hypothesis as before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking.hypotheses import FLOW, with_sides
from lfmvl_ros.core.tracking.motion import correct
from lfmvl_ros.core.tracking.siamese import ColourImage, Features, SiameseNets
from lfmvl_ros.core.tracking.table import Table

# A track that is followed gets a look at least this often; looks closer together than the second
# share their error, so each counts for less.
LONGEST_BETWEEN_S = 0.2
SHARED_ERROR_S = 0.25
# Standard deviations of a look's centre and sides, in box sides.
CENTRE_SIGMA, SIDE_SIGMA = 0.05, 0.1
LEAST_SCORE = 0.5
# How much unused time may be saved up, in looks.
MOST_SAVED = 4.0
MOST_FOLLOWED = 16
# CPU time of a look before it is known, or where it is not measured.
LOOK_S = 5e-3
COST_MEMORY = 0.9
# A look this far from the flow means that the flow was wrong.
_UNLIKELY_NIS = float(chdtri(4, 0.05))
MAX_INFLATION = 4.0


@dataclass(frozen=True)
class Looked:
    """What was spent on looks up to a frame.

    Attributes:
        saved_s: CPU time of earlier frames that was not used.
        last_ns: time of the last look at each track, by id.
    """

    saved_s: float = 0.0
    last_ns: Mapping[int, int] = field(default_factory=dict)


class Follower:
    """Searches for tracks by the appearance that they had in the last answer's frame.

    Args:
        nets: the networks.
        is_measured: whether the CPU time of a look is measured, or taken to be ``LOOK_S``.
    """

    def __init__(self, nets: SiameseNets, *, is_measured: bool = True) -> None:
        self._nets, self._is_measured = nets, is_measured
        self._lock = threading.Lock()
        self._templates: dict[int, Features] = {}
        self._look_s = LOOK_S
        self._most = 1

    def remember(self, table: Table, image: ColourImage, scale: FloatArray) -> None:
        """Store how the tracks look that an answer has just seen, those most in need first.

        Args:
            table: the tracks after the answer.
            image: of the answer's frame.
            scale: ``(4,)`` px of that image per px of the camera's, across and down, twice.
        """
        known = set(table.ids.tolist())
        seen = np.flatnonzero((table.seen_ns == table.stamp_ns) & ~table.hidden)
        need = _need(table, np.ones(len(table)))[seen]
        chosen = seen[np.argsort(-need, kind="stable")][: self._most]
        fresh = {
            int(table.ids[row]): self._nets.template(image, table.mean[row, :4] * scale)
            for row in chosen.tolist()
        }
        with self._lock:
            kept = {key: value for key, value in self._templates.items() if key in known}
            self._templates = kept | fresh

    def forget(self) -> None:
        """Forget all appearances."""
        with self._lock:
            self._templates = {}

    def corrected(
        self,
        table: Table,
        support: FloatArray,
        image: ColourImage,
        scale: FloatArray,
        looked: Looked,
        spare_s: float,
        step_s: float,
    ) -> tuple[Table, Looked]:
        """Return the tracks after looks at some of them.

        Args:
            table: the tracks moved to a frame by flow.
            support: ``(N,)`` share of points that flow followed.
            image: the frame.
            scale: ``(4,)`` see :meth:`remember`.
            looked: up to the frame before.
            spare_s: CPU time of this frame that flow has left.
            step_s: time since the frame before.
        """
        saved_s = min(looked.saved_s + max(spare_s, 0.0), MOST_SAVED * self._look_s)
        rate = max(spare_s, 0.0) / self._look_s / max(step_s, 1e-3)
        self._most = min(int(rate * LONGEST_BETWEEN_S), MOST_FOLLOWED)
        rows = self._due(table, support, looked)[: int(saved_s / self._look_s)]
        if not rows.size:
            return table, replace(looked, saved_s=saved_s)
        began_s = time.thread_time()
        table = self._after_looks(table, rows, image, scale, looked)
        spent_s = len(rows) * self._look_s
        if self._is_measured:
            cost_s = (time.thread_time() - began_s) / len(rows)
            self._look_s = COST_MEMORY * self._look_s + (1 - COST_MEMORY) * cost_s
        alive = set(table.ids.tolist())
        last_ns = {key: value for key, value in looked.last_ns.items() if key in alive}
        last_ns |= {int(key): table.stamp_ns for key in table.ids[rows]}
        return table, Looked(saved_s - spent_s, last_ns)

    def _due(self, table: Table, support: FloatArray, looked: Looked) -> NDArray[np.intp]:
        """The tracks to look at, of those most in need; the one that has waited longest first."""
        with self._lock:
            known = np.array([key in self._templates for key in table.ids.tolist()], np.bool_)
        rows = np.flatnonzero(known & ~table.hidden)
        need = _need(table, support)[rows]
        rows = rows[np.argsort(-need, kind="stable")][: self._most]
        last = np.array([looked.last_ns.get(key, 0) for key in table.ids[rows].tolist()], np.int64)
        return np.asarray(rows[np.argsort(last, kind="stable")], np.intp)

    def _after_looks(
        self,
        table: Table,
        rows: NDArray[np.intp],
        image: ColourImage,
        scale: FloatArray,
        looked: Looked,
    ) -> Table:
        good, boxes, share = [], [], []
        for row in rows.tolist():
            key = int(table.ids[row])
            with self._lock:
                template = self._templates.get(key)
            if template is None:
                continue
            look = self._nets.look(image, table.mean[row, :4] * scale, template)
            if look.score >= LEAST_SCORE and np.isfinite(look.box).all():
                good.append(row)
                boxes.append(look.box / scale)
                since_s = (table.stamp_ns - looked.last_ns.get(key, 0)) * NS
                share.append(min(max(since_s / SHARED_ERROR_S, 1e-2), 1.0))
        if not good:
            return table
        return _with_boxes(table, np.array(good), np.array(boxes), np.array(share))


def _need(table: Table, support: FloatArray) -> FloatArray:
    """How far off each track may be by flow alone, ``(N,)``: its size times the flow's doubt."""
    doubt = 1.0 - table.weight[:, FLOW] * np.minimum(support, 1.0)
    size = np.sqrt(np.maximum(table.mean[:, 2] * table.mean[:, 3], 0.0))
    return np.asarray((doubt + 0.1) * size)


def _with_boxes(
    table: Table, rows: NDArray[np.intp], boxes: FloatArray, share: FloatArray
) -> Table:
    """Return the tracks with those of ``rows (K,)`` corrected by boxes ``(K, 4)``.

    ``share``: ``(K,)`` how much each counts, (0, 1].
    """
    mean, covariance = table.mean.copy(), table.covariance.copy()
    sides = np.tile(boxes[:, 2:], 2)
    sigma = sides * np.array([CENTRE_SIGMA, CENTRE_SIGMA, SIDE_SIGMA, SIDE_SIGMA])
    error = (sigma**2 / share[:, None])[:, :, None] * np.eye(4)
    off = (boxes - mean[rows, :4])[:, :, None]
    spread = covariance[rows, :4, :4] + error
    nis = (off * np.linalg.solve(spread, off)).sum(axis=(1, 2))
    inflation = np.clip(nis / _UNLIKELY_NIS, 1.0, MAX_INFLATION)[:, None, None]
    mean[rows], covariance[rows] = correct(mean[rows], inflation * covariance[rows], boxes, error)
    return table.changed(mean=with_sides(mean), covariance=covariance)
