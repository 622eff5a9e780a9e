# SPDX-License-Identifier: Apache-2.0
"""Shows crops of uncertain tracks to a second model, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from lfmvl_ros.core.ask import Request
from lfmvl_ros.core.config import ImageSettings, ParsingSettings, PerceptionSettings
from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.opinion.audit import SENT, AuditFile, Shown
from lfmvl_ros.core.opinion.budget import Budget, day_of
from lfmvl_ros.core.opinion.choosing import rows_to_ask
from lfmvl_ros.core.opinion.crop import Crop, crop_around
from lfmvl_ros.core.opinion.judging import Judged, Judgement, judged
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.tracking import Opinion, Stance, Tracks

_log = logging.getLogger(__name__)
_TICK_S = 0.2
_CLOSE_S = 2.0
_STANCES = {Judgement.AGREE: Stance.AGREE, Judgement.DISAGREE: Stance.DISAGREE}
# After a failure, the next try waits this long, then twice as long, and so on.
FIRST_RETRY_S, LONGEST_RETRY_S = 2.0, 300.0


@dataclass(frozen=True)
class OpinionStatus:
    """Counters of a worker, since it was created.

    Attributes:
        problem: why nothing is asked, or why the last question had no answer; "" if all is well.
        model: name of the second model; "" while it is not loaded.
        asked: crops that were shown.
        judgements: how many of them ended how, by :class:`~.judging.Judgement`.
        unused: opinions about tracks that had ended, or had another label by then.
        refused: tracks that had to wait for the budget; each counts once until it is asked about.
        today: crops of this day that count for the budget.
        busy_s: how long the present question has taken; 0 without one.
    """

    problem: str = ""
    model: str = ""
    asked: int = 0
    judgements: Mapping[str, int] = field(default_factory=dict)
    unused: int = 0
    refused: int = 0
    today: int = 0
    busy_s: float = 0.0


@dataclass
class _Camera:
    """What is known of one camera's tracks; used by the worker thread."""

    asked_ns: dict[int, int] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)


