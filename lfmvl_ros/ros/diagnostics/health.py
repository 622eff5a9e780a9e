# SPDX-License-Identifier: Apache-2.0
"""Derives the health of camera and model from their counters, for diagnostics. No ROS here."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from lfmvl_ros.core.camera_names import health_name
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.latency.budget import Because, Choice
from lfmvl_ros.core.report import Answer, LaneStatus, PipelineStatus
from lfmvl_ros.ros.sensors.arrivals import NOTHING_YET, ArrivalStatus, LossWatch
from lfmvl_ros.ros.sensors.intake import IntakeStatus

OK, WARN, ERROR = 0, 1, 2
# Reasons that mean that something is broken; superseded frames are normal for a slow consumer.
_BROKEN = ("corrupt", "unsupported_encoding", "out_of_order", "unstamped")


@dataclass(frozen=True)
class ModelSwap:
    """State of a model swap.

    Attributes:
        loading: name of the model that is being loaded, "" when none is.
        problem: why the last swap failed, "" if it did not.
    """

    loading: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Health:
    """One line of ``/diagnostics``: ``level`` 0 ok, 1 warning, 2 error."""

    level: int
    part: str
    message: str
    values: dict[str, object] = field(default_factory=dict)


class CameraMonitor:
    """The health of one camera: compares its counters with those of the previous report.

    Args:
        topic: the image topic, for the message.
        started_s: monotonic time since which frames are expected.
        camera: its name; "" when it is the only one.
    """

    def __init__(self, topic: str, started_s: float, camera: str = "") -> None:
        self._topic, self._started_s, self._camera = topic, started_s, camera
        self._last_s = started_s
        self._received = self._answers = 0
        self._frames = self._flat = 0
        self._dropped: dict[str, int] = {}
        self._first_frame_s: float | None = None
        self._losses = LossWatch()

    def report(
        self,
        intake: IntakeStatus,
        pipeline: PipelineStatus,
        settings: PerceptionSettings,
        now_s: float,
        arrivals: ArrivalStatus = NOTHING_YET,
    ) -> Health:
        """Return the health of the camera at the monotonic time ``now_s``."""
        self._losses.add(arrivals)
        passed_s = max(now_s - self._last_s, 1e-3)
        rate_hz = (intake.received - self._received) / passed_s
        lane = pipeline.lanes.get(self._camera)
        if lane is not None and self._first_frame_s is None:
            self._first_frame_s = now_s
        level, message = self._judge(intake, settings, now_s, rate_hz)
        if loss := self._losses.recent():  # this may be the reason why no image arrives
            advice = f"{loss}; `lfmvl doctor --topic {self._topic}` finds the reason"
            level, message = WARN, advice if level == OK else f"{message}; {advice}"
        if level == OK and self._camera and lane is not None and _expects(pipeline):
            silence_s = self._silence_s(lane, settings, now_s)
            if silence_s:
                level, message = WARN, f"no answer about this camera for {silence_s:.1f} s"
        values: dict[str, object] = {
            "topic": self._topic,
            "rate_hz": f"{rate_hz:.2f}",
            "received": intake.received,
            "frames": intake.frames,
            "width": intake.wh[0],
            "height": intake.wh[1],
            "without_stamp": intake.without_stamp,
            "without_contrast": intake.without_contrast,
            "stamps_jumped_back": intake.jumps_back,
            "lost_on_the_way": arrivals.lost,
            "replaced_in_queue": arrivals.replaced,
            "not_sent": arrivals.not_sent,
        }
        values |= {f"dropped.{reason}": count for reason, count in intake.dropped.items()}
        if lane is not None:
            answers = sum(lane.outcomes.values())
            values |= {
                "answers": answers,
                "answers_hz": f"{(answers - self._answers) / passed_s:.2f}",
                "answer_age_s": _seconds(lane.answer_age_s),
                "longest_wait_s": _seconds(lane.longest_wait_s),
                "frames_not_asked": lane.superseded,
                "frames_skipped_asleep": lane.skipped,
                "tracker_restarts": lane.restarts,
            }
            self._answers = answers
        self._last_s, self._received, self._dropped = now_s, intake.received, intake.dropped
        self._frames, self._flat = intake.frames, intake.without_contrast
        return Health(level, health_name("camera", self._camera), message, values)

    def _judge(
        self, intake: IntakeStatus, settings: PerceptionSettings, now_s: float, rate_hz: float
    ) -> tuple[int, str]:
        limit_s = settings.diagnostics.camera_stale_s
        if intake.silent_s is None:
            if now_s - self._started_s > limit_s:
                return WARN, f"no image yet on {self._topic}"
            return OK, f"waiting for the first image on {self._topic}"
        if intake.silent_s > limit_s:
            return WARN, f"no image for {intake.silent_s:.1f} s on {self._topic}"
        counts = newly_dropped(intake.dropped, self._dropped, _BROKEN)
        if counts:
            return WARN, f"images dropped: {counts}; {intake.problem}"
        if 0 < intake.frames - self._frames == intake.without_contrast - self._flat:
            return WARN, (
                "the images have no contrast, all pixels are nearly the same; check the lens "
                "cap, the exposure and the encoding"
            )
        return OK, f"{rate_hz:.1f} images per second"

    def _silence_s(self, lane: LaneStatus, settings: PerceptionSettings, now_s: float) -> float:
        """Return how long answers are overdue; 0 when they are not."""
        age_s = lane.answer_age_s
        since_s = now_s - (now_s if self._first_frame_s is None else self._first_frame_s)
        silent_s = min(since_s if age_s is None else min(since_s, age_s), lane.awake_s)
        return silent_s if silent_s > answers_due_s(settings) else 0.0


class ModelMonitor:
    """The health of the model: compares its counters with those of the previous report.

    Args:
        started_s: monotonic time since which answers are expected.
    """

    def __init__(self, started_s: float) -> None:
        self._last_s = started_s
        self._outcomes: dict[str, int] = {}
        self._first_frame_s: float | None = None

    def report(
        self,
        pipeline: PipelineStatus,
        settings: PerceptionSettings,
        answer: Answer | None,
        now_s: float,
        swap: ModelSwap = ModelSwap(),
    ) -> Health:
        """Return the health of the model.

        Args:
            pipeline: the counters now.
            settings: thresholds, and how often answers are to be expected.
            answer: the newest one, if any.
            now_s: monotonic time.
            swap: state of a model swap.
        """
        if pipeline.frames and self._first_frame_s is None:
            self._first_frame_s = now_s
        fresh = {
            outcome: count - self._outcomes.get(outcome, 0)
            for outcome, count in pipeline.outcomes.items()
            if count > self._outcomes.get(outcome, 0)
        }
        rate_hz = sum(fresh.values()) / max(now_s - self._last_s, 1e-3)
        self._last_s, self._outcomes = now_s, pipeline.outcomes
        choice = None if answer is None else answer.grounding.budget
        level, message = (
            self._judge(pipeline, settings, fresh, now_s)
            or _too_slow(choice)
            or (OK, _sleeping(pipeline.asleep) or f"{rate_hz:.1f} answers per second")
        )
        if swap.problem and level == OK:
            level, message = WARN, swap.problem
        return Health(level, "model", message, self._values(pipeline, answer, rate_hz, swap))

    def _judge(
        self,
        pipeline: PipelineStatus,
        settings: PerceptionSettings,
        fresh: dict[str, int],
        now_s: float,
    ) -> tuple[int, str] | None:
        """Return level and message of a problem; None without one."""
        if pipeline.stalled_s:
            return ERROR, _stuck(pipeline.stalled_s)
        if not pipeline.enabled:
            return OK, "paused by the service enable"
        if fresh.get(Outcome.ERROR.value):
            return ERROR, f"the model fails: {pipeline.error or 'no reason given'}"
        silence = pipeline.restraint or self._silence(pipeline, settings, now_s)
        if silence:
            return WARN, silence
        if fresh and not any(Outcome(outcome).is_evidence for outcome in fresh):
            counts = ", ".join(f"{count} {outcome}" for outcome, count in fresh.items())
            return WARN, f"no usable answer: {counts}"
        return None

    @staticmethod
    def _values(
        pipeline: PipelineStatus, answer: Answer | None, rate_hz: float, swap: ModelSwap
    ) -> dict[str, object]:
        values: dict[str, object] = {
            "model": pipeline.model,
            "revision": pipeline.revision,
            "loading": swap.loading,
            "query": pipeline.query.text,
            "query_version": pipeline.query.version,
            "rate_hz": f"{rate_hz:.2f}",
            "answer_age_s": _seconds(pipeline.answer_age_s),
            "busy_s": _seconds(pipeline.busy_s),
            "stalls": pipeline.stalls,
            "frames_not_asked": pipeline.superseded,
            "frames_skipped_asleep": pipeline.skipped,
            "answers_about_regions": pipeline.regions,
            "tracker_restarts": pipeline.restarts,
            "memory_mb": f"{resident_mb():.1f}",
        }
        values |= {f"outcome.{outcome.value}": pipeline.outcomes.get(outcome.value, 0)
                   for outcome in Outcome}  # fmt: skip
        # An enum that is a string formats as its value or as its name, depending on the Python.
        values |= {
            f"ignored.{str.__str__(reason)}": count for reason, count in pipeline.ignored.items()
        }
        if answer is not None:
            reply = answer.grounding.reply
            values |= {
                "image_tokens": reply.image_tokens,
                "answer_ms": f"{reply.times.total_s * 1e3:.1f}",
            }
            values |= _budget_values(answer.grounding.budget)
        return values

    def _silence(self, pipeline: PipelineStatus, settings: PerceptionSettings, now_s: float) -> str:
        """Return a message if answers are overdue."""
        if self._first_frame_s is None:
            return ""
        age_s = now_s - self._first_frame_s
        if pipeline.answer_age_s is not None:
            age_s = min(age_s, pipeline.answer_age_s)
        age_s = min(age_s, pipeline.awake_s)
        if age_s <= answers_due_s(settings):
            return ""
        busy = (
            f"; the current one has taken {pipeline.busy_s:.1f} s so far" if pipeline.busy_s else ""
        )
        return f"no answer for {age_s:.1f} s{busy}"


def answers_due_s(settings: PerceptionSettings) -> float:
    """Return how long may pass without an answer; infinite in mode on_demand."""
    if settings.trigger.mode == "on_demand":
        return math.inf
    limit_s = settings.diagnostics.answer_stale_s
    if settings.trigger.mode == "rate":
        return max(limit_s, 2 / settings.trigger.max_rate_hz)
    return limit_s


def _expects(pipeline: PipelineStatus) -> bool:
    """Whether answers are expected as often as the trigger asks for them."""
    return pipeline.enabled and not pipeline.restraint


def _sleeping(mode: str) -> str:
    return f"sleeping: {mode.replace('_', ' ')} trigger" if mode else ""


def newly_dropped(now: dict[str, int], before: dict[str, int], reasons: tuple[str, ...]) -> str:
    """Return how many were dropped since the last report for these ``reasons``; "" for none.

    >>> newly_dropped({"corrupt": 5, "late": 2}, {"corrupt": 3, "late": 1}, ("corrupt",))
    '2 corrupt'
    """
    counts = {reason: now.get(reason, 0) - before.get(reason, 0) for reason in reasons}
    return ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)


def resident_mb() -> float:
    """Return the resident memory of this process in 10^6 bytes; 0 if unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError):  # not Linux
        return 0.0


def _too_slow(choice: Choice | None) -> tuple[int, str] | None:
    """Return a message if the latency target can't be met."""
    if choice is None or choice.likely_s is None or choice.because is not Because.CHEAPEST:
        return None
    return WARN, (
        f"answers take up to {choice.likely_s * 1e3:.0f} ms even with the fewest image tokens, more"
        f" than image.target_latency_ms ({choice.target_s * 1e3:.0f}); raise it, or query less"
    )


def _budget_values(choice: Choice | None) -> dict[str, object]:
    facts = {} if choice is None else choice.to_dict()
    return {f"latency_budget.{key}": "" if fact is None else fact for key, fact in facts.items()}


def _stuck(stalled_s: float) -> str:
    return (
        f"a model call has not returned for {stalled_s:.1f} s; if it does, the node continues "
        "by itself; if not, deactivate, configure and activate it to reload the model"
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
