# SPDX-License-Identifier: Apache-2.0
"""A lane is one camera's part of the pipeline: its newest frame, tracker and counters."""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from lfmvl_ros.core.config import TrackerSettings, TriggerSettings, ZoomSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.report import Answer, LaneStatus
from lfmvl_ros.core.timeline import NS, Timeline, Verdict
from lfmvl_ros.core.tracking import Applied, Ignored, Tracker, Tracks
from lfmvl_ros.core.tracking.siamese import FLOW
from lfmvl_ros.core.triggers import Trigger
from lfmvl_ros.core.triggers.limits import Level, Restraint
from lfmvl_ros.core.triggers.motion import FloatImage
from lfmvl_ros.core.zoom.choosing import Waiting
from lfmvl_ros.core.zoom.turns import Turns

_log = logging.getLogger(__name__)
_ALWAYS, _NO_ZOOM = TriggerSettings(), ZoomSettings()


class Lane:
    """The state of one camera; at most one frame waits.

    Everything but :attr:`tracker` is guarded by the lock of :class:`.lanes.Lanes`.

    Attributes:
        restarting: held while the tracker is reset because time has restarted.
        tracker: of this camera.
        latest: the newest frame and when it was handed over (monotonic ns); None before the first.
        epoch: grows when the camera's time restarts.
        answered: the newest answer about the whole image; None before the first.
        closer_looks: what waits for an answer about a region; used by the model's thread.
        asleep: the trigger's mode while the newest frame is not given to the model; else "".
        restraint: the limit that heat and battery demand.
        waits_since_ns: monotonic time since which a frame or request waits here; None if nothing
            waits.
    """

    def __init__(self, settings: TrackerSettings, *, point_s: float = 0.0) -> None:
        self.tracker = _tracker(settings, point_s)
        self.restarting = threading.Lock()
        self.latest: tuple[Frame, int] | None = None
        self.answered: Answer | None = None
        self.epoch = 0
        self.waits_since_ns: int | None = None
        self.asleep = ""
        self.restraint = Restraint()
        self._trigger = Trigger()
        self._watched_ns: int | None = None
        self._awake_since_ns: int | None = None
        self._waiting: tuple[Frame, int] | None = None
        self._waiting_asleep = False
        self._requests: list[Future[Answer]] = []
        self._wants_whole = False
        self._turns, self._regions = Turns(), 0
        self.closer_looks = Waiting()
        self._last_asked_ns: int | None = None
        self._timeline = Timeline()
        self._frames = self._superseded = self._skipped = self._restarts = 0
        self._outcomes: Counter[str] = Counter()
        self._ignored: Counter[str] = Counter()
        self._answered_ns: int | None = None
        self._longest_wait_ns = 0

    def configure(self, settings: TrackerSettings) -> None:
        """Use other tracker settings from now on; tracks stay."""
        try:
            self.tracker.configure(settings)
        except UserError as error:
            self.tracker.configure(_by_flow_alone(settings, error))

    # -- frames and requests in ------------------------------------------------------------------

    def arrive(self, stamp_ns: int, window_ns: float, verdict: Verdict | None = None) -> int | None:
        """Count a frame; start a new epoch when time restarts with it.

        Args:
            stamp_ns: of the frame.
            window_ns: how late a stamp may be without restarting time by itself.
            verdict: on the stamp, if the caller has checked it; otherwise it is checked here.

        Returns:
            The epoch that the frame belongs to; None when it is out of order.
        """
        self._frames += 1
        if verdict is None:
            verdict = self._timeline.judge(stamp_ns, window_ns)
        elif verdict.is_kept:
            self._timeline = Timeline(stamp_ns)
        if verdict is Verdict.RESTARTED:
            _log.warning("camera stamps jumped back; the tracker restarts")
            with self.restarting:
                self.tracker.reset()
                self.epoch += 1
            self._last_asked_ns = self._watched_ns = self._awake_since_ns = None
            self._trigger.reset()
            self.closer_looks = Waiting()
            self._restarts += 1
        return self.epoch if verdict.is_kept else None

    def watch(self, settings: TriggerSettings, stamp_ns: int, small: FloatImage | None) -> None:
        """Let the trigger see a frame that is in order, before the tracker does.

        Args:
            settings: of the trigger, in a mode that may sleep.
            stamp_ns: of the frame.
            small: its small image, with mode ``motion``.
        """
        self._trigger.watch(settings, stamp_ns, small)
        before_ns, self._watched_ns = self._watched_ns, stamp_ns
        free = self.restraint.level is Level.FREE
        if self._is_due(settings, stamp_ns) or (free and self._trigger.is_awake(settings)):
            self.asleep = ""
            if self._awake_since_ns is None:
                self._awake_since_ns = stamp_ns
            return
        self.asleep, self._awake_since_ns = settings.mode, None
        still = settings.mode == "motion" and free
        asked_ns = self._last_asked_ns
        unasked_s = 0.0 if asked_ns is None else (stamp_ns - asked_ns) * NS
        if before_ns is not None and (still or unasked_s <= settings.hold_tracks_s):
            self.tracker.pause(before_ns, stamp_ns, still=still)

    def stay_awake(self) -> None:
        """Forget what the trigger saw, because its mode now never sleeps."""
        if self.asleep or self._watched_ns is not None:
            self.asleep, self._watched_ns, self._awake_since_ns = "", None, None
            self._trigger.reset()

    def wake(self, settings: TriggerSettings) -> None:
        """Ask about the next frames, if the trigger's mode sleeps."""
        self._trigger.wake(settings)

    def is_due(self, settings: TriggerSettings) -> bool:
        """Return whether the trigger asks for an answer about the newest frame."""
        if self.latest is None:
            return False
        return self._is_due(settings, self.latest[0].stamp_ns)

    def _is_due(self, settings: TriggerSettings, stamp_ns: int) -> bool:
        asked_ns = self._last_asked_ns
        if not self.restraint.allows(stamp_ns, asked_ns):
            return False
        return self._trigger.is_due(settings, stamp_ns, asked_ns)

    def hand_over(self, frame: Frame, now_ns: int, epoch: int | None) -> None:
        """Store the newest frame for the model.

        Frames that are out of order (no epoch) or from before a restart of time are ignored.
        """
        if epoch != self.epoch:
            return
        if self._waiting is not None and self._waiting_asleep:
            self._skipped += 1
        elif self._waiting is not None:
            self._superseded += 1
        self._waiting = self.latest = (frame, now_ns)
        self._waiting_asleep = bool(self.asleep)
        if self.waits_since_ns is None and not self.asleep:
            self.waits_since_ns = now_ns

    def request(self, now_ns: int, *, whole: bool = True) -> Future[Answer]:
        """Request an answer about the newest frame, regardless of the trigger.

        Args:
            now_ns: monotonic time.
            whole: it has to be about the whole image.
        """
        future: Future[Answer] = Future()
        self._wants_whole |= whole
        self._requests.append(future)
        if self.waits_since_ns is None:
            self.waits_since_ns = now_ns
        return future

    def refuse_requests(self, reason: str) -> None:
        """Fail all waiting requests."""
        requests, self._requests = self._requests, []
        refuse(requests, reason)

    # -- to the model ----------------------------------------------------------------------------

    def is_ready(self, trigger: TriggerSettings, enabled: bool) -> bool:
        """Return whether this camera's newest frame should go to the model now."""
        if self._requests and self.latest is not None:
            return True
        if self._waiting is None or not enabled:
            return False
        return self._is_due(trigger, self._waiting[0].stamp_ns)

    def take(
        self, now_ns: int, trigger: TriggerSettings = _ALWAYS, zoom: ZoomSettings = _NO_ZOOM
    ) -> Job:
        """Take the newest frame, and all requests that wait for an answer.

        Call :meth:`aimed` when it is known what the model is asked about.
        """
        assert self.latest is not None
        frame, handed_over_ns = self.latest
        if self.waits_since_ns is not None:
            self._longest_wait_ns = max(self._longest_wait_ns, now_ns - self.waits_since_ns)
        self._waiting = self.waits_since_ns = None
        self._last_asked_ns = frame.stamp_ns
        may_zoom = (
            zoom.share > 0
            and self._turns.is_region_next
            and not self._wants_whole
            and self.restraint.level is Level.FREE
            and self._trigger.has_time(trigger, frame.stamp_ns)
        )
        if not may_zoom:
            self._trigger.looked(frame.stamp_ns)
        requests, self._requests = tuple(self._requests), []
        self._wants_whole = False
        return Job(self, self.epoch, frame, handed_over_ns, requests, may_zoom)

    def aimed(self, job: Job, zoom: ZoomSettings) -> None:
        """Record what the model is asked about; only the whole image counts for the trigger."""
        is_region = job.region is not None
        self._turns = self._turns.after(zoom.share, was_region=is_region)
        if job.may_zoom and not is_region and job.epoch == self.epoch:
            self._trigger.looked(job.frame.stamp_ns)

    # -- answers back ----------------------------------------------------------------------------

    def apply(self, job: Job, grounding: Grounding, now_ns: int) -> Applied:
        """Correct the tracks, unless time has restarted since the frame; update the counters."""
        if job.epoch == self.epoch:
            applied = self.tracker.apply(grounding, catch_up=False)
        else:
            nobody = (0,) * len(grounding.detections)
            applied = Applied(grounding.stamp_ns, nobody, ignored=Ignored.TOO_LATE)
        self._outcomes[grounding.outcome.value] += 1
        self._regions += grounding.region is not None
        self._answered_ns = now_ns
        if applied.restarted is not None:
            self._restarts += 1
            _log.warning("the tracker restarts: %s", applied.restarted.value)
        if applied.ignored is not None:
            self._ignored[applied.ignored.value] += 1
        return applied

    def status(self, now_ns: int) -> LaneStatus:
        """Return a snapshot of the counters."""
        ended, awake_ns = self._answered_ns, self._awake_since_ns
        awake_s = math.inf
        if self._watched_ns is not None:
            awake_s = 0.0 if awake_ns is None else (self._watched_ns - awake_ns) * NS
        return LaneStatus(
            frames=self._frames,
            outcomes=dict(self._outcomes),
            superseded=self._superseded,
            restarts=self._restarts,
            ignored=dict(self._ignored),
            answer_age_s=None if ended is None else (now_ns - ended) / 1e9,
            longest_wait_s=self._longest_wait_ns / 1e9,
            skipped=self._skipped,
            asleep=self.asleep,
            awake_s=awake_s,
            regions=self._regions,
        )


