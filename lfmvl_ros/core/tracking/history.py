# SPDX-License-Identifier: Apache-2.0
"""The answers applied to the tracks of one camera; whether the next one can be applied."""

from __future__ import annotations

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

    @property
    def _whole_ns(self) -> list[int]:
        """Stamps of the answers about the whole image, which alone make the cadence."""
        return [each.grounding.stamp_ns for each in self.entries if each.grounding.region is None]

    def cadence_with(self, grounding: Grounding, pauses: Pauses) -> Cadence:
        """Return the cadence with one more answer, which is the newest."""
        if grounding.region is not None:
            return self.cadence
        gap_s, stamps_ns = None, self._whole_ns
        if stamps_ns and not pauses.between_s(np.array(stamps_ns[-1:]), grounding.stamp_ns).any():
            gap_s = (grounding.stamp_ns - stamps_ns[-1]) * NS
        return self.cadence.after(gap_s, grounding.reply.times.total_s)

    def cadence_with_late(self, grounding: Grounding) -> Cadence:
        """Return the cadence with one more answer, which is older than the newest."""
        if grounding.region is not None:
            return self.cadence
        return self.cadence.with_stamps(sorted([grounding.stamp_ns, *self._whole_ns]))

    def with_entries(self, entries: tuple[Entry, ...], cadence: Cadence) -> History:
        """Return the history with other answers, of which the newest are kept."""
        ids = entries[-1].step.table.ids.tolist() if entries else []
        opinions = of_ids(self.opinions, ids)
        return replace(self, entries=entries[-HISTORY:], cadence=cadence, opinions=opinions)

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
        for entry in entries:
            same_frame = entry.grounding.stamp_ns == grounding.stamp_ns
            same_frame &= entry.grounding.region == grounding.region
            if same_frame and entry.grounding.query.version == grounding.query.version:
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
