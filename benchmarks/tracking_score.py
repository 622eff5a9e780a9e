# SPDX-License-Identifier: Apache-2.0
"""Scores of tracks against truth: HOTA, MOTA, IDF1 by ``trackeval``; centre error and coverage."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2
from tracking_world import World

from lfmvl_ros.core.boxes import iou_matrix
from lfmvl_ros.evaluate.track_metrics import TrackMetrics, combined, measured

_NINETY = float(chi2.ppf(0.9, 2))
# A track closer than this to the truth's box is about that object, for centre error and coverage.
_SAME_IOU = 0.1
_SAME_HIDDEN = 0.5


@dataclass(eq=False)
class Said:
    """What a tracker said at each frame of a world.

    Ids ``(N,)``, boxes ``(N, 4)`` and, where it states one, the covariance ``(N, 2, 2)`` of the
    centres.
    """

    ids: list[np.ndarray] = field(default_factory=list)
    xyxy_px: list[np.ndarray] = field(default_factory=list)
    covariance: list[np.ndarray] = field(default_factory=list)

    def add(self, ids: np.ndarray, xyxy_px: np.ndarray, covariance: np.ndarray | None = None):
        """Append what was said at the next frame."""
        self.ids.append(np.asarray(ids, int))
        self.xyxy_px.append(np.asarray(xyxy_px, float).reshape(-1, 4))
        if covariance is not None:
            self.covariance.append(covariance)


@dataclass(frozen=True, eq=False)
class Score:
    """One sequence: trackeval's results, centre errors in px, how many centres were in 90 %."""

    metrics: TrackMetrics
    error_px: np.ndarray
    inside: np.ndarray


def score(world: World, said: Said, *, skip_s: float = 0.0) -> Score:
    """Score frames from ``skip_s`` on."""
    first = round(skip_s * world.fps)
    frames = range(first, len(world))
    kept = [_without_hidden(world, said, i) for i in frames]
    similarity = [
        iou_matrix(world.xyxy_px[i], said.xyxy_px[i][k]) for i, k in zip(frames, kept, strict=True)
    ]
    truth_ids = [world.ids[i].tolist() for i in frames]
    said_ids = [said.ids[i][k].tolist() for i, k in zip(frames, kept, strict=True)]
    error, inside = _centres(world, said, frames, kept, similarity)
    return Score(measured(truth_ids, said_ids, similarity), error, inside)


def pooled(scores: list[Score]) -> dict[str, float]:
    """The figures of several sequences together."""
    together = combined([each.metrics for each in scores])
    hota, clear, identity = together.hota, together.clear, together.identity
    error = np.concatenate([s.error_px for s in scores])
    inside = np.concatenate([s.inside for s in scores])
    figures = {
        "hota": round(100 * float(np.mean(hota["HOTA"])), 1),
        "mota": round(100 * float(clear["MOTA"]), 1),
        "idf1": round(100 * float(identity["IDF1"]), 1),
        "idsw": int(clear["IDSW"]),
        "recall": round(100 * float(clear["CLR_Re"]), 1),
        "ce90": round(float(np.percentile(error, 90)), 1) if len(error) else None,
    }
    if len(inside):
        figures["coverage90"] = round(float(np.mean(inside)), 3)
    return figures


def _without_hidden(world: World, said: Said, i: int) -> np.ndarray:
    """Rows of what was said that are not about something mostly covered."""
    boxes = said.xyxy_px[i]
    if not len(boxes) or not len(world.hidden_px[i]):
        return np.arange(len(boxes))
    truth = iou_matrix(boxes, world.xyxy_px[i]).max(axis=1, initial=0.0)
    covered = iou_matrix(boxes, world.hidden_px[i]).max(axis=1)
    return np.flatnonzero((covered < _SAME_HIDDEN) | (truth >= covered))


def _centres(world, said, frames, kept, similarity) -> tuple[np.ndarray, np.ndarray]:
    error, inside = [], []
    for i, rows, iou in zip(frames, kept, similarity, strict=True):
        a, b = linear_sum_assignment(-iou)
        same = iou[a, b] > _SAME_IOU
        a, b = a[same], rows[b[same]]
        centre = said.xyxy_px[i][b].reshape(-1, 2, 2).mean(axis=1)
        truth = world.xyxy_px[i][a]
        apart = truth.reshape(-1, 2, 2).mean(axis=1) - centre
        error += np.hypot(*apart.T).tolist()
        if said.covariance:
            whole = (truth[:, :2] > 1).all(1) & (truth[:, 2:] < np.array(world.wh) - 1).all(1)
            solved = np.linalg.solve(said.covariance[i][b][whole], apart[whole][:, :, None])
            inside += ((apart[whole] * solved[:, :, 0]).sum(axis=1) < _NINETY).tolist()
    return np.array(error), np.array(inside, bool)
