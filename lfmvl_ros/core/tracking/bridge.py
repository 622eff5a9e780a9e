# SPDX-License-Identifier: Apache-2.0
"""Moves tracks between two answers with the pixels of every camera frame.

Small grey copies of the last few seconds are kept, each with the tracks at its time. A new frame
takes one step of optical flow. An answer about one of the kept frames corrects the tracks at that
frame, and they are then moved through the later frames to the newest one (replay).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking.carry import Seen, small_boxes, step
from lfmvl_ros.core.tracking.colour import ColourImage, small_colour
from lfmvl_ros.core.tracking.ego_motion import EgoMotion
from lfmvl_ros.core.tracking.flow import GREY_HEIGHT_PX, small_grey
from lfmvl_ros.core.tracking.follower import Follower, Looked
from lfmvl_ros.core.tracking.pauses import NO_PAUSES, Pauses
from lfmvl_ros.core.tracking.points import points_across
from lfmvl_ros.core.tracking.siamese import SiameseNets
from lfmvl_ros.core.tracking.table import Table
from lfmvl_ros.core.tracking.update import carried

MOST_FRAMES = 96
# Points per step before their cost is known, and how fast the estimate of the cost adapts.
FIRST_POINTS = 800
LEAST_POINTS = 64
COST_MEMORY = 0.9


class Bridge:
    """Moves the tracks of one camera from frame to frame.

    :meth:`observe` belongs to the camera's thread, the rest to the thread that applies answers.
    Neither waits for the other's flow: a replay catches up with frames that arrived meanwhile, and
    a frame whose step began before a replay ended is computed again.

    Args:
        point_s: CPU time per point that is assumed; 0 measures it, and then the number of points
            depends on the machine.
    """

    def __init__(self, point_s: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._camera = threading.Lock()
        self._ring: deque[Seen] = deque(maxlen=MOST_FRAMES)
        self._root = Table()
        self._root_wh: tuple[int, int] | None = None
        self._generation = 0
        self._point_s, self._measured = point_s, point_s <= 0
        self._ego: EgoMotion | None = None
        self._pauses = NO_PAUSES
        self._follower: Follower | None = None

    def __len__(self) -> int:
        return len(self._ring)

    def set_ego_motion(self, ego: EgoMotion | None) -> None:
        """Set the camera's measured rotation, from any thread; None if unknown."""
        self._ego = ego

    def set_pauses(self, pauses: Pauses) -> None:
        """Set when the image stood still; tracks become no less certain then."""
        self._pauses = pauses

    def use(self, nets: SiameseNets | None) -> None:
        """Search for some objects with these networks, from the next answer on; None: without."""
        self._follower = None if nets is None else Follower(nets, is_measured=self._measured)

    def clear(self) -> None:
        """Forget all frames and tracks."""
        if (follower := self._follower) is not None:
            follower.forget()
        with self._lock:
            self._ring.clear()
            self._root, self._root_wh, self._pauses = Table(), None, NO_PAUSES
            self._generation += 1

    def observe(self, frame: Frame, settings: TrackerSettings) -> Table | None:
        """Take a camera frame; return the tracks at it, or None where there are none yet.

        A frame that is not newer than the last one is not remembered; if it is one of those
        remembered, its tracks are returned.
        """
        with self._camera:
            with self._lock:
                known = [seen for seen in self._ring if seen.stamp_ns >= frame.stamp_ns]
            if known:
                return known[0].table if known[0].stamp_ns == frame.stamp_ns else None
            grey, colour = small_grey(frame.pixels), small_colour(frame.pixels)
            detail = None
            if self._follower is not None:
                detail = small_colour(frame.pixels, GREY_HEIGHT_PX)
            fresh = Seen(frame.stamp_ns, frame.wh, grey, colour, detail)
            while True:
                with self._lock:
                    generation, root, root_wh = self._generation, self._root, self._root_wh
                    last = self._ring[-1] if self._ring else None
                new = self._next(last, fresh, root, root_wh, settings)
                with self._lock:
                    if generation == self._generation:
                        self._remember(new, settings)
                        return new.table
                fresh = new  # the background's flow is known already

    def look(self, stamp_ns: int) -> ColourImage | None:
        """Return the small colour copy of the frame at ``stamp_ns``; None if it is not kept."""
        with self._lock:
            return next((s.colour for s in self._ring if s.stamp_ns == stamp_ns), None)

    def prior(self, table: Table, stamp_ns: int, settings: TrackerSettings) -> Table:
        """Return ``table``, the tracks after an answer, moved to the frame taken at ``stamp_ns``.

        They move by flow as far as frames are kept, and by prediction for the rest.
        """
        with self._lock:
            frames, same = list(self._ring), table is self._root
            wh = self._root_wh
        if same:
            for seen in frames:
                if seen.stamp_ns == stamp_ns and seen.table is not None:
                    return seen.table
        between = [s for s in frames if table.stamp_ns <= s.stamp_ns <= stamp_ns]
        replayed = self._replayed((), between, table, wh, settings)
        last = replayed[-1].table if replayed else table
        return carried(table if last is None else last, stamp_ns, settings, pauses=self._pauses)

    def start_from(
        self,
        table: Table,
        wh: tuple[int, int],
        settings: TrackerSettings,
        is_current: Callable[[], bool],
    ) -> None:
        """Move ``table``, the tracks after an answer, from that answer's frame to the newest.

        Does nothing if that is done already, or when ``is_current`` returns False.
        """
        done: list[Seen] = []
        while table is not self._root:
            with self._lock:
                if not is_current():
                    return
                frames = [s for s in self._ring if s.stamp_ns >= table.stamp_ns]
                newest = done[-1].stamp_ns if done else -1
                if not frames or frames[-1].stamp_ns == newest:
                    # The oldest ones may have been dropped during the replay.
                    kept = [s for s in done if frames and s.stamp_ns >= frames[0].stamp_ns]
                    self._install(kept, table, wh)
                    return
            news = [s for s in frames if s.stamp_ns > newest]
            replayed = self._replayed(done[-1:], news, table, wh, settings)
            done += replayed

    def _install(self, done: Sequence[Seen], table: Table, wh: tuple[int, int]) -> None:
        """Put replayed tracks into the ring. The lock is held."""
        old = [s for s in self._ring if s.stamp_ns < table.stamp_ns]
        self._ring = deque([*old, *done], maxlen=MOST_FRAMES)
        self._root, self._root_wh = table, wh
        self._generation += 1

    def _replayed(
        self,
        done: Sequence[Seen],
        frames: Sequence[Seen],
        table: Table,
        wh: tuple[int, int] | None,
        settings: TrackerSettings,
    ) -> list[Seen]:
        """Return ``frames`` with ``table`` carried through them, after those already ``done``."""
        last, replayed = (done[-1] if done else None), []
        for seen in frames:
            last = self._next(last, seen, table, wh, settings)
            replayed.append(last)
        return replayed

    def _next(
        self,
        last: Seen | None,
        fresh: Seen,
        root: Table,
        root_wh: tuple[int, int] | None,
        settings: TrackerSettings,
    ) -> Seen:
        if root_wh is None or fresh.stamp_ns < root.stamp_ns:
            return fresh if fresh.table is None else replace(fresh, table=None)
        # Tracks of frames before the root belong to the previous answer.
        if last is None or last.stamp_ns < root.stamp_ns or last.table is None:
            follower = self._follower  # another thread may replace it
            if follower and fresh.detail is not None and fresh.stamp_ns == root.stamp_ns:
                follower.remember(root, fresh.detail, fresh.scale4)
            table = carried(root, fresh.stamp_ns, settings, pauses=self._pauses)
            return replace(fresh, table=table, looked=Looked())
        if root_wh not in (last.wh, fresh.wh):
            table = carried(last.table, fresh.stamp_ns, settings, pauses=self._pauses)
            return replace(fresh, table=table)
        across = points_across(small_boxes(last, last.table), self._most_points(settings))
        points = int((across**2).sum())
        began = time.thread_time()
        new = step(last, fresh, settings, across, self._ego, self._pauses)
        self._learn(time.thread_time() - began, points)
        return self._looked(last, new, settings.bridge_budget_ms * 1e-3 - points * self._point_s)

    def _looked(self, last: Seen, new: Seen, spare_s: float) -> Seen:
        """Return ``new`` after the looks at some tracks that its spare CPU time allows."""
        follower = self._follower  # another thread may replace it
        if follower is None or new.table is None or new.detail is None:
            return new
        support = np.zeros(len(new.table)) if new.support is None else new.support
        step_s = (new.stamp_ns - last.stamp_ns) * NS
        table, looked = follower.corrected(
            new.table, support, new.detail, new.scale4, last.looked, spare_s, step_s
        )
        return replace(new, table=table, looked=looked)

    def _most_points(self, settings: TrackerSettings) -> int:
        """Number of points that fit into the time for one frame, for all boxes together."""
        if self._point_s <= 0:
            return FIRST_POINTS
        return max(int(settings.bridge_budget_ms * 1e-3 / self._point_s), LEAST_POINTS)

    def _learn(self, spent_s: float, points: int) -> None:
        if points < LEAST_POINTS or not self._measured:
            return
        cost = spent_s / points
        if self._point_s > 0:
            # An interrupted step measures too long; it may raise the estimate by half at most.
            cost = COST_MEMORY * self._point_s + (1 - COST_MEMORY) * min(cost, 1.5 * self._point_s)
        self._point_s = cost

    def _remember(self, seen: Seen, settings: TrackerSettings) -> None:
        """Append a frame and drop what is too old. The lock is held."""
        if self._ring and self._ring[-1].wh != seen.wh:
            self._ring.clear()
        self._ring.append(seen)
        while (seen.stamp_ns - self._ring[0].stamp_ns) * NS > settings.bridge_memory_s:
            self._ring.popleft()
