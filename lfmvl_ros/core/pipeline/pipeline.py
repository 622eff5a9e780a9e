# SPDX-License-Identifier: Apache-2.0
"""The pipeline: takes frames, returns the tracks at every frame, and calls back with answers.

There are two rates. :meth:`Pipeline.submit` runs at camera rate in the caller's thread: it moves
the tracks to the new frame and stores the frame for the model. One worker thread owns the model.
Whenever it is free and the trigger allows it, it requests answers about the newest frames, of
several cameras in one batch. Each answer corrects its camera's tracker at the capture time of its
frame.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from lfmvl_ros.core.ask import Request, template_for
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.latency.budget import LatencyBudget
from lfmvl_ros.core.model import VisionLanguageModel, revision_of
from lfmvl_ros.core.pipeline.errands import Ask, Errand, Errands
from lfmvl_ros.core.pipeline.lane import Job, refuse
from lfmvl_ros.core.pipeline.lanes import Lanes
from lfmvl_ros.core.pipeline.preparing import prepared
from lfmvl_ros.core.pipeline.usable import usable_query
from lfmvl_ros.core.pipeline.watchdog import Watchdog, stall_limit_s
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.core.report import Answer, PipelineStatus
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import EgoMotion, Opinion, Tracks, check_follower
from lfmvl_ros.core.triggers.limits import Restraint

_log = logging.getLogger(__name__)
_STOPPED = "the pipeline has stopped"


class Pipeline:
    """Runs one model for one or several cameras.

    Args:
        model: answers prompts about frames; used only by the worker thread, not closed here.
        settings: checked when built; change them with :meth:`reconfigure`.
        on_answer: called in the worker thread for every answer, whatever its outcome. An exception
            it raises is logged and does not stop the worker.

    Raises:
        UserError: the query or ``tracker.follower`` in ``settings`` can't be used.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        settings: PerceptionSettings,
        on_answer: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        self._model = model
        self._settings = settings
        self._query = usable_query(settings, template_for(settings, model))
        self._on_answer = on_answer
        self._lanes = Lanes(settings)
        self._lock = self._lanes.lock
        self._errands, self._cameras_next = Errands(), False
        self._stopping = threading.Event()
        self._worker: threading.Thread | None = None
        self._watchdog = Watchdog()
        self._budget = LatencyBudget()  # used only by the worker thread
        self._busy_since_ns: int | None = None
        self._retired: list[Callable[[], None]] = []
        self._error = ""

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the worker. Frames submitted before are not lost: the newest one waits.

        Raises:
            RuntimeError: it runs already, or a model call from before a stop has not returned.
        """
        if self._worker is not None or self._busy_since_ns is not None:
            raise RuntimeError("the pipeline is running already, or its model has not returned")
        self._stopping.clear()
        self._watchdog.start()
        self._worker = threading.Thread(target=self._run, name="model worker", daemon=True)
        self._worker.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Stop the worker, also during an answer; False if it did not end in time."""
        worker, self._worker = self._worker, None
        if worker is None:
            return True
        with self._lock:
            self._stopping.set()
            self._lock.notify_all()
        worker.join(timeout_s)
        self._watchdog.stop()
        self._lanes.refuse_requests(_STOPPED)
        with self._lock:
            self._errands.refuse(_STOPPED)
        return not worker.is_alive()

    @property
    def running(self) -> bool:
        """Whether the worker was started and not stopped."""
        return self._worker is not None

    # -- camera side -----------------------------------------------------------------------------

    def submit(self, frame: Frame, verdict: Verdict | None = None) -> Tracks:
        """Take a camera frame: return the tracks at it, store it for the model if it is the newest.

        One thread for each camera calls this.

        Args:
            frame: the next one of its camera.
            verdict: on its stamp, from a :class:`~lfmvl_ros.core.timeline.Timeline` of the caller;
                without it the pipeline checks the stamp itself.
        """
        now_ns = time.monotonic_ns()
        epoch = self._lanes.arrive(frame, verdict)
        try:
            tracker = self._lanes[frame.camera].tracker
            tracks = tracker.recall(frame) if epoch is None else tracker.observe(frame)
        finally:  # a failure of the tracker does not keep the frame from the model
            self._lanes.hand_over(frame, now_ns, epoch)
        return _of_frame(tracks, frame)

    def recall(self, frame: Frame) -> Tracks:
        """Return the tracks at a frame that was submitted, with all answers up to now."""
        return _of_frame(self._lanes[frame.camera].tracker.recall(frame), frame)

    def set_ego_motion(self, camera: str, ego: EgoMotion | None) -> None:
        """Set a camera's measured rotation; ignored before the camera's first frame."""
        lane = self._lanes.get(camera)
        if lane is not None:
            lane.tracker.set_ego_motion(ego)

    def take_opinion(self, camera: str, opinion: Opinion) -> bool:
        """Let a second model's opinion about a track count, from any thread.

        Returns:
            False if it changes nothing: the track has ended, or has another label now.
        """
        lane = self._lanes.get(camera)
        return lane is not None and lane.tracker.take_opinion(opinion)

    def request_answer(self, camera: str = "", *, whole: bool = True) -> Future[Answer]:
        """Request an answer about the newest frame of ``camera``, also while disabled.

        The next answer about the camera completes all its waiting requests. The future is set in
        the worker thread, so its callbacks must be quick. A cancelled request is skipped.

        Args:
            camera: its name.
            whole: the answer has to be about the whole image; else ``zoom`` may choose a part.

        Raises:
            UserError: no frame has come yet, or the pipeline isn't running. The future raises it
                when the pipeline stops before the answer.
        """
        with self._lock:
            if self._worker is None:
                raise UserError("the model is not running; activate the node first")
            return self._lanes.request(camera, whole=whole)

    def wake(self, camera: str = "") -> None:
        """Ask about the next ``trigger.burst`` frames of ``camera``, where its trigger sleeps."""
        self._lanes.wake(camera)

    def is_due(self, camera: str = "") -> bool:
        """Return whether the trigger asks for an answer about the newest frame of ``camera``."""
        return self._lanes.is_due(camera)

    def newest_frame(self, camera: str = "") -> Frame:
        """Return the newest frame of a camera.

        Raises:
            UserError: none has come yet.
        """
        with self._lock:
            return self._lanes.newest_frame(camera)

    def request_reply(self, ask: Ask) -> Future[Reply]:
        """Send the model another request, between those about camera frames; return its reply.

        The future is set in the worker thread. A request cancelled before its turn is skipped.

        Raises:
            UserError: the pipeline isn't running, or too many requests are waiting.
        """
        with self._lock:
            if self._worker is None:
                raise UserError("the model is not running; activate the node first")
            future = self._errands.add(ask)
            self._lock.notify()
            return future

    # -- settings --------------------------------------------------------------------------------

    @property
    def settings(self) -> PerceptionSettings:
        """The settings in force."""
        return self._settings

    @property
    def query(self) -> Query:
        """The query in force; its version grows with each change."""
        return self._query

    @property
    def enabled(self) -> bool:
        """Whether frames go to the model without a request. If not, tracks coast and end."""
        return self._lanes.enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._lanes.enabled = value

    def restrain(self, restraint: Restraint) -> None:
        """Ask less often, or only when requested, because of heat or the battery."""
        if restraint != self._lanes.restraint:
            self._lanes.restraint = restraint

    def reconfigure(self, settings: PerceptionSettings) -> None:
        """Apply new settings from the next frame and the next answer on.

        An answer in progress keeps its query.

        Raises:
            UserError: the query or ``tracker.follower`` can't be used; nothing is changed.
        """
        query = self._query.with_labels_of(settings.query)
        template_for(settings, self._model).render(query)
        if settings.tracker.follower != self._settings.tracker.follower:
            check_follower(settings.tracker.follower)
        with self._lock:
            self._query, self._settings = query, settings
            self._lanes.configure(settings)

    def swap_model(self, model: VisionLanguageModel, retire: Callable[[], None]) -> None:
        """Use another model from the next answer on. Tracks, query and counters stay.

        Args:
            model: the new one.
            retire: called when the old model is no longer in use: immediately if it is idle, else
                when its present call returns (never, if it does not return).
        """
        with self._lock:
            self._model, self._error = model, ""
            self._lanes.forget_answers()
            busy = self._busy_since_ns is not None
            if busy:
                self._retired.append(retire)
        if not busy:
            retire()

    def status(self) -> PipelineStatus:
        """Return a snapshot of the counters."""
        now_ns = time.monotonic_ns()
        with self._lock:
            busy = self._busy_since_ns
            return PipelineStatus.of(
                self._lanes.status(now_ns),
                query=self._query,
                enabled=self._lanes.enabled,
                error=self._error,
                stalls=self._watchdog.stalls,
                stalled_s=self._watchdog.stalled_s,
                busy_s=0.0 if busy is None else (now_ns - busy) / 1e9,
                model=self._model.name,
                revision=revision_of(self._model),
                restraint=self._lanes.restraint.reason,
            )

    # -- worker ----------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._stopping.is_set() and (work := self._next_work()) is None:
                    self._lock.wait()
                if self._stopping.is_set():
                    return
                self._busy_since_ns = time.monotonic_ns()
            assert work is not None
            try:
                work()
            except Exception:  # nothing may end the only thread that uses the model
                _log.exception("an answer could not be used")
            finally:
                with self._lock:
                    self._busy_since_ns = None
                    retired, self._retired = self._retired, []
                for retire in retired:
                    retire()

    def _next_work(self) -> Callable[[], None] | None:
        """Return the next work: errands and camera frames alternate. The lock is held."""
        errand = None if self._cameras_next else self._errands.take()
        if errand is None and (jobs := self._lanes.take_jobs(time.monotonic_ns())):
            self._cameras_next = False
            return functools.partial(self._answer, jobs)
        errand = errand or self._errands.take()
        self._cameras_next = errand is not None
        return None if errand is None else functools.partial(self._run_errand, errand)

    def _run_errand(self, errand: Errand) -> None:
        with self._lock:
            settings, model = self._settings, self._model
        limit_s = stall_limit_s(settings.generation.timeout_s)
        call = self._watchdog.begin(limit_s, errand.give_up)
        reply = errand.run(model, settings, self._stopping.is_set)
        if self._watchdog.end(call):
            errand.settle(reply)

    def _answer(self, jobs: Sequence[Job]) -> None:
        jobs, request = self._prepared(jobs)
        call = self._watchdog.begin(
            stall_limit_s(request.settings.generation.timeout_s),
            lambda after_s: self._give_up(request, jobs, after_s),
        )
        replies = request.replies(self._stopping.is_set)
        if not self._watchdog.end(call):
            return  # it has been reported as a timeout
        request.teach(self._budget, replies)
        for job, frame, reply in zip(jobs, request.frames, replies, strict=True):
            if self._stopping.is_set() and reply.finish is FinishReason.DEADLINE:
                refuse(job.requests, _STOPPED)
                continue
            try:
                self._finish(job, request.grounding(frame, reply))
            except Exception:  # one camera's failure must not keep the others from their answers
                _log.exception("an answer could not be used")

    def _prepared(self, jobs: Sequence[Job]) -> tuple[list[Job], Request]:
        with self._lock:
            settings, query, model = self._settings, self._query, self._model
        return prepared(self._lanes, jobs, model, settings, query, self._budget)

    def _give_up(self, request: Request, jobs: Sequence[Job], after_s: float) -> None:
        """Answer with a timeout, because the model does not return. In the watchdog's thread."""
        _log.error("a model call has not returned after %.1f s", after_s)
        nothing = Reply("", finish=FinishReason.DEADLINE, model=request.model.name)
        reason = f"the answer: the model has not returned after {after_s:.1f} s"
        for job, frame in zip(jobs, request.frames, strict=True):
            self._finish(job, replace(request.grounding(frame, nothing), rejected=(reason,)))

    def _finish(self, job: Job, grounding: Grounding) -> None:
        """Correct the tracks with an answer, and give it to everything that waits for it."""
        lane = job.lane
        with self._lock:
            applied = lane.apply(job, grounding, time.monotonic_ns())
            self._error = grounding.reply.error or self._error
        lane.tracker.catch_up()  # slow; camera frames do not wait for it
        answer = Answer(grounding, applied, time.monotonic_ns() - job.handed_over_ns, job.frame)
        job.answered(answer)
        job.fulfil(answer)
        try:
            self._on_answer(answer)
        except Exception:
            _log.exception("publishing an answer failed")


def _of_frame(tracks: Tracks, frame: Frame) -> Tracks:
    """Return ``tracks``; without any, an empty set with the header of ``frame``."""
    if len(tracks):
        return tracks
    return Tracks(frame.stamp_ns, frame_id=frame.frame_id, camera=frame.camera, wh=frame.wh)
