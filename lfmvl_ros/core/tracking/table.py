# SPDX-License-Identifier: Apache-2.0
"""All tracks of one camera at one time, as rows of arrays. Immutable: changes make a copy."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, clip, cxcywh_to_xyxy
from lfmvl_ros.core.tracking.colour import BINS
from lfmvl_ros.core.tracking.life import END

Rows = NDArray[np.intp] | NDArray[np.bool_]
Index = NDArray[np.intp] | slice
Column = TypeVar("Column", bound=NDArray[Any])
MIN_SIDE_PX = 1.0
_PER_TABLE = ("stamp_ns", "alone_ns", "vocabulary", "spelling", "jitter", "jitter_known", "fresh")


def _ints() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


def _floats() -> FloatArray:
    return np.zeros(0)


def _bools() -> NDArray[np.bool_]:
    return np.zeros(0, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Table:
    """N tracks at ``stamp_ns``, the capture time of the last answer that was applied.

    Attributes:
        stamp_ns: time of the state.
        alone_ns: time of ``alone_mean`` and ``alone_covariance``.
        vocabulary: V label keys, the columns of ``posterior``.
        spelling: V labels as they are published.
        jitter: ``(4,)`` standard deviations of cx, cy, w, h relative to the settings, learned from
            innovations; 1 is as in the settings.
        jitter_known: ``(4,)`` how much innovations have said about them, as Fisher information.
        fresh: share of the variance of the boxes that is independent between answers, learned from
            innovations.
        ids: ``(N,)``.
        mean: ``(N, 8)`` see :mod:`lfmvl_ros.core.tracking.motion`.
        covariance: ``(N, 8, 8)``.
        lasting: ``(N, 4, 4)`` covariance of the error in cx, cy, w, h that the model repeats in
            each answer, px^2. Not part of ``covariance``.
        alone_mean, alone_covariance: ``(N, 2, 8)`` and ``(N, 8, 8)`` the same from answers only, in
            the scene and in the image, see :mod:`lfmvl_ros.core.tracking.hypotheses`.
        belief: ``(N, 3)`` log-odds of the three hypotheses, from answers.
        weight: ``(N, 3)`` probability of each hypothesis now.
        background: ``(N, 2)`` velocity of the scene behind it in the image, px/s; 0 if unknown.
        colour: ``(N, BINS)`` see :func:`lfmvl_ros.core.tracking.colour.foreground`.
        noise: ``(N, 4)`` spectral density of the acceleration of each axis, px^2/s^3.
        noise_scale: ``(N,)`` scale of ``noise``, learned from innovations; 1 is as in the settings.
        innovation: ``(N, 2)`` of the last sighting's centre, in standard deviations.
        log_odds: ``(N,)`` of existence, by answers.
        second: ``(N,)`` what a second model adds to them, see
            :mod:`lfmvl_ros.core.tracking.opinions`; 0 where it was not asked.
        confidence: ``(N,)`` running confidence of the model, [0, 1].
        posterior: ``(N, V)`` probability of each label, see
            :mod:`lfmvl_ros.core.tracking.evidence`.
        label: ``(N,)`` column of the label that is published.
        settled: ``(N,)`` the published label was beyond doubt once.
        confirmed: ``(N,)`` has ever been confirmed.
        missed: ``(N,)`` not named in the last answer that could have named it.
        born_ns, seen_ns: ``(N,)`` first and last sighting.
        judged_ns: ``(N,)`` last answer that counted for or against it.
        magnification: ``(N,)`` of the answer that saw it last, see
            :attr:`lfmvl_ros.core.region.Region.magnification`; 1: it was about the whole image.
        steady_until_ns: ``(N,)`` from then on it coasts and its velocity decays.
    """

    stamp_ns: int = 0
    alone_ns: int = 0
    vocabulary: tuple[str, ...] = ()
    spelling: tuple[str, ...] = ()
    jitter: FloatArray = field(default_factory=lambda: np.ones(4))
    jitter_known: FloatArray = field(default_factory=lambda: np.zeros(4))
    fresh: float = 1.0
    ids: NDArray[np.int64] = field(default_factory=_ints)
    mean: FloatArray = field(default_factory=lambda: np.zeros((0, 8)))
    covariance: FloatArray = field(default_factory=lambda: np.zeros((0, 8, 8)))
    lasting: FloatArray = field(default_factory=lambda: np.zeros((0, 4, 4)))
    alone_mean: FloatArray = field(default_factory=lambda: np.zeros((0, 2, 8)))
    alone_covariance: FloatArray = field(default_factory=lambda: np.zeros((0, 8, 8)))
    belief: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))
    weight: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))
    background: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    colour: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, BINS), np.uint8))
    noise: FloatArray = field(default_factory=lambda: np.zeros((0, 4)))
    noise_scale: FloatArray = field(default_factory=_floats)
    innovation: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    log_odds: FloatArray = field(default_factory=_floats)
    second: FloatArray = field(default_factory=_floats)
    confidence: FloatArray = field(default_factory=_floats)
    posterior: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    label: NDArray[np.int64] = field(default_factory=_ints)
    settled: NDArray[np.bool_] = field(default_factory=_bools)
    confirmed: NDArray[np.bool_] = field(default_factory=_bools)
    missed: NDArray[np.bool_] = field(default_factory=_bools)
    born_ns: NDArray[np.int64] = field(default_factory=_ints)
    seen_ns: NDArray[np.int64] = field(default_factory=_ints)
    judged_ns: NDArray[np.int64] = field(default_factory=_ints)
    magnification: FloatArray = field(default_factory=_floats)
    steady_until_ns: NDArray[np.int64] = field(default_factory=_ints)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def existence(self) -> FloatArray:
        """Probability that each track is a real object, ``(N,)``."""
        return np.asarray(1 / (1 + np.exp(-self.log_odds - self.second)), dtype=np.float64)

    @property
    def sighted(self) -> FloatArray:
        """The same by answers only, ``(N,)``: how likely the next one names its object."""
        return np.asarray(1 / (1 + np.exp(-self.log_odds)), dtype=np.float64)

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """``(N,)`` missed too often to be published; kept in case it is seen again."""
        return np.asarray(self.log_odds + self.second <= END, dtype=np.bool_)

    def changed(self, **columns: Any) -> Table:
        """Return a copy with other columns, as :func:`dataclasses.replace` does.

        In a tenth of the time: every frame makes several copies, and the constructor sets the 24
        columns one by one.

        Raises:
            TypeError: there is no column of that name.
        """
        copy = object.__new__(Table)
        every = copy.__dict__
        every.update(self.__dict__)
        every.update(columns)
        if len(every) != len(_FIELDS):
            raise TypeError(f"a Table has no column {sorted(columns.keys() - _FIELDS)}")
        return copy

    def take(self, rows: Rows) -> Table:
        """Return the tracks at ``rows`` (indices or a mask)."""
        if rows.dtype.kind == "b" and all_true(rows):
            return self
        return self.changed(**{name: getattr(self, name)[rows] for name in _ROW_FIELDS})

    def joined(self, other: Table) -> Table:
        """Return these tracks followed by those of ``other`` (same vocabulary)."""
        return self.changed(
            **{
                name: np.concatenate([getattr(self, name), getattr(other, name)])
                for name in _ROW_FIELDS
            }
        )


_FIELDS = frozenset(item.name for item in fields(Table))
_ROW_FIELDS = tuple(item.name for item in fields(Table) if item.name not in _PER_TABLE)


def put(column: Column, rows: Index, values: Any) -> Column:
    """Return ``column`` with other values at ``rows``, a new array; or the values, if they are all.

    Args:
        column: ``(N, ...)``.
        rows: of K tracks, as :meth:`~lfmvl_ros.core.tracking.association.Pairs.rows` returns them.
        values: ``(K, ...)``, or one for all.
    """
    if isinstance(rows, slice) and isinstance(values, np.ndarray):
        return cast(Column, values)
    changed = column.copy()
    changed[rows] = values
    return changed


def boxes_in_image(mean: FloatArray, wh: tuple[int, int]) -> FloatArray:
    """Return boxes ``(N, 4)`` xyxy cut at the border."""
    return clip(cxcywh_to_xyxy(mean[:, :4]), wh)


def all_true(rows: NDArray[Any]) -> bool:
    """Return whether a mask ``(N,)`` is true everywhere, in a quarter of the time of ``all``."""
    return int(np.count_nonzero(rows)) == rows.size


def are_well_inside(mean: FloatArray, wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Return whether centres are a pixel or more in the image, and boxes fit into it, ``(N, 4)``.

    By axis: x, y, width, height. Where all four are true, a quarter or more of the box is inside.
    """
    middle, most = _inside_limits(wh)
    return np.asarray(np.abs(mean[:, :4] - middle) <= most)


@lru_cache(maxsize=8)
def _inside_limits(wh: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """See :func:`are_well_inside`. Not to be written to."""
    half = (wh[0] / 2, wh[1] / 2)
    return np.array([*half, 0.0, 0.0]), np.array([half[0] - 1, half[1] - 1, *wh])


def share_in_image(mean: FloatArray, wh: tuple[int, int]) -> FloatArray:
    """Return the share ``(N,)`` of each box that is inside the image."""
    centre, sides = mean[:, :2], np.maximum(mean[:, 2:4], MIN_SIDE_PX)
    half = sides / 2
    low = np.maximum(centre - half, 0.0)
    inside = np.minimum(centre + half, wh)
    inside -= low
    inside = np.maximum(inside, 0.0) / sides
    return np.asarray(inside[:, 0] * inside[:, 1])
