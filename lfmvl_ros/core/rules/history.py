# SPDX-License-Identifier: Apache-2.0
"""Positions of tracks in the last seconds, for values that are measured over a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.rules.roster import Roster
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import Tracks

LONGEST_S = 10.0  # over_s of rules
_SPACING_S = 0.04  # between remembered frames


@dataclass(frozen=True, eq=False)
class Positions:
    """Where tracks are, in metres, at the time of one image.

    Attributes:
        stamp_ns: of that image.
        frame_id: the frame of the positions.
        by_id: track id -> ``(3,)`` centre in m and ``(3, 3)`` covariance in m^2.
        picks: track id -> largest standard deviation of its pick point in m, and of the direction
            of the normal there in rad; only tracks that have a pick point.
    """

    stamp_ns: int
    frame_id: str
    by_id: dict[int, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    picks: dict[int, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, places: Places) -> Positions:
        """Return the part of places that rules use."""
        placed = places.by_id.items()
        return cls(
            places.stamp_ns,
            places.frame_id,
            {key: (place.centre_m, place.covariance) for key, place in placed},
            {
                key: (largest_sigma(place.pick.covariance), place.pick.normal_sigma_rad)
                for key, place in placed
                if place.pick is not None
            },
        )


def largest_sigma(covariance: FloatArray) -> float:
    """Return the largest standard deviation in any direction, of a ``(3, 3)`` covariance."""
    return float(np.sqrt(max(np.linalg.eigvalsh(covariance)[-1], 0.0)))


@dataclass(frozen=True, eq=False)
class Moment:
    """The tracks at one time, as far as later frames are compared with them.

    Attributes:
        stamp_ns: of the frame.
        roster: who they are.
        cxcywh: ``(N, 4)`` px; width or height NaN where the image cuts the box.
        covariance: ``(N, 4, 4)`` px^2.
        xyz: ``(N, 3)`` m, NaN where not known; ``xyz_covariance``: ``(N, 3, 3)`` m^2.
        xyz_ns: stamp of ``xyz``.
        xyz_frame: frame_id of ``xyz``.
    """

    stamp_ns: int
    roster: Roster
    cxcywh: FloatArray
    covariance: FloatArray
    xyz: FloatArray
    xyz_covariance: FloatArray
    xyz_ns: int
    xyz_frame: str

    @cached_property
    def sides(self) -> tuple[FloatArray, FloatArray]:
        """Width and height of the boxes in px, >= 1, and their relative variance, ``(2, N)``.

        The variance is infinite where a side is not known. Several later frames are compared with
        one moment, so both are kept.
        """
        sides = np.maximum(self.cxcywh[:, 2:].T, 1.0)
        variance = self.covariance.diagonal(axis1=1, axis2=2)[:, 2:].T / sides**2
        return sides, np.where(np.isnan(sides), np.inf, variance)


class MomentHistory:
    """The last seconds of moments. Bounded by time; one frame in about 40 ms is kept."""

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque()
        self._roster: Roster | None = None

    def roster_of(self, tracks: Tracks) -> Roster:
        """Return who tracks are: what it was at the last frame while that is still true."""
        if self._roster is None or not self._roster.is_of(tracks):
            self._roster = Roster(tracks)
        return self._roster

    def clear(self) -> None:
        """Forget everything."""
        self._moments.clear()

    def add(self, moment: Moment) -> None:
        """Remember a frame that is newer than all others."""
        moments = self._moments
        if moments and (moment.stamp_ns - moments[-1].stamp_ns) * NS < _SPACING_S:
            return
        moments.append(moment)
        while (moment.stamp_ns - moments[0].stamp_ns) * NS > LONGEST_S + 1:
            moments.popleft()

    def before(self, stamp_ns: int, over_s: float) -> Moment | None:
        """Return the newest moment at least ``over_s`` before a stamp; None where there is none."""
        limit_ns = stamp_ns - round(over_s / NS)
        for moment in reversed(self._moments):
            if moment.stamp_ns <= limit_ns:
                return moment
        return None
