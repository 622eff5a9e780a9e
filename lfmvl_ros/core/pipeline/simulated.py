# SPDX-License-Identifier: Apache-2.0
"""The pipeline in simulated time: the same lanes, requests and trackers, without a clock.

What :class:`~lfmvl_ros.core.pipeline.pipeline.Pipeline` leaves to two threads and the monotonic
clock is decided here by times that the caller gives: an answer is computed when it is requested,
and arrives after the time that a latency model returns. So the same frames give the same answers
and tracks, however fast the machine is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lfmvl_ros.core.ask import Request, template_for
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.latency.budget import LatencyBudget
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.pipeline.lane import Job
from lfmvl_ros.core.pipeline.lanes import Lanes
from lfmvl_ros.core.pipeline.preparing import prepared
from lfmvl_ros.core.pipeline.usable import usable_query
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply, StageTimes
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.timeline import NS, Verdict
from lfmvl_ros.core.tracking import EgoMotion, Opinion, Tracks

POINT_S = 8e-6
"""Assumed CPU time to track a point, s: that of the machine in docs/tracking.md."""
_LONGEST_TIMEOUT_S = 600.0  # the longest deadline that a model can be given

Latency = Callable[[Reply], float]
"""The assumed latency of an answer, s."""


def as_measured(reply: Reply) -> float:
    """Return how long the model took, s: on this machine, or when its reply was recorded."""
    return reply.times.total_s


@dataclass(frozen=True, eq=False)
class _Underway:
    """A running call of the model."""

    done_ns: int
    jobs: Sequence[Job]
    request: Request
    replies: Sequence[Reply]


class SimulatedPipeline:
    """Runs one model for one or several cameras, at times given by the caller.

    All times are integer nanoseconds of one clock and never go back.

    Args:
        model: answers prompts about frames.
        settings: as of the node.
        latency: returns the latency of an answer, s; None: the measured one, which differs from
            run to run.
        on_answer: called with every answer and the time at which it came.

    Raises:
        UserError: the query or ``tracker.follower`` in ``settings`` can't be used.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        settings: PerceptionSettings,
        latency: Latency | None,
        on_answer: Callable[[Answer, int], None],
    ) -> None:
        self._model, self._settings = model, settings
        self._latency, self._on_answer = latency, on_answer
        self._relaxed_settings = settings.updated({"generation.timeout_s": _LONGEST_TIMEOUT_S})
        self._query = usable_query(settings, template_for(settings, model))
        self._lanes = Lanes(settings, point_s=POINT_S)
        self._budget = LatencyBudget()
        self._underway: _Underway | None = None

    @property
    def query(self) -> Query:
        """The current query."""
        return self._query

    @property
    def skipped(self) -> int:
        """How many frames the model was not asked about because the trigger slept."""
        with self._lanes.lock:
            return sum(lane.skipped for lane in self._lanes.status(0).values())

    def wake(self, camera: str = "") -> None:
        """Ask about the next ``trigger.burst`` frames of ``camera``, where its trigger sleeps."""
        self._lanes.wake(camera)

    def submit(self, frame: Frame, verdict: Verdict, now_ns: int) -> Tracks:
        """Take a camera frame at a time; return the tracks at it.

        Answers that have come by then are applied first, also one that comes at this very time. The
        next request is about the frame that was waiting, not about this one: the node hands
        a frame over only after tracking.
        """
        self.advance(now_ns)
        epoch = self._lanes.arrive(frame, verdict)
        tracker = self._lanes[frame.camera].tracker
        tracks = tracker.recall(frame) if epoch is None else tracker.observe(frame)
        self._lanes.hand_over(frame, now_ns, epoch)
        self._ask(now_ns)
        if not len(tracks):
            return Tracks(frame.stamp_ns, frame_id=frame.frame_id, camera=frame.camera, wh=frame.wh)
        return tracks

    def set_ego_motion(self, camera: str, ego: EgoMotion | None) -> None:
        """Set a camera's measured rotation; ignored before the camera's first frame."""
        lane = self._lanes.get(camera)
        if lane is not None:
            lane.tracker.set_ego_motion(ego)

    def take_opinion(self, camera: str, opinion: Opinion) -> bool:
        """Let a second model's opinion about a track count; False if it changes nothing."""
        lane = self._lanes.get(camera)
        return lane is not None and lane.tracker.take_opinion(opinion)

    def advance(self, now_ns: int) -> None:
        """Let time pass: apply the answers that have come, and ask for the next ones."""
        while self._underway is not None and self._underway.done_ns <= now_ns:
            done, self._underway = self._underway, None
            self._finish(done)
            self._ask(done.done_ns)

    def finish(self) -> None:
        """Wait for the running request, and send no more."""
        done, self._underway = self._underway, None
        if done is not None:
            self._finish(done)

    def _ask(self, now_ns: int) -> None:
        """Ask about the longest waiting cameras, unless the model is busy."""
        while self._underway is None:
            with self._lanes.lock:
                jobs = self._lanes.take_jobs(now_ns)
            if not jobs:
                return
            jobs, request = prepared(
                self._lanes, jobs, self._model, self._relaxed_settings, self._query, self._budget
            )
            replies = [self._timed(reply) for reply in request.replies()]
            request.teach(self._budget, replies)
            taken_s = max(reply.times.total_s for reply in replies)
            self._underway = _Underway(now_ns + round(taken_s / NS), jobs, request, replies)
            if self._underway.done_ns > now_ns:
                return
            done, self._underway = self._underway, None
            self._finish(done)

    def _timed(self, reply: Reply) -> Reply:
        if self._latency is None:
            return reply
        return replace(reply, times=StageTimes(decode_s=self._latency(reply)))

    def _finish(self, done: _Underway) -> None:
        for job, frame, reply in zip(done.jobs, done.request.frames, done.replies, strict=True):
            grounding = done.request.grounding(frame, reply)
            applied = job.lane.apply(job, grounding, done.done_ns)
            job.lane.tracker.catch_up()
            answer = Answer(grounding, applied, done.done_ns - job.handed_over_ns)
            job.answered(answer)
            self._on_answer(answer, done.done_ns)
