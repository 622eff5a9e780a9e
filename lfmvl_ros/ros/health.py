# SPDX-License-Identifier: Apache-2.0
"""Is the node well? Counters in, one line each that a person can act on out. No ROS in here."""

from __future__ import annotations

from dataclasses import dataclass, field

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.report import Answer, PipelineStatus
from lfmvl_ros.ros.intake import IntakeStatus

OK, WARN, ERROR = 0, 1, 2
# Reasons that mean something is broken; a superseded frame is how a slow consumer should be.
_BROKEN = ("corrupt", "unsupported_encoding", "out_of_order")


@dataclass(frozen=True)
class Health:
    """One line of ``/diagnostics``: ``level`` 0 ok, 1 warning, 2 error."""

    level: int
    part: str
    message: str
    values: dict[str, object] = field(default_factory=dict)


class Monitor:
    """Compares each report's counters with those of the report before.

    Args:
        topic: the image topic, for the message.
        started_s: monotonic time since which frames and answers are expected.
    """

    def __init__(self, topic: str, started_s: float) -> None:
        self._topic, self._started_s = topic, started_s
        self._last_s = started_s
        self._received = 0
        self._dropped: dict[str, int] = {}
        self._outcomes: dict[str, int] = {}
        self._first_frame_s: float | None = None

    def report(
        self,
        intake: IntakeStatus,
        pipeline: PipelineStatus,
        settings: PerceptionSettings,
        answer: Answer | None,
        now_s: float,
    ) -> list[Health]:
        """Return the health of camera and model.

        Args:
            intake: the camera's counters now.
            pipeline: the model's counters now.
            settings: thresholds, and how often answers are to be expected.
            answer: the newest one, if any.
            now_s: monotonic time.
        """
        passed_s = max(now_s - self._last_s, 1e-3)
        if pipeline.frames and self._first_frame_s is None:
            self._first_frame_s = now_s
        statuses = [
            self._camera(intake, settings, now_s, passed_s),
            self._model(pipeline, settings, answer, now_s, passed_s),
        ]
        self._last_s = now_s
        self._received = intake.received
        self._dropped, self._outcomes = intake.dropped, pipeline.outcomes
        return statuses

    def _camera(
        self, intake: IntakeStatus, settings: PerceptionSettings, now_s: float, passed_s: float
    ) -> Health:
        rate_hz = (intake.received - self._received) / passed_s
        limit_s = settings.diagnostics.camera_stale_s
        broken = {
            reason: intake.dropped.get(reason, 0) - self._dropped.get(reason, 0)
            for reason in _BROKEN
        }
        level, message = OK, f"{rate_hz:.1f} images a second"
        if intake.silent_s is None:
            if now_s - self._started_s > limit_s:
                level, message = WARN, f"no image yet on {self._topic}"
            else:
                message = f"waiting for the first image on {self._topic}"
        elif intake.silent_s > limit_s:
            level, message = WARN, f"no image for {intake.silent_s:.1f} s on {self._topic}"
        elif any(broken.values()):
            counts = ", ".join(f"{count} {reason}" for reason, count in broken.items() if count)
            level, message = WARN, f"images dropped: {counts}; {intake.problem}"
        values: dict[str, object] = {
            "topic": self._topic,
            "rate_hz": f"{rate_hz:.2f}",
            "received": intake.received,
            "frames": intake.frames,
            "width": intake.wh[0],
            "height": intake.wh[1],
            "stamps_jumped_back": intake.jumps_back,
        }
        values |= {f"dropped.{reason}": count for reason, count in intake.dropped.items()}
        return Health(level, "camera", message, values)

    def _model(
        self,
        pipeline: PipelineStatus,
        settings: PerceptionSettings,
        answer: Answer | None,
        now_s: float,
        passed_s: float,
    ) -> Health:
        fresh = {
            outcome: count - self._outcomes.get(outcome, 0)
            for outcome, count in pipeline.outcomes.items()
            if count > self._outcomes.get(outcome, 0)
        }
        rate_hz = sum(fresh.values()) / passed_s
        level, message = OK, f"{rate_hz:.1f} answers a second"
        silence = self._silence(pipeline, settings, now_s)
        if pipeline.stalled_s:
            level, message = ERROR, _stuck(pipeline.stalled_s)
        elif not pipeline.enabled:
            message = "paused by the service enable"
        elif fresh.get(Outcome.ERROR.value):
            level, message = ERROR, f"the model fails: {pipeline.error or 'no reason given'}"
        elif silence:
            level, message = WARN, silence
        elif fresh and not any(Outcome(outcome).is_evidence for outcome in fresh):
            told = ", ".join(f"{count} {outcome}" for outcome, count in fresh.items())
            level, message = WARN, f"no usable answer: {told}"
        values: dict[str, object] = {
            "query": pipeline.query.text,
            "query_version": pipeline.query.version,
            "rate_hz": f"{rate_hz:.2f}",
            "answer_age_s": _seconds(pipeline.answer_age_s),
            "busy_s": _seconds(pipeline.busy_s),
            "stalls": pipeline.stalls,
            "frames_not_asked": pipeline.superseded,
            "tracker_restarts": pipeline.restarts,
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
                "model": reply.model,
                "image_tokens": reply.image_tokens,
                "answer_ms": f"{reply.times.total_s * 1e3:.1f}",
            }
        return Health(level, "model", message, values)

    def _silence(self, pipeline: PipelineStatus, settings: PerceptionSettings, now_s: float) -> str:
        """Say that answers are overdue, or nothing."""
        if settings.trigger.mode == "on_demand" or self._first_frame_s is None:
            return ""
        limit_s = settings.diagnostics.answer_stale_s
        if settings.trigger.mode == "rate":
            limit_s = max(limit_s, 2 / settings.trigger.max_rate_hz)
        since_first_s = now_s - self._first_frame_s
        age_s = since_first_s
        if pipeline.answer_age_s is not None:
            age_s = min(age_s, pipeline.answer_age_s)
        if age_s <= limit_s:
            return ""
        busy = f"; one has been under way for {pipeline.busy_s:.1f} s" if pipeline.busy_s else ""
        return f"no answer for {age_s:.1f} s{busy}"


def _stuck(stalled_s: float) -> str:
    return (
        f"a model call has not returned for {stalled_s:.1f} s; the node goes on by itself if it "
        "does; else deactivate, configure and activate it to load the model anew, or restart it"
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
