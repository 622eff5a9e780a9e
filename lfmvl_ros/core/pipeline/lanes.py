# SPDX-License-Identifier: Apache-2.0
"""The lanes of all cameras. They share one lock and one model; the one that waited longest is next.

With ``n`` cameras and batches of ``b``, no camera waits for more than ``ceil(n / b)`` model calls
after the present one, whatever the rates and clocks of the cameras.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from lfmvl_ros.core.config import PerceptionSettings, TriggerSettings, ZoomSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.pipeline.lane import Job, Lane
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.report import Answer, LaneStatus
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.triggers.limits import Level, Restraint
from lfmvl_ros.core.triggers.motion import small_image
from lfmvl_ros.core.zoom.choosing import choose_region


class Lanes:
    """The lanes by camera name; each is created with its camera's first frame.

    Args:
        settings: of trigger and trackers; change them with :meth:`configure`.
        point_s: of each :class:`~lfmvl_ros.core.tracking.Tracker`.

    Attributes:
        lock: guards all lanes except their trackers; notified when a job may be ready. Methods
            that need it held say so; the others acquire it.
    """

    def __init__(self, settings: PerceptionSettings, *, point_s: float = 0.0) -> None:
        self.lock = threading.Condition()
        self._settings, self._point_s = settings, point_s
        self._enabled = True
        self._restraint = Restraint()
        self._lanes: dict[str, Lane] = {}

    def __getitem__(self, camera: str) -> Lane:
        return self._lanes[camera]

    def get(self, camera: str) -> Lane | None:
        """Return the lane of a camera; None before its first frame."""
        return self._lanes.get(camera)

    @property
    def enabled(self) -> bool:
        """Whether frames are given to the model without a request."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        with self.lock:
            self._enabled = value
            if value:
                self._wake_all()
            self.lock.notify()

    def configure(self, settings: PerceptionSettings) -> None:
        """Use other settings from now on. The lock is held."""
        before, self._settings = self._settings, settings
        for lane in self._lanes.values():
            lane.configure(settings.tracker)
        if before.query != settings.query or before.trigger != settings.trigger:
            self._wake_all()
        self.lock.notify()

    def _wake_all(self) -> None:
        """Ask again, because there is something else to ask; not in mode ``on_demand``."""
        if self._settings.trigger.mode != "on_demand":
            for lane in self._lanes.values():
                lane.wake(self._settings.trigger)

    @property
    def restraint(self) -> Restraint:
        """The limit that heat and battery demand."""
        return self._restraint

    @restraint.setter
    def restraint(self, value: Restraint) -> None:
        with self.lock:
            self._restraint = value
            for lane in self._lanes.values():
                lane.restraint = value
            self.lock.notify()

    def wake(self, camera: str) -> None:
        """Ask about the next frames of a camera; nothing before its first frame."""
        with self.lock:
            if (lane := self._lanes.get(camera)) is not None:
                lane.wake(self._settings.trigger)
                self.lock.notify()

    def is_due(self, camera: str) -> bool:
        """Return whether the trigger asks for an answer about a camera's newest frame."""
        with self.lock:
            lane = self._lanes.get(camera)
            return lane is not None and lane.is_due(self._settings.trigger)

    def arrive(self, frame: Frame, verdict: Verdict | None) -> int | None:
        """Count a frame; return the epoch that it belongs to, None when it is out of order."""
        if frame.camera not in self._lanes:
            self._add(frame.camera)
        with self.lock:
            lane = self._lanes[frame.camera]
            window_ns = self._settings.tracker.reorder_window_s * 1e9
            epoch = lane.arrive(frame.stamp_ns, window_ns, verdict)
            trigger = self._settings.trigger
            if not trigger.may_sleep and self._restraint.level is Level.FREE:
                lane.stay_awake()
                return epoch
        if epoch is not None:
            small = small_image(frame.pixels) if trigger.mode == "motion" else None
            with self.lock:
                lane.watch(trigger, frame.stamp_ns, small)
        return epoch

    def _add(self, camera: str) -> None:
        """Make a lane; not with the lock held, as its tracker may have networks to load."""
        fresh = Lane(self._settings.tracker, point_s=self._point_s)
        with self.lock:
            lane = self._lanes.setdefault(camera, fresh)
            lane.configure(self._settings.tracker)
            lane.restraint = self._restraint

    def hand_over(self, frame: Frame, now_ns: int, epoch: int | None) -> None:
        """Store a frame for the model."""
        with self.lock:
            self._lanes[frame.camera].hand_over(frame, now_ns, epoch)
            self.lock.notify()

    def request(self, camera: str, *, whole: bool = True) -> Future[Answer]:
        """Request an answer about the newest frame of a camera. The lock is held.

        Args:
            camera: its name.
            whole: the answer has to be about the whole image.

        Raises:
            UserError: no frame has come yet.
        """
        self.newest_frame(camera)
        self.lock.notify()
        return self._lanes[camera].request(time.monotonic_ns(), whole=whole)

    def newest_frame(self, camera: str) -> Frame:
        """Return the newest frame of a camera. The lock is held.

        Raises:
            UserError: no frame has come yet.
        """
        lane = self._lanes.get(camera)
        if lane is None or lane.latest is None:
            raise UserError("no camera frame has come yet; check the image topic")
        return lane.latest[0]

    def take_jobs(self, now_ns: int) -> list[Job]:
        """Return the jobs of the next model call; nothing where none is ready. The lock is held."""
        lanes = longest_waiting(self._lanes.values(), self._settings.trigger, self._enabled)
        return [lane.take(now_ns, self._settings.trigger, self._settings.zoom) for lane in lanes]

    def aim(self, jobs: Sequence[Job], settings: ZoomSettings, query: Query) -> list[Job]:
        """Decide which jobs are about a region, and about which; not with the lock held."""
        aimed = [_aimed(job, settings, query) for job in jobs]
        with self.lock:
            for job in aimed:
                job.lane.aimed(job, settings)
        return aimed

    def refuse_requests(self, reason: str) -> None:
        """Fail all waiting requests."""
        with self.lock:
            for lane in self._lanes.values():
                lane.refuse_requests(reason)

    def forget_answers(self) -> None:
        """Forget the last answers, since another model may answer differently. The lock is held."""
        for lane in self._lanes.values():
            lane.answered = None
        self._wake_all()

    def status(self, now_ns: int) -> dict[str, LaneStatus]:
        """Return the counters of each camera. The lock is held."""
        return {name: lane.status(now_ns) for name, lane in self._lanes.items()}


def _aimed(job: Job, settings: ZoomSettings, query: Query) -> Job:
    """Return a job with its region, where it may have one and something is worth a closer look.

    The first answer to a query is about the whole image.
    """
    seen = job.last_seen() if job.may_zoom else None
    if seen is None or seen[0].grounding.query.version != query.version:
        return job
    lane = job.lane
    region, lane.closer_looks = choose_region(lane.closer_looks, seen[1], job.frame.wh, settings)
    return replace(job, region=region)


def longest_waiting(lanes: Iterable[Lane], trigger: TriggerSettings, enabled: bool) -> list[Lane]:
    """Return the lanes that are ready, the one that has waited longest first, one batch of them."""
    ready = [lane for lane in lanes if lane.is_ready(trigger, enabled)]
    ready.sort(key=lambda lane: math.inf if lane.waits_since_ns is None else lane.waits_since_ns)
    return ready[: trigger.max_batch]
