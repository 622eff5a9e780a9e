# SPDX-License-Identifier: Apache-2.0
"""The tracker of one camera: takes answers, each at its own time; returns tracks at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.timeline import NS, Timeline, Verdict, check_stamp
from lfmvl_ros.core.tracking.applied import Applied
from lfmvl_ros.core.tracking.bridge import Bridge
from lfmvl_ros.core.tracking.ego_motion import EgoMotion
from lfmvl_ros.core.tracking.history import Entry, History
from lfmvl_ros.core.tracking.hypotheses import fused
from lfmvl_ros.core.tracking.measurement import label_key
from lfmvl_ros.core.tracking.opinions import Opinion
from lfmvl_ros.core.tracking.pauses import NO_PAUSES
from lfmvl_ros.core.tracking.siamese import load_follower
from lfmvl_ros.core.tracking.table import Table
from lfmvl_ros.core.tracking.tracks import Tracks
from lfmvl_ros.core.tracking.update import apply_answer, carried
from lfmvl_ros.core.tracking.view import tracks_at


class Tracker:
    """Tracks the objects of one camera with a model that is slow, late and sometimes wrong.

    It holds the state at the capture time of the last answer's frame. :meth:`apply` predicts it to
    the next answer's frame and corrects it. :meth:`observe` moves it to the newest camera frame
    with optical flow (``bridge: flow``); :meth:`at` predicts it to any time without pixels.

    * ``unparseable``, ``timeout`` and ``error`` only advance time. ``truncated`` is evidence for
      the objects it names and against none; other answers are also evidence against the rest.
    * An answer older than the newest by at most ``reorder_window_s`` is applied at its time, and
      the newer ones (at most 32 are kept) are applied again after it. It corrects tracks but
      starts none, because newer answers count more; a track that has ended stays ended.
    * An older answer, or a frame that restarts time by the rule of
      :class:`~lfmvl_ros.core.timeline.Timeline` (a bag loops), ends all tracks.
    * When the query changes, tracks whose label is no longer in it end.

    One thread may call :meth:`apply`, :meth:`configure` and :meth:`reset`, another
    :meth:`observe`, any number :meth:`at` meanwhile. :meth:`apply` replays the frames since the
    answer's (10 to 20 ms); :meth:`observe` does not wait for it.

    Args:
        settings: of the tracker.
        point_s: CPU time assumed for following a point, s, so that the same frames and answers give
            the same tracks on any machine; 0: it is measured.

    Raises:
        ValueError: answers of two cameras are applied to one tracker.
        UserError: ``settings.follower`` names no networks that can be used.
    """

    def __init__(self, settings: TrackerSettings | None = None, *, point_s: float = 0.0) -> None:
        self._settings = settings if settings is not None else TrackerSettings()
        self._history, self._pauses = History(), NO_PAUSES
        self._bridge = Bridge(point_s)
        self._bridge.use(load_follower(self._settings.follower))
        self._timeline = Timeline()  # of the frames observed
        self._writing = threading.Lock()
        self._last_id = 0
        self._ego: EgoMotion | None = None

    @property
    def settings(self) -> TrackerSettings:
        """The settings in force."""
        return self._settings

    def configure(self, settings: TrackerSettings) -> None:
        """Use other settings from now on; tracks stay.

        Raises:
            UserError: ``settings.follower`` names no networks that can be used; nothing changes.
        """
        if settings.follower != self._settings.follower:
            self._bridge.use(load_follower(settings.follower))
        self._settings = settings

    def set_ego_motion(self, ego: EgoMotion | None) -> None:
        """Set the camera's measured rotation, from any thread; None if unknown.

        Call it with every new measurement. With ``bridge: predict`` boxes keep their bearings; with
        ``flow`` the search for pixels starts where the rotation puts them.
        """
        self._ego = ego
        self._bridge.set_ego_motion(ego)

    def pause(self, from_ns: int, to_ns: int, *, still: bool) -> None:
        """Don't count the time between two frames in which the model was not asked on purpose.

        No track ends because of it. Call it from the thread that calls :meth:`observe`.

        Args:
            from_ns: stamp of the earlier frame, not before those of earlier pauses.
            to_ns: stamp of the later one.
            still: the image has not changed since the last answer's frame, so tracks don't coast.

        Raises:
            ValueError: a stamp is no integer.
        """
        check_stamp("the start of a pause", from_ns)
        check_stamp("the end of a pause", to_ns)
        self._pauses = self._pauses.and_then(from_ns, to_ns, still)
        self._bridge.set_pauses(self._pauses)

    def reset(self) -> None:
        """Forget all tracks. Ids continue counting."""
        with self._writing:
            self._forget()

    def _forget(self) -> None:
        self._history, self._pauses = History(), NO_PAUSES
        self._bridge.clear()
        self._timeline = Timeline()

    def observe(self, frame: Frame) -> Tracks:
        """Take a camera frame and return the tracks at it; call it for every frame.

        With ``bridge: flow`` a small grey copy is kept for ``bridge_memory_s``. For a frame older
        than the last one, the tracks are predicted without its pixels, unless it shows that time
        has restarted: then all tracks end.
        """
        window_ns = self._settings.reorder_window_s / NS
        if self._timeline.judge(frame.stamp_ns, window_ns) is Verdict.RESTARTED:
            self.reset()
            self._timeline = Timeline(frame.stamp_ns)
        return self.recall(frame)

    def recall(self, frame: Frame) -> Tracks:
        """Return the tracks at a frame that was observed; it can't restart time.

        Where the frame is not remembered, its tracks are predicted.
        """
        history, settings = self._history, self._settings
        if settings.bridge == "flow":
            table = self._bridge.observe(frame, settings)
            if table is not None and history.entries:
                source = history.entries[-1].grounding
                return tracks_at(
                    fused(table),
                    frame.stamp_ns,
                    source,
                    history.cadence,
                    settings,
                    pauses=self._pauses,
                    opinions=history.opinions,
                )
        return self.at(frame.stamp_ns)

    def at(self, stamp_ns: int) -> Tracks:
        """Return the tracks predicted to a camera frame's time; changes nothing.

        For a time before the last answer's frame, the answers up to then are used; before the
        first one there are no tracks.

        Raises:
            ValueError: the stamp is no integer.
        """
        check_stamp("the stamp of a camera frame", stamp_ns)
        history, settings = self._history, self._settings
        for entry in reversed(history.entries):
            if entry.grounding.stamp_ns <= stamp_ns:
                return tracks_at(
                    entry.step.table,
                    stamp_ns,
                    entry.grounding,
                    history.cadence,
                    settings,
                    self._rotation(settings),
                    self._pauses,
                    history.opinions,
                )
        if not history.entries:
            return Tracks(stamp_ns)
        newest = history.entries[-1].grounding
        return Tracks(stamp_ns, frame_id=newest.frame_id, camera=newest.camera, wh=newest.wh)

    def apply(self, grounding: Grounding, *, catch_up: bool = True) -> Applied:
        """Apply one answer at the capture time of its frame.

        With ``catch_up=False`` :meth:`observe` uses the state before this answer until
        :meth:`catch_up` is called, which is the slow part.
        """
        with self._writing:
            applied = self._apply(grounding)
        if catch_up:
            self.catch_up()
        return applied

    def take_opinion(self, opinion: Opinion, *, catch_up: bool = True) -> bool:
        """Let what a second model said about a track count, from its frame on; from any thread.

        It changes the track's existence and confidence, and no box, match or id.

        Args:
            opinion: about a track of this camera.
            catch_up: as of :meth:`apply`.

        Returns:
            False if it changes nothing: the track has ended, or has another label now.
        """
        with self._writing:
            table = self._history.table
            row = np.flatnonzero(table.ids == opinion.id)
            key = label_key(opinion.label)
            if not row.size or table.vocabulary[int(table.label[row[0]])] != key:
                return False
            self._history = self._history.with_opinion(opinion, self._settings)
        if catch_up:
            self.catch_up()
        return True

    def _apply(self, grounding: Grounding) -> Applied:
        window_ns = self._settings.reorder_window_s / NS
        restarted = self._history.restart_reason(grounding, window_ns)
        before = set(self._history.table.ids.tolist())
        if restarted is not None:
            self._forget()
        self._history = self._history.with_query_of(grounding)
        ignored = self._history.ignore_reason(grounding)
        late = False
        ids: tuple[int, ...] = (0,) * len(grounding.detections)
        if ignored is None:
            entries = self._history.entries
            late = bool(entries) and grounding.stamp_ns < entries[-1].grounding.stamp_ns
            ids = self._insert(grounding) if late else self._append(grounding)
        after = set(self._history.table.ids.tolist())
        return Applied(
            grounding.stamp_ns,
            ids,
            born=tuple(sorted(after - before)),
            ended=tuple(sorted(before - after)),
            ignored=ignored,
            restarted=restarted,
            reordered=late,
        )

    def _carry(self, table: Table, stamp_ns: int, settings: TrackerSettings) -> Table:
        if settings.bridge == "flow":
            return self._bridge.prior(table, stamp_ns, settings)
        return carried(table, stamp_ns, settings, self._rotation(settings), self._pauses)

    def _rotation(self, settings: TrackerSettings) -> EgoMotion | None:
        """The camera's rotation, unless optical flow measures its motion."""
        return self._ego if settings.bridge == "predict" else None

    def catch_up(self) -> None:
        """Move the tracks from the last answer's frame to the newest observed one."""
        history, settings = self._history, self._settings
        if history.entries and settings.bridge == "flow":
            wh = history.entries[-1].grounding.wh
            self._bridge.start_from(
                history.table, wh, settings, lambda: self._history.table is history.table
            )

    def _append(self, grounding: Grounding) -> tuple[int, ...]:
        """Apply the newest answer."""
        history = self._history
        cadence = history.cadence_with(grounding, self._pauses)
        entries = history.entries
        table = entries[-1].step.table if entries else Table(stamp_ns=grounding.stamp_ns)
        step = apply_answer(
            table,
            grounding,
            cadence,
            self._settings,
            new_id=self._next_id,
            carry=self._carry,
            look=self._bridge.look,
            pauses=self._pauses,
        )
        step = history.judged(step, grounding, self._settings)
        self._history = history.with_entries((*entries, Entry(grounding, step)), cadence)
        return step.ids

    def _insert(self, grounding: Grounding) -> tuple[int, ...]:
        """Apply an answer that came out of order, then the newer ones again."""
        history = self._history
        place = sum(e.grounding.stamp_ns <= grounding.stamp_ns for e in history.entries)
        done, redo = history.entries[:place], history.entries[place:]
        settings, cadence = self._settings, history.cadence_with_late(grounding)
        step = late = apply_answer(
            done[-1].step.table,
            grounding,
            cadence,
            settings,
            new_id=lambda _: None,
            carry=self._carry,
            look=self._bridge.look,
            pauses=self._pauses,
        )
        step = late = history.judged(
            late, grounding, settings, before_ns=redo[0].grounding.stamp_ns
        )
        entries = [*done, Entry(grounding, late)]
        until = [*(entry.grounding.stamp_ns for entry in redo[1:]), None]
        exchanges = {old: new for entry in redo for old, new in entry.step.exchanged.items()}
        for entry, before_ns in zip(redo, until, strict=True):
            step = apply_answer(
                step.table,
                entry.grounding,
                cadence,
                settings,
                new_id=self._same_id(entry),
                banned=frozenset(entry.step.ended),
                exchanges=exchanges,
                carry=self._carry,
                look=self._bridge.look,
                pauses=self._pauses,
            )
            # A track that had ended by then also stays ended when answers are applied again.
            step = replace(step, ended=tuple({*step.ended, *entry.step.ended}))
            step = history.judged(step, entry.grounding, settings, before_ns=before_ns)
            entries.append(Entry(entry.grounding, step))
        self._history = history.with_entries(tuple(entries), cadence)
        return late.ids

    def _next_id(self, _detection: int) -> int:
        self._last_id += 1
        return self._last_id

    def _same_id(self, entry: Entry) -> Callable[[int], int | None]:
        """Let a detection that started a track get the same id when its answer is applied again."""
        born = entry.step.born

        def key(detection: int) -> int:
            return born[detection] if detection in born else self._next_id(detection)

        return key