@dataclass(frozen=True, eq=False)
class Job:
    """A frame on its way through the model, with the requests that wait for its answer.

    Attributes:
        lane: of its camera.
        epoch: of the lane when it was taken.
        frame: that the model sees.
        handed_over_ns: monotonic time at which the frame was stored for the model.
        requests: futures that the answer fulfils.
        may_zoom: the model may be asked about a region of it.
        region: the part that it is asked about; None: the whole image.
    """

    lane: Lane
    epoch: int
    frame: Frame
    handed_over_ns: int
    requests: tuple[Future[Answer], ...]
    may_zoom: bool = False
    region: Region | None = None

    @property
    def shown(self) -> Frame:
        """What the model is shown: the frame, or its region."""
        return self.frame if self.region is None else self.frame.cropped(self.region)

    def answered(self, answer: Answer) -> None:
        """Keep an answer about the whole image: the next drafts are made from it."""
        if self.region is None:
            self.lane.answered = answer

    def last_seen(self) -> tuple[Answer, Tracks] | None:
        """Return the camera's last answer and the tracks at this frame.

        The frame has been observed before, so its tracks are only looked up. This may wait while
        this camera's next frame is observed, so the pipeline's lock must not be held.

        Returns:
            None before the first answer, or if time has restarted since.
        """
        lane, answered = self.lane, self.lane.answered
        if answered is None:
            return None
        with lane.restarting:  # a frame from before a restart must not reach the new tracker
            if self.epoch != lane.epoch:
                return None
            return answered, lane.tracker.recall(self.frame)

    def fulfil(self, answer: Answer) -> None:
        """Give the answer to all requests."""
        for request in self.requests:
            if request.set_running_or_notify_cancel():
                request.set_result(answer)


def refuse(requests: Iterable[Future[Answer]], reason: str) -> None:
    """Fail requests with the reason."""
    for request in requests:
        if request.set_running_or_notify_cancel():
            request.set_exception(UserError(reason))


def _tracker(settings: TrackerSettings, point_s: float) -> Tracker:
    try:
        return Tracker(settings, point_s=point_s)
    except UserError as error:
        return Tracker(_by_flow_alone(settings, error), point_s=point_s)


def _by_flow_alone(settings: TrackerSettings, error: UserError) -> TrackerSettings:
    """Return the settings without the follower, whose files have gone since they were checked."""
    _log.error("objects are followed by optical flow alone: %s", error)
    return replace(settings, follower=FLOW)
