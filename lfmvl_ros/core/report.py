# SPDX-License-Identifier: Apache-2.0
"""What the pipeline reports: each answer with its effect on the tracks, and counters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.tracking import Applied


@dataclass(frozen=True)
class Answer:
    """One answer and its effect on the tracks.

    Attributes:
        grounding: the parsed answer.
        applied: which track each detection went to, or why the tracker ignored the answer.
        age_ns: from the frame's hand-over to the end of the answer, monotonic clock.
        frame: the frame of the request; None where it is not kept.
    """

    grounding: Grounding
    applied: Applied
    age_ns: int
    frame: Frame | None = None


@dataclass(frozen=True)
class LaneStatus:
    """One camera's counters; they start with its first frame and only grow.

    Attributes:
        frames, outcomes, superseded, restarts, ignored, answer_age_s: as in
            :class:`PipelineStatus`, of this camera.
        longest_wait_s: the longest time that a frame, or a newer one that replaced it, has waited
            for the model.
        skipped: frames that the model was not asked about because the trigger slept.
        asleep: the trigger's mode while it sleeps; else "".
        awake_s: time since the trigger woke, by the stamps; 0 while it sleeps, infinite in a mode
            that never sleeps.
        regions: how many of the answers were about a part of the image only.
    """

    frames: int
    outcomes: dict[str, int]
    superseded: int
    restarts: int
    ignored: dict[str, int]
    answer_age_s: float | None
    longest_wait_s: float = 0.0
    skipped: int = 0
    asleep: str = ""
    awake_s: float = math.inf
    regions: int = 0


@dataclass(frozen=True)
class PipelineStatus:
    """A snapshot for diagnostics. Counts start with the pipeline and only grow.

    Attributes:
        frames: frames submitted, by all cameras together, as are the other counts.
        outcomes: answers by outcome.
        superseded: frames replaced by a newer one before the model was free; normal for a model
            slower than the camera.
        restarts: times the tracker restarted because stamps jumped back.
        ignored: answers the tracker could not use, by reason.
        query: the query in force.
        enabled: whether frames go to the model without a request.
        busy_s: how long the present model call has taken; 0 when idle.
        answer_age_s: time since the last answer ended; None before the first.
        error: reason of the newest failed answer; "" when none has failed.
        stalls: model calls that did not return long after their deadline.
        stalled_s: how long the present call has taken if it has stalled; else 0.
        model: name of the model in use.
        revision: commit of its checkpoint on the hub; "" where it comes from none.
        lanes: the counters of each camera by its name.
        skipped: frames that the model was not asked about because the trigger slept.
        restraint: which limit of heat or battery slows or stops the model; "" for none.
        regions: how many of the answers were about a part of the image only.
    """

    frames: int
    outcomes: dict[str, int]
    superseded: int
    restarts: int
    ignored: dict[str, int]
    query: Query
    enabled: bool
    busy_s: float
    answer_age_s: float | None
    error: str = ""
    stalls: int = 0
    stalled_s: float = 0.0
    model: str = ""
    revision: str = ""
    lanes: Mapping[str, LaneStatus] = field(default_factory=dict)
    skipped: int = 0
    restraint: str = ""
    regions: int = 0

    @property
    def asleep(self) -> str:
        """The trigger's mode while it sleeps for all cameras; else ""."""
        modes = {lane.asleep for lane in self.lanes.values()}
        return modes.pop() if len(modes) == 1 else ""

    @property
    def awake_s(self) -> float:
        """The longest time for which the trigger of a camera has been awake; infinite without."""
        return max((lane.awake_s for lane in self.lanes.values()), default=math.inf)

    @classmethod
    def of(cls, lanes: Mapping[str, LaneStatus], **others: Any) -> PipelineStatus:
        """Return the status with the counts of all cameras summed up; ``others`` as they are."""
        ages_s = [lane.answer_age_s for lane in lanes.values() if lane.answer_age_s is not None]
        return cls(
            frames=sum(lane.frames for lane in lanes.values()),
            outcomes=_summed(lane.outcomes for lane in lanes.values()),
            superseded=sum(lane.superseded for lane in lanes.values()),
            skipped=sum(lane.skipped for lane in lanes.values()),
            restarts=sum(lane.restarts for lane in lanes.values()),
            regions=sum(lane.regions for lane in lanes.values()),
            ignored=_summed(lane.ignored for lane in lanes.values()),
            answer_age_s=min(ages_s, default=None),
            lanes=lanes,
            **others,
        )


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)
