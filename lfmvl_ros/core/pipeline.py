# SPDX-License-Identifier: Apache-2.0
"""The arrow in code: frames in; answers and, at every frame, tracks out.

Two rates that are never confused. :meth:`Pipeline.submit` runs at camera rate in the caller's
thread: it hands the newest frame over and carries the tracks to it. One worker thread owns the
model: it asks about the newest frame whenever it is free, and each answer corrects the tracker at
the capture time of the frame it saw.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.drafts import expect_answer
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import CARD_TEMPLATE, COOKBOOK_TEMPLATE, Prompt, PromptTemplate
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.core.report import Answer, PipelineStatus
from lfmvl_ros.core.tracking import Applied, Ignored, Tracker, Tracks
from lfmvl_ros.core.triggers import is_due
from lfmvl_ros.core.watchdog import Watchdog, patience_s

_log = logging.getLogger(__name__)
_PUBLISHED_TEMPLATES = {"card": CARD_TEMPLATE, "cookbook": COOKBOOK_TEMPLATE}


def template_for(settings: PerceptionSettings, model: VisionLanguageModel) -> PromptTemplate:
    """Return the prompt template the settings ask for: the model's own, or a published one."""
    return _PUBLISHED_TEMPLATES.get(settings.prompt_template, model.template)


@dataclass(eq=False)
class _Camera:
    """What is kept for each camera: bounded, one frame deep."""

    tracker: Tracker
    waiting: tuple[Frame, int] | None = None
    latest: tuple[Frame, int] | None = None
    last_asked_ns: int | None = None
    answered: Answer | None = None
    newest_ns: int = 0
    epoch: int = 0
    requests: list[Future[Answer]] = field(default_factory=list)


@dataclass(frozen=True)
class _Job:
    camera: _Camera
    epoch: int
    frame: Frame
    handed_over_ns: int
    requests: tuple[Future[Answer], ...]


