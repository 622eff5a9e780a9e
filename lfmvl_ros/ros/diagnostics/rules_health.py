# SPDX-License-Identifier: Apache-2.0
"""The health of a camera's rules. No ROS in here."""

from __future__ import annotations

from lfmvl_ros.core.camera_names import health_name
from lfmvl_ros.core.review import GateStatus
from lfmvl_ros.core.rules import EngineStatus
from lfmvl_ros.ros.diagnostics.health import ERROR, OK, WARN, Health


def rules_health(
    status: EngineStatus, review: GateStatus, file: str, problem: str, camera: str = ""
) -> Health:
    """Return the health of a camera's rules.

    Args:
        status: of the engine.
        review: of the review gate.
        file: that the rules come from.
        problem: why its present state is not in force; "" when it is.
        camera: name; "" when it is the only one.
    """
    values: dict[str, object] = {
        "rules_file": file,
        "rules": status.rules,
        "events_open": status.open,
        "events_begun": status.begun,
        "moments_suppressed": status.suppressed,
        "review_held": review.held,
        "review_asked": review.asked,
        "review_answered": review.answered,
        "review_unanswered": review.timed_out,
        "review_overflowed": review.overflowed,
        "review_answers_unused": review.late,
    }
    level, message = OK, f"{status.rules} rules, {status.open} active events"
    if status.unplaced:
        level = WARN
        message = (
            f"no positions in the frame of {', '.join(status.unplaced)}; see spatial.source and "
            "spatial.target_frame"
        )
    if status.not_asked:
        level = WARN
        message = f"the query names no label of {', '.join(status.not_asked)}"
    if problem:
        level, message = ERROR, f"the previous rules stay in force: {problem}"
    return Health(level, health_name("rules", camera), message, values)
