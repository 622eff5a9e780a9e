# SPDX-License-Identifier: Apache-2.0
"""The values of all tracks at one frame that rules need, each computed once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.readings.reading import Texts, TrackText, text_of
from lfmvl_ros.core.rules import measuring
from lfmvl_ros.core.rules.condition import Column
from lfmvl_ros.core.rules.fields import TEXTS
from lfmvl_ros.core.rules.history import Moment, MomentHistory, Positions
from lfmvl_ros.core.rules.movement import Movement
from lfmvl_ros.core.rules.rule import Point, Rule, Zone
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import Tracks

_BORDER_PX = 2.0
_POSITION_LIFE_S = 1.0
_NO_TEXTS: Texts = {}


class Facts:
    """The tracks of one frame, prepared for rules. N rows, one for each track.

    Args:
        tracks: at the frame.
        positions: the newest known ones; None if there are none.
        history: of the frames before.
        texts: the texts on the tracks' objects, by id.
        calibrated: whether the tracks' scores are probabilities.
    """

    def __init__(
        self,
        tracks: Tracks,
        positions: Positions | None,
        history: MomentHistory,
        texts: Texts = _NO_TEXTS,
        calibrated: bool = False,
    ) -> None:
        self.tracks, self._texts = tracks, texts
        self.roster = roster = history.roster_of(tracks)
        self.ids, self.id_list, self.row_of = roster.ids, roster.id_list, roster.row_of
        self.keys, self.confirmed = roster.keys, roster.confirmed
        self.of_labels, self.rows_of = roster.of_labels, roster.rows_of
        exists = tracks.existence
        self.existence = np.array([exists.get(key, 1.0) for key in self.id_list], dtype=np.float64)
        self._trust = roster.everyone
        if calibrated:
            self._trust = np.minimum(tracks.scores / np.maximum(self.existence, 1e-9), 1.0)
        self.moment = self._moment(positions)
        self.movement = Movement(self.moment, history)
        self._columns: dict[str, Any] = {}
        self._zones: dict[tuple[str, str], FloatArray] = {}
        self._points: dict[Point, tuple[FloatArray, FloatArray]] = {}
        self._there: dict[tuple[tuple[frozenset[str], str], tuple[str, str]], FloatArray] = {}
        self._relevant: dict[tuple[frozenset[str], str], FloatArray] = {}
        self._conditions: dict[str, FloatArray] = {}

    def _moment(self, positions: Positions | None) -> Moment:
        tracks, roster = self.tracks, self.roster
        (width, height), corners = tracks.wh, tracks.xyxy_px
        self.cxcywh = whole = corners @ measuring.CENTRE_AND_SIZE
        low = corners[:, :2] <= _BORDER_PX
        high = corners[:, 2:] >= (width - _BORDER_PX, height - _BORDER_PX)
        self.cut = low | high
        if np.count_nonzero(self.cut):
            whole = whole.copy()
            whole[:, 2:][self.cut] = np.nan
        xyz, spread, taken_ns, frame = roster.no_xyz, roster.no_spread, 0, ""
        self._picks: dict[int, tuple[float, float]] = {}
        if positions is not None:
            age_s = (tracks.stamp_ns - positions.stamp_ns) * NS
            taken_ns, frame = positions.stamp_ns, positions.frame_id
            if -_POSITION_LIFE_S <= age_s <= _POSITION_LIFE_S:
                self._picks = positions.picks
                xyz, spread = xyz.copy(), spread.copy()
                for row, key in enumerate(self.id_list):
                    if (place := positions.by_id.get(key)) is not None:
                        xyz[row], spread[row] = place
        return Moment(
            tracks.stamp_ns, roster, whole, tracks.covariance, xyz, spread, taken_ns, frame
        )

    # -- which tracks ------------------------------------------------------------------------------

    def relevant(self, rule: Rule) -> FloatArray:
        """Return the probability that each track is an object the rule is about, ``(N,)``."""
        key = rule.relevance_key
        if key not in self._relevant:
            found, text = self.existence * self.of_labels(key[0]), key[1]
            if rule.where is not None and self.rows_of(rule.label_keys):
                if text not in self._conditions:
                    self._conditions[text] = rule.where.probability(self.column)
                found = found * self._conditions[text]
            self._relevant[key] = found
        return self._relevant[key]

    def trust(self, rule: Rule) -> FloatArray:
        """Return the probability that what exists is what its label says, ``(N,)``; 1 if not known.

        An event needs it to begin, but not to go on: one answer that doubts an object ends nothing.
        """
        return self.roster.everyone if rule.judges_confidence else self._trust

    def there(self, rule: Rule) -> FloatArray:
        """Return the probability that each track is an object of a rule in its zone, ``(N,)``."""
        if rule.zone is None or not self.rows_of(rule.label_keys):
            return self.relevant(rule)
        key = (rule.relevance_key, rule.place_key)
        if key not in self._there:
            self._there[key] = self.relevant(rule) * self.in_zone(rule)
        return self._there[key]

    def in_zone(self, rule: Rule) -> FloatArray:
        """Return the probability that each track is in a rule's zone, ``(N,)``; 0 if not known."""
        zone = rule.zone
        if zone is None:
            return self.roster.everyone
        key = rule.place_key
        if key not in self._zones:
            in_zone = self._in_metres(zone) if zone.frame else self._in_image(zone, rule.point)
            self._zones[key] = in_zone
        return self._zones[key]

    def _in_image(self, zone: Zone, point: Point) -> FloatArray:
        if point not in self._points:
            of_box, of_covariance = measuring.to_shares(point, self.tracks.wh)
            spread = self.tracks.covariance.reshape(-1, 16) @ of_covariance
            self._points[point] = self.cxcywh @ of_box, spread.reshape(-1, 2, 2)
        return zone.polygon.probability(*self._points[point])

    def _in_metres(self, zone: Zone) -> FloatArray:
        moment, found = self.moment, np.zeros(len(self.ids))
        known = ~np.isnan(moment.xyz[:, 0])
        if moment.xyz_frame == zone.frame and known.any():
            found[known] = zone.polygon.probability(
                moment.xyz[known, :2], moment.xyz_covariance[known, :2, :2]
            )
        return found

    def is_located(self, zone: Zone | None) -> FloatArray:
        """Return 1 for tracks whose position relative to a zone is known, else 0."""
        if zone is None or not zone.frame:
            return self.roster.everyone
        if self.moment.xyz_frame != zone.frame:
            return np.zeros(len(self.ids))
        return np.asarray((~np.isnan(self.moment.xyz[:, 0])).astype(np.float64))

    # -- fields ------------------------------------------------------------------------------------

    def column(self, name: str) -> Any:
        """Return a field for all tracks: see :mod:`lfmvl_ros.core.rules.condition`."""
        if name not in self._columns:
            self._columns[name] = self._column(name)
        return self._columns[name]

    def _column(self, name: str) -> Any:
        tracks = self.tracks
        if name in TEXTS:
            return self._texts_of(name)
        if name == "at_border":
            return self.cut.any(axis=1).astype(np.float64)
        if name in _AXES:
            axis = _AXES.index(name)
            extent = max(tracks.wh[axis % 2], 1)
            sigma = np.sqrt(np.maximum(tracks.covariance[:, axis, axis], 0.0))
            return Column(self.cxcywh[:, axis] / extent, sigma / extent)
        if name in _MEASURED:
            return _MEASURED[name](self)
        values = {"confidence": tracks.scores, "existence": self.existence, "age_s": tracks.age_s}
        return measuring.exact(values[name])

    def _texts_of(self, name: str) -> tuple[str | None, ...]:
        if name == "label":
            return self.keys
        if name == "state":
            return tuple(state.value for state in self.tracks.state)
        return tuple(None if found is None else found.text for found in self._read())

    def _read(self) -> list[TrackText | None]:
        return [self.text(row) for row in range(len(self.ids))]

    def text_confidences(self) -> FloatArray:
        """Return how certain each track's text is, ``(N,)``; NaN where nothing was read."""
        return np.array([np.nan if found is None else found.confidence for found in self._read()])

    def text(self, row: int) -> TrackText | None:
        """Return the text on a row's object; None if it is not known."""
        return text_of(self._texts, self.id_list[row], self.tracks.labels[row])

    def distance_m(self) -> Column:
        """Return the distance of positions from the origin of their frame, on the floor plane."""
        xy = self.moment.xyz[:, :2] if self._is_floor else self.moment.xyz
        spread = self.moment.xyz_covariance[:, : xy.shape[1], : xy.shape[1]]
        return measuring.length(xy, spread)

    def pick_sigmas(self) -> FloatArray:
        """Return the standard deviations of pick points, m, and of normals, deg, ``(N, 2)``.

        Infinite for a track without a pick point: nothing is known of it.
        """
        none = (math.inf, math.inf)
        found = np.array([self._picks.get(key, none) for key in self.id_list]).reshape(-1, 2)
        return found * (1.0, 180 / np.pi)

    @property
    def _is_floor(self) -> bool:
        """Whether x and y span the floor; they don't in the camera's optical frame."""
        return self.moment.xyz_frame != self.tracks.frame_id

    def pair_distance_m(self, one: int) -> Column:
        """Return the distance of every track from a row's, m; NaN where it is not known."""
        moment = self.moment
        step = moment.xyz - moment.xyz[one]
        return measuring.length(step, moment.xyz_covariance + moment.xyz_covariance[one])

    def covered(self, zone: Zone, labels: frozenset[str]) -> float:
        """Return the largest fraction of an image zone that one object of another label covers."""
        xyxy = self.tracks.xyxy_px
        others = (self.of_labels(labels) == 0) & ~self.roster.tentative
        if not others.any():
            return 0.0
        corners = zone.polygon.points * self.tracks.wh
        low, high = corners.min(axis=0), corners.max(axis=0)
        overlap = np.minimum(high, xyxy[others, 2:]) - np.maximum(low, xyxy[others, :2])
        shared = np.maximum(overlap, 0.0).prod(axis=1) / np.maximum((high - low).prod(), 1e-9)
        return float(shared.max())


_AXES = ("x", "y", "width", "height")
_MEASURED: dict[str, Callable[[Facts], Column]] = {
    "speed_px_s": lambda facts: facts.movement.speed_px_s(Rule.over_s),
    "speed_m_s": lambda facts: facts.movement.speed_m_s(Rule.over_s),
    "text_confidence": lambda facts: measuring.exact(facts.text_confidences()),
    "distance_m": Facts.distance_m,
    "pick_sigma_m": lambda facts: measuring.exact(facts.pick_sigmas()[:, 0]),
    "normal_sigma_deg": lambda facts: measuring.exact(facts.pick_sigmas()[:, 1]),
}