class Pipeline:
    """Runs one model for one or several cameras.

    Args:
        model: answers prompts about frames; used by the worker thread alone, not closed here.
        settings: checked when built; change them with :meth:`reconfigure`.
        on_answer: called in the worker thread for every answer, whatever its outcome. An exception
            it raises is logged and does not stop the worker.

    Raises:
        UserError: the query in ``settings`` can't be used.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        settings: PerceptionSettings,
        on_answer: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        self._model = model
        self._settings = settings
        self._query = Query.parse(settings.query)
        template_for(settings, self._model).render(self._query)
        self._on_answer = on_answer
        self._cameras: dict[str, _Camera] = {}
        self._wake = threading.Condition()
        self._enabled = True
        self._stopping = threading.Event()
        self._worker: threading.Thread | None = None
        self._watchdog = Watchdog()
        self._frames = self._superseded = self._restarts = 0
        self._outcomes: Counter[str] = Counter()
        self._ignored: Counter[str] = Counter()
        self._busy_since_ns: int | None = None
        self._answered_ns: int | None = None
        self._error = ""

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the worker. Frames submitted before are not lost: the newest one waits.

        Raises:
            RuntimeError: it runs already, or a call from before a stop has never returned.
        """
        if self._worker is not None or self._busy_since_ns is not None:
            raise RuntimeError("the pipeline is running already, or its model has not returned")
        self._stopping.clear()
        self._watchdog.start()
        self._worker = threading.Thread(target=self._run, name="model worker", daemon=True)
        self._worker.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Stop the worker, also in the middle of an answer; False when it did not end in time."""
        worker, self._worker = self._worker, None
        if worker is None:
            return True
        with self._wake:
            self._stopping.set()
            self._wake.notify_all()
        worker.join(timeout_s)
        self._watchdog.stop()
        self._refuse_requests("the pipeline has stopped")
        return not worker.is_alive()

    # -- camera side -----------------------------------------------------------------------------

    def submit(self, frame: Frame) -> Tracks:
        """Take a camera frame: hand it to the model if it is the newest, return tracks at it."""
        now_ns = time.monotonic_ns()
        with self._wake:
            camera = self._camera(frame.camera)
            self._frames += 1
            self._notice_jump_back(camera, frame.stamp_ns)
            if camera.waiting is not None:
                self._superseded += 1
            camera.waiting = camera.latest = (frame, now_ns)
            self._wake.notify()
        tracks = camera.tracker.observe(frame)
        if not len(tracks):
            return Tracks(frame.stamp_ns, frame_id=frame.frame_id, camera=frame.camera, wh=frame.wh)
        return tracks

    def ground_once(self, camera: str = "", timeout_s: float = 30.0) -> Answer:
        """Ask about the newest frame of ``camera`` and wait for the answer. Works when disabled.

        Raises:
            UserError: no frame has come yet, the pipeline isn't running, or no answer in time.
        """
        request: Future[Answer] = Future()
        with self._wake:
            state = self._cameras.get(camera)
            if self._worker is None:
                raise UserError("the model is not running; activate the node first")
            if state is None or state.latest is None:
                raise UserError("no camera frame has come yet; check the image topic")
            state.requests.append(request)
            self._wake.notify()
        try:
            return request.result(timeout_s)
        except FutureTimeout as error:
            request.cancel()
            raise UserError(
                f"no answer within {timeout_s:g} s; the model is slow or stuck"
            ) from error

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
        """Whether the model is asked. Tracks coast, and end, while it is not."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        with self._wake:
            self._enabled = value
            self._wake.notify()

    def check(self, settings: PerceptionSettings) -> None:
        """Raise the :class:`UserError` that :meth:`reconfigure` would, and change nothing."""
        template_for(settings, self._model).render(self._query.with_labels_of(settings.query))

    def reconfigure(self, settings: PerceptionSettings) -> None:
        """Apply new settings from the next frame and the next answer on.

        An answer under way keeps the query it was asked with.

        Raises:
            UserError: the query can't be used; nothing has changed then.
        """
        query = self._query.with_labels_of(settings.query)
        template_for(settings, self._model).render(query)
        with self._wake:
            self._query, self._settings = query, settings
            for camera in self._cameras.values():
                camera.tracker.configure(settings.tracker)
            self._wake.notify()

    def status(self) -> PipelineStatus:
        """Return a snapshot of the counters."""
        now_ns = time.monotonic_ns()
        with self._wake:
            busy, ended = self._busy_since_ns, self._answered_ns
            return PipelineStatus(
                frames=self._frames,
                outcomes=dict(self._outcomes),
                superseded=self._superseded,
                restarts=self._restarts,
                ignored=dict(self._ignored),
                query=self._query,
                enabled=self._enabled,
                error=self._error,
                stalls=self._watchdog.stalls,
                stalled_s=self._watchdog.stalled_s,
                busy_s=0.0 if busy is None else (now_ns - busy) / 1e9,
                answer_age_s=None if ended is None else (now_ns - ended) / 1e9,
            )

    def _notice_jump_back(self, camera: _Camera, stamp_ns: int) -> None:
        """Start a new epoch when time runs from an earlier point again. The lock is held."""
        window_ns = self._settings.tracker.reorder_window_s * 1e9
        if stamp_ns < camera.newest_ns - window_ns:
            _log.warning("camera stamps jumped back; the tracker starts again")
            camera.tracker.reset()
            camera.epoch += 1
            camera.newest_ns = stamp_ns
            camera.last_asked_ns = None
            self._restarts += 1
        camera.newest_ns = max(camera.newest_ns, stamp_ns)

    # -- worker ----------------------------------------------------------------------------------

    def _camera(self, name: str) -> _Camera:
        if name not in self._cameras:
            self._cameras[name] = _Camera(Tracker(self._settings.tracker))
        return self._cameras[name]

    def _run(self) -> None:
        while True:
            with self._wake:
                while (job := self._take()) is None and not self._stopping.is_set():
                    self._wake.wait()
                if job is None or self._stopping.is_set():
                    return
                self._busy_since_ns = time.monotonic_ns()
            try:
                self._answer(job)
            except Exception:  # nothing may end the only thread that asks
                _log.exception("an answer could not be made use of")
            finally:
                with self._wake:
                    self._busy_since_ns = None

    def _take(self) -> _Job | None:
        """Return the longest waiting camera's job, if any is due. The lock is held."""
        ready = []
        for camera in self._cameras.values():
            if camera.requests and camera.latest is not None:
                ready.append((camera.latest, camera))
            elif camera.waiting is not None and self._enabled:
                due = is_due(
                    self._settings.trigger, camera.waiting[0].stamp_ns, camera.last_asked_ns
                )
                if due:
                    ready.append((camera.waiting, camera))
        if not ready:
            return None
        (frame, handed_over_ns), camera = min(ready, key=lambda item: item[1].last_asked_ns or 0)
        camera.waiting = None
        camera.last_asked_ns = frame.stamp_ns
        requests, camera.requests = tuple(camera.requests), []
        return _Job(camera, camera.epoch, frame, handed_over_ns, requests)

    def _answer(self, job: _Job) -> None:
        settings, query = self._settings, self._query
        prompt = template_for(settings, self._model).render(query)
        camera, hint = job.camera, None
        if settings.generation.draft != "off":
            hint = expect_answer(camera.answered, query, camera.tracker.at(job.frame.stamp_ns))
        call = self._watchdog.begin(
            patience_s(settings.generation.timeout_s),
            lambda after_s: self._give_up(job, prompt, after_s),
        )
        try:
            (reply,) = self._model.ground(
                [job.frame],
                [prompt],
                generation=settings.generation,
                image=settings.image,
                cancelled=self._stopping.is_set,
                hints=[hint],
            )
        except BaseException as error:  # a backend's defect must not take the node down
            _log.exception("the model failed")
            reply = Reply.failed_by(error, self._model.name)
        if not self._watchdog.end(call):
            return  # it has been reported as a timeout
        if self._stopping.is_set() and reply.finish is FinishReason.DEADLINE:
            self._fail(job.requests, "the pipeline has stopped")
            return
        grounding = parse_reply(reply, frame=job.frame, prompt=prompt, settings=settings.parsing)
        self._finish(job, grounding)

    def _give_up(self, job: _Job, prompt: Prompt, after_s: float) -> None:
        """Answer in place of a model that does not return; in the watchdog's thread."""
        _log.error("a model call has not returned after %.1f s", after_s)
        nothing = Reply("", finish=FinishReason.DEADLINE, model=self._model.name)
        grounding = parse_reply(nothing, frame=job.frame, prompt=prompt)
        told = f"the answer: the model has not returned after {after_s:.1f} s"
        self._finish(job, replace(grounding, rejected=(told,)))

    def _finish(self, job: _Job, grounding: Grounding) -> None:
        """Correct the tracks with an answer and tell everybody."""
        with self._wake:
            applied = self._apply(job, grounding)
            self._count(grounding, applied)
        job.camera.tracker.catch_up()  # takes a while; camera frames do not wait for it
        answer = Answer(grounding, applied, time.monotonic_ns() - job.handed_over_ns)
        job.camera.answered = answer
        for request in job.requests:
            if request.set_running_or_notify_cancel():
                request.set_result(answer)
        try:
            self._on_answer(answer)
        except Exception:
            _log.exception("publishing an answer failed")

    @staticmethod
    def _apply(job: _Job, grounding: Grounding) -> Applied:
        """Correct the tracks, unless time has started again since the frame was taken."""
        if job.epoch == job.camera.epoch:
            return job.camera.tracker.apply(grounding, catch_up=False)
        nobody = (0,) * len(grounding.detections)
        return Applied(grounding.stamp_ns, nobody, ignored=Ignored.TOO_LATE)

    def _count(self, grounding: Grounding, applied: Applied) -> None:
        self._outcomes[grounding.outcome.value] += 1
        self._answered_ns = time.monotonic_ns()
        self._error = grounding.reply.error or self._error
        if applied.restarted is not None:
            self._restarts += 1
            _log.warning("the tracker starts again: %s", applied.restarted.value)
        if applied.ignored is not None:
            self._ignored[applied.ignored.value] += 1

    def _refuse_requests(self, reason: str) -> None:
        with self._wake:
            for camera in self._cameras.values():
                requests, camera.requests = tuple(camera.requests), []
                self._fail(requests, reason)

    @staticmethod
    def _fail(requests: tuple[Future[Answer], ...], reason: str) -> None:
        for request in requests:
            if request.set_running_or_notify_cancel():
                request.set_exception(UserError(reason))
