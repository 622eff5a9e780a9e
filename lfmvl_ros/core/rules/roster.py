# SPDX-License-Identifier: Apache-2.0
"""Which tracks there are at a frame, and what follows from that alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.tracking import Tracks, TrackState

BoolArray = NDArray[np.bool_]


class Roster:
    """Ids, labels and states of N tracks: the same for all frames between two changes of them.

    They change with answers, a few times a second, while boxes move with every frame. So what
    follows from them is kept from frame to frame. No array of it may be written to.

    Attributes:
        ids: ``(N,)``; ``id_list`` the same as Python numbers: faster to look up one by one.
        row_of: id -> row.
        keys: N folded labels.
        confirmed, tentative: ``(N,)`` whether a track is; ``is_confirmed``, ``is_tentative`` as
            lists.
        everyone: ``(N,)`` ones; ``all_true`` the same as bool.
        no_xyz, no_spread: ``(N, 3)`` NaN and ``(N, 3, 3)`` zeros: positions while none are known.
    """

    def __init__(self, tracks: Tracks) -> None:
        count = len(tracks)
        self.ids, self.id_list = tracks.ids, tracks.ids.tolist()
        self._labels, self._states = tracks.labels, tracks.state
        self.row_of = dict(zip(self.id_list, range(count), strict=True))
        self.keys = tuple(map(fold_label, tracks.labels))
        self.is_confirmed = [state is TrackState.CONFIRMED for state in tracks.state]
        self.is_tentative = [state is TrackState.TENTATIVE for state in tracks.state]
        self.confirmed = np.array(self.is_confirmed, dtype=np.bool_)
        self.tentative = np.array(self.is_tentative, dtype=np.bool_)
        self.everyone, self.all_true = np.ones(count), np.ones(count, dtype=np.bool_)
        self.no_xyz, self.no_spread = np.full((count, 3), np.nan), np.zeros((count, 3, 3))
        self._masks: dict[frozenset[str], FloatArray] = {}
        self._rows: dict[frozenset[str], list[int]] = {}

    def is_of(self, tracks: Tracks) -> bool:
        """Whether it is true of other tracks."""
        same = tracks.labels == self._labels and tracks.state == self._states
        return same and tracks.ids.tolist() == self.id_list

    def of_labels(self, labels: frozenset[str]) -> FloatArray:
        """Return 1 for tracks with one of these folded labels (all if it is empty), else 0."""
        if labels not in self._masks:
            matches = [not labels or key in labels for key in self.keys]
            self._masks[labels] = np.array(matches, dtype=np.float64)
        return self._masks[labels]

    def rows_of(self, labels: frozenset[str]) -> list[int]:
        """Return the rows of tracks with one of these folded labels (all if it is empty)."""
        if labels not in self._rows:
            self._rows[labels] = self.of_labels(labels).nonzero()[0].tolist()
        return self._rows[labels]