class OpinionWorker:
    """Takes frames with their tracks, and asks about one track at a time.

    The newest frame of a camera replaces one that waits. Nothing is asked before the second model
    is loaded; loading begins with the first frame, and is tried again later if it fails.

    Args:
        load: returns the second model; slow. It gets a function; when that returns False, it stops
            loading and returns None.
        audit: where each crop is noted; closed with the worker.
        to: where crops go, for the audit file.
        settings: returns those in force.
        on_opinion: takes each opinion with the name of its camera, in this thread; returns whether
            a track still has it.
        on_warning: takes a sentence when the second model does not answer, once for each time.
        wall_s: the wall clock, s.
        now_s: a clock that does not go back, s.

    Raises:
        UserError: the audit file can't be read.
    """

    def __init__(
        self,
        load: Callable[[Callable[[], bool]], VisionLanguageModel | None],
        audit: AuditFile,
        to: str,
        settings: Callable[[], PerceptionSettings],
        on_opinion: Callable[[str, Opinion], bool],
        on_warning: Callable[[str], None],
        *,
        wall_s: Callable[[], float] = time.time,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._audit, self._to, self._settings = load, audit, to, settings
        self._on_opinion, self._on_warning = on_opinion, on_warning
        self._wall_s, self._now_s = wall_s, now_s
        day = day_of(wall_s())
        self._budget = Budget(day, audit.count_on(day))
        self._changed = threading.Condition()
        self._newest: dict[str, tuple[Frame, Tracks]] = {}
        self._requested: dict[str, set[int]] = {}
        self._thread: threading.Thread | None = None
        self._ended = False
        self._model: VisionLanguageModel | None = None
        self._cameras: dict[str, _Camera] = {}
        self._problem, self._retry_s, self._not_before_s = "", 0.0, -1.0
        self._counts: Counter[str] = Counter()
        self._judgements: Counter[str] = Counter()
        self._busy_since_s: float | None = None

    @property
    def available(self) -> bool:
        """Whether the second model is loaded and answered last time."""
        return self._model is not None and not self._problem

    @property
    def problem(self) -> str:
        """Why nothing is asked, or why the last question had no answer."""
        return self._problem

    def tracks(self, frame: Frame, tracks: Tracks) -> None:
        """Take a frame with its tracks; returns at once."""
        if not any(self._settings().opinion.labels):
            return
        with self._changed:
            if self._ended:
                return
            self._newest[frame.camera] = (frame, tracks)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="opinion", daemon=True)
                self._thread.start()
            self._changed.notify()

    def request(self, camera: str, ids: set[int]) -> None:
        """Ask about these tracks as soon as the budget allows, however confident they are."""
        with self._changed:
            self._requested.setdefault(camera, set()).update(ids)

    def forget(self) -> None:
        """Forget the frames and requests that wait: the cameras are not observed any more."""
        with self._changed:
            self._newest, self._requested = {}, {}

    def close(self) -> None:
        """End the thread, which frees the model, also during a question."""
        with self._changed:
            self._ended = True
            self._newest, self._requested = {}, {}
            self._changed.notify()
        if self._thread is None:
            self._audit.close()
        else:
            self._thread.join(_CLOSE_S)

    def status(self) -> OpinionStatus:
        """Return the counters."""
        model, busy = self._model, self._busy_since_s
        return OpinionStatus(
            self._problem,
            "" if model is None else model.name,
            asked=self._counts["asked"],
            judgements={each.value: self._judgements[each.value] for each in Judgement},
            unused=self._counts["unused"],
            refused=self._counts["refused"],
            today=self._budget.count_on(day_of(self._wall_s())),
            busy_s=0.0 if busy is None else self._now_s() - busy,
        )

    # -- in the thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._ended, _TICK_S)
                newest, self._newest = self._newest, {}
                if self._ended:
                    break
            try:
                self.step(newest)
            except Exception as error:  # a fault of one frame must not end the thread
                _log.exception("no second opinion")
                self._fail(describe(error))
        if self._model is not None:
            self._model.close()
        self._audit.close()

    def step(self, newest: Mapping[str, tuple[Frame, Tracks]]) -> None:
        """Ask about one track of each of these frames, if there is one to ask about.

        The thread calls it; a program without threads calls it instead.

        Args:
            newest: frame and tracks of each camera, by its name.
        """
        if self._now_s() < self._not_before_s or not newest:
            return
        if self._model is None and not self._loaded():
            return
        assert self._model is not None
        for camera, (frame, tracks) in newest.items():
            self._look(self._model, camera, frame, tracks)

    def _loaded(self) -> bool:
        try:
            self._model = self._load(lambda: not self._ended)
        except UserError as error:
            self._fail(str(error))
        except Exception as error:  # of a package that is damaged, say
            _log.exception("the second model can't be loaded")
            self._fail(describe(error))
        if self._model is not None:
            self._recover()
        return self._model is not None

    def _look(self, model: VisionLanguageModel, camera: str, frame: Frame, tracks: Tracks) -> None:
        """Ask about the most urgent track at a frame, within the budget."""
        known, settings = self._cameras.setdefault(camera, _Camera()), self._settings().opinion
        ids = set(tracks.ids.tolist())
        known.asked_ns = {key: ns for key, ns in known.asked_ns.items() if key in ids}
        known.refused &= ids
        with self._changed:
            requested = self._requested.get(camera, set())
            requested &= ids
            rows = rows_to_ask(tracks, settings, known.asked_ns, requested)
            if not rows:
                return
            now_s, day = self._now_s(), day_of(self._wall_s())
            if not self._budget.allows(now_s, day, settings.per_minute, settings.per_day):
                requested.clear()
                fresh = {int(tracks.ids[row]) for row in rows} - known.refused
                known.refused |= fresh
                self._counts["refused"] += len(fresh)
                return
            key = int(tracks.ids[rows[0]])
            requested.discard(key)
        known.asked_ns[key] = tracks.stamp_ns
        known.refused.discard(key)
        try:
            query = Query.of_labels([tracks.labels[rows[0]]])
        except UserError:  # the tracked model wrote a label that no query can have
            return
        crop = crop_around(frame, tracks.xyxy_px[rows[0]], settings.margin)
        self._ask(model, camera, crop, key, query)

    def _ask(
        self, model: VisionLanguageModel, camera: str, crop: Crop, key: int, query: Query
    ) -> None:
        label = query.labels[0]
        shown = Shown(
            *(crop.frame.stamp_ns, camera, key, label, crop.taken_wh, crop.frame.wh),
            *(crop.frame.pixels.nbytes, self._to),
        )
        try:
            self._audit.write(shown, self._wall_s(), SENT)
        except UserError as error:  # without a line, nothing leaves
            self._fail(str(error))
            return
        self._budget.take(self._now_s(), day_of(self._wall_s()))
        self._counts["asked"] += 1
        self._busy_since_s = self._now_s()
        try:
            said, problem = self._said(model, crop, query)
        finally:
            self._busy_since_s = None
        self._judgements[said.judgement.value] += 1
        if said.judgement in (Judgement.ERROR, Judgement.TIMEOUT):
            self._fail(problem or f"no answer within {self._settings().opinion.timeout_s:g} s")
        else:
            self._recover()
        stance = _STANCES.get(said.judgement)
        if stance is not None:
            told = Opinion(key, label, stance, shown.stamp_ns, said.confidence, model.name)
            self._counts["unused"] += not self._on_opinion(camera, told)
        self._note(shown, said.judgement)

    def _said(self, model: VisionLanguageModel, crop: Crop, query: Query) -> tuple[Judged, str]:
        """Ask about a crop; return what was said, and the error if the model failed."""
        settings = self._settings()
        settings = replace(
            settings,
            generation=replace(settings.generation, timeout_s=settings.opinion.timeout_s),
            image=ImageSettings(),
            parsing=ParsingSettings(),
            prompt_template="checkpoint",
        )
        request = Request.prepare(model, settings, query, [crop.frame])
        (reply,) = request.replies(lambda: self._ended)
        grounding = request.grounding(crop.frame, reply)
        return judged(grounding, query.labels[0], crop.place), reply.error or ""

    def _note(self, shown: Shown, judgement: Judgement) -> None:
        try:
            self._audit.write(shown, self._wall_s(), judgement.value)
        except UserError as error:
            self._fail(str(error))

    def _fail(self, problem: str) -> None:
        """Say once why there is no answer, and wait before the next try."""
        if not self._problem:
            self._on_warning(f"no second opinion: {problem}")
        self._problem = problem
        self._retry_s = min(max(2 * self._retry_s, FIRST_RETRY_S), LONGEST_RETRY_S)
        self._not_before_s = self._now_s() + self._retry_s

    def _recover(self) -> None:
        self._problem, self._retry_s, self._not_before_s = "", 0.0, -1.0
