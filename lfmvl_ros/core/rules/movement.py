# SPDX-License-Identifier: Apache-2.0
"""How the tracks of one frame have moved since an earlier one, each value computed once."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.rules import measuring
from lfmvl_ros.core.rules.condition import Column
from lfmvl_ros.core.rules.history import Moment, MomentHistory
from lfmvl_ros.core.rules.roster import BoolArray
from lfmvl_ros.core.timeline import NS


class Movement:
    """Speeds and times to contact of N tracks.

    Args:
        now: the tracks.
        history: of the frames before.
    """

    def __init__(self, now: Moment, history: MomentHistory) -> None:
        self._now, self._roster, self._history = now, now.roster, history
        self._pairs: dict[float, tuple[Moment | None, Any, BoolArray]] = {}
        self._speeds: dict[float, Column] = {}
        self._faster: dict[tuple[float, float, bool], tuple[FloatArray, FloatArray]] = {}
        self._contacts: dict[tuple[float, float], tuple[FloatArray, FloatArray]] = {}

    def _earlier(self, over_s: float) -> tuple[Moment | None, Any, Any]:
        """Return the moment ``over_s`` ago, each track's row in it, and which tracks it has.

        Those that were tentative then are left out. Their box is that of a single answer, and may
        be of a part of the object or of two: what is measured from it looks like growth or speed.
        """
        if over_s not in self._pairs:
            roster = self._roster
            moment = self._history.before(self._now.stamp_ns, over_s)
            if moment is None or not moment.roster.id_list:
                self._pairs[over_s] = None, slice(None), ~roster.all_true
            elif moment.roster.id_list == roster.id_list:  # most often; a slice copies nothing
                self._pairs[over_s] = moment, slice(None), ~moment.roster.tentative
            else:
                row_of = moment.roster.row_of
                rows = np.array([row_of.get(key, -1) for key in roster.id_list], dtype=np.intp)
                self._pairs[over_s] = moment, rows, (rows >= 0) & ~moment.roster.tentative[rows]
        return self._pairs[over_s]

    def speed_px_s(self, over_s: float) -> Column:
        """Return the speed of box centres over a time, px/s; NaN for tracks that are younger."""
        if over_s not in self._speeds:
            self._speeds[over_s] = self._speed_px_s(over_s)
        return self._speeds[over_s]

    def _speed_px_s(self, over_s: float) -> Column:
        moment, rows, there = self._earlier(over_s)
        if moment is None:
            return measuring.unknown(len(self._roster.id_list))
        passed_s = (self._now.stamp_ns - moment.stamp_ns) * NS
        step = self._now.cxcywh[:, :2] - moment.cxcywh[rows, :2]
        spread = self._now.covariance[:, :2, :2] + moment.covariance[rows][:, :2, :2]
        return measuring.speed(step, spread, passed_s, there)

    def speed_m_s(self, over_s: float) -> Column:
        """Return the speed of positions over a time, m/s; NaN where it is not known."""
        moment, rows, there = self._earlier(over_s)
        now = self._now
        if moment is None or moment.xyz_frame != now.xyz_frame or now.xyz_ns <= moment.xyz_ns:
            return measuring.unknown(len(self._roster.id_list))
        step = now.xyz - moment.xyz[rows]
        spread = now.xyz_covariance + moment.xyz_covariance[rows]
        return measuring.speed(step, spread, (now.xyz_ns - moment.xyz_ns) * NS, there)

    def faster(self, limit: float, over_s: float, metric: bool) -> tuple[FloatArray, FloatArray]:
        """Return each track's probability to exceed a speed (0 if unknown), and its own speed."""
        key = (limit, over_s, metric)
        if key not in self._faster:
            found = self.speed_m_s(over_s) if metric else self.speed_px_s(over_s)
            p = ndtr((found.mean - limit) / np.maximum(found.sigma, 1e-9))
            self._faster[key] = np.fmax(p, 0.0), found.mean  # of NaN and 0: 0
        return self._faster[key]

    def contact(self, time_s: float, over_s: float) -> tuple[FloatArray, FloatArray]:
        """Return each track's probability to arrive within a time, and its time to contact, s."""
        key = (time_s, over_s)
        if key not in self._contacts:
            then, rows, there = self._earlier(over_s)
            if then is None:
                n = len(self._roster.id_list)
                self._contacts[key] = np.zeros(n), np.full(n, np.inf)
            else:
                self._contacts[key] = measuring.contact(self._now, then, rows, there, time_s)
        return self._contacts[key]
