# SPDX-License-Identifier: Apache-2.0
"""The answers applied to the tracks of one camera; whether the next one can be applied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from lfmvl_ros.core.calibration.confidence import CALIBRATED
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.timeline import NS, jumped_back
from lfmvl_ros.core.tracking.applied import Ignored, Restart
from lfmvl_ros.core.tracking.life import Cadence
from lfmvl_ros.core.tracking.opinions import Opinion, added, of_ids, with_opinions
from lfmvl_ros.core.tracking.pauses import Pauses
from lfmvl_ros.core.tracking.step import Step
from lfmvl_ros.core.tracking.table import Table
from lfmvl_ros.core.tracking.update import of_query

HISTORY = 32
"""How many answers are kept, so that one that comes out of order can be applied before them."""


@dataclass(frozen=True, eq=False)
class Entry:
    """An answer that was applied, and the tracks after it."""

    grounding: Grounding
    step: Step


@dataclass(frozen=True, eq=False)
class History:
    """The state of a tracker. It is replaced as a whole, so readers need no lock.

    Attributes:
        entries: answers in the order of their frames, the newest last; at most ``HISTORY``.
        cadence: rate and delay of the answers.
        query_version: newest version of the query that was answered.
        opinions: of a second model about tracks that live, in the order of their frames.
    """

    entries: tuple[Entry, ...] = ()
    cadence: Cadence = field(default_factory=Cadence)
    query_version: int = 0
    opinions: tuple[Opinion, ...] = ()

    @property
    def table(self) -> Table:
        """The tracks after the newest answer."""
        return self.entries[-1].step.table if self.entries else Table()

    def _newest_whole_ns(self) -> Iterator[int]:
        """Stamps of the answers about the whole image, the newest first; they make the cadence."""
        return (e.grounding.stamp_ns for e in reversed(self.entries) if e.grounding.region is None)

    def cadence_with(self, grounding: Grounding, pauses: Pauses) -> Cadence:
        """Return the cadence with one more answer, which is the newest."""
        if grounding.region is not None:
            return self.cadence
        gap_s, last_ns = None, next(self._newest_whole_ns(), None)
        if last_ns is not None:
            paused = pauses and pauses.between_s(np.array([last_ns]), grounding.stamp_ns).any()
            gap_s = None if paused else (grounding.stamp_ns - last_ns) * NS
        return self.cadence.after(gap_s, grounding.reply.times.total_s)

    def cadence_with_late(self, grounding: Grounding) -> Cadence:
        """Return the cadence with one more answer, which is older than the newest."""
        if grounding.region is not None:
            return self.cadence
        return self.cadence.with_stamps(sorted([grounding.stamp_ns, *self._newest_whole_ns()]))

    def with_entries(self, entries: tuple[Entry, ...], cadence: Cadence) -> History:
        """Return the history with other answers, of which the newest are kept."""
        opinions = self.opinions
        if opinions:
            opinions = of_ids(opinions, entries[-1].step.table.ids.tolist() if entries else [])
        return History(entries[-HISTORY:], cadence, self.query_version, opinions)

    def judged(
        self,
        step: Step,
        grounding: Grounding,
        settings: TrackerSettings,
        *,
        before_ns: int | None = None,
    ) -> Step:
        """Return what an answer led to, with what a second model said about the tracks by then.

        Args:
            step: what the answer led to.
            grounding: the answer.
            settings: of the tracker.
            before_ns: stamp of the next answer; None: there is none.
        """
        calibrated = grounding.confidence_kind == CALIBRATED
        table = with_opinions(
            step.table, self.opinions, settings, calibrated=calibrated, before_ns=before_ns
        )
        return step if table is step.table else replace(step, table=table)

    def with_opinion(self, opinion: Opinion, settings: TrackerSettings) -> History:
        """Return the history with one more opinion, which counts from its frame on.

        Answers are not matched again, so that no id changes. One about a frame before the oldest
        answer that is kept counts from that answer on.
        """
        told = replace(self, opinions=added(self.opinions, opinion))
        stamps = [*(entry.grounding.stamp_ns for entry in self.entries[1:]), None]
        entries = tuple(
            replace(entry, step=told.judged(entry.step, entry.grounding, settings, before_ns=until))
            for entry, until in zip(self.entries, stamps, strict=True)
        )
        return replace(told, entries=entries)

    def restart_reason(self, grounding: Grounding, window_ns: float) -> Restart | None:
        """Return why all tracks have to end before this answer is applied; None if they stay.

        Args:
            grounding: the next answer.
            window_ns: how much older than the newest it may be.

        Raises:
            ValueError: it is about another camera.
        """
        if not self.entries:
            return None
        newest = self.entries[-1].grounding
        if grounding.camera != newest.camera:
            raise ValueError(
                f"a Tracker follows one camera ({newest.camera!r}), got an answer of "
                f"{grounding.camera!r}; make one Tracker for each camera"
            )
        if jumped_back(newest.stamp_ns, grounding.stamp_ns, window_ns):
            return Restart.TIME_JUMPED_BACK
        if grounding.wh != newest.wh and grounding.stamp_ns >= newest.stamp_ns:
            return Restart.IMAGE_SIZE_CHANGED
        return None

    def ignore_reason(self, grounding: Grounding) -> Ignored | None:
        """Return why an answer changes nothing; None if it is to be applied."""
        entries = self.entries
        if grounding.query.version < self.query_version:
            return Ignored.OLD_QUERY
        for entry in reversed(entries):
            known = entry.grounding
            if known.stamp_ns < grounding.stamp_ns:
                break
            same_view = known.stamp_ns == grounding.stamp_ns and known.region == grounding.region
            if same_view and known.query.version == grounding.query.version:
                return Ignored.DUPLICATE
        if entries and grounding.stamp_ns < entries[0].grounding.stamp_ns:
            return Ignored.TOO_LATE
        return None

    def with_query_of(self, grounding: Grounding) -> History:
        """Return the history with the tracks that the answer's query still asks for.

        Where that query is new, only the newest answer is kept: no later answer can be put before
        the change.
        """
        if grounding.query.version <= self.query_version:
            return self
        return replace(
            self,
            entries=tuple(_narrowed(entry, grounding) for entry in self.entries[-1:]),
            query_version=grounding.query.version,
        )


def _narrowed(entry: Entry, grounding: Grounding) -> Entry:
    """Return ``entry`` without tracks that the query of ``grounding`` does not ask for."""
    return replace(
        entry, step=replace(entry.step, table=of_query(entry.step.table, grounding.query))
    )
