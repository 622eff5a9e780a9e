# SPDX-License-Identifier: Apache-2.0
"""The health of the second opinion. No ROS in here."""

from __future__ import annotations

from lfmvl_ros.core.config_opinion import EVERY_LABEL, OpinionSettings
from lfmvl_ros.core.opinion.worker import OpinionStatus
from lfmvl_ros.core.query import Query
from lfmvl_ros.ros.diagnostics.health import OK, WARN, Health
from lfmvl_ros.ros.diagnostics.setting_labels import lacking_remark

_SAY_NOTHING = ("unsure", "timeout", "unparseable", "error")
_LATE_S = 5.0  # beyond the timeout


def opinion_health(status: OpinionStatus, settings: OpinionSettings, query: str, to: str) -> Health:
    """Return the health of the second opinion.

    Args:
        status: of the worker.
        settings: in force.
        query: the text of the query in force.
        to: where crops go.
    """
    named = [label for label in settings.labels if label]
    said = status.judgements
    agreed, disagreed = said.get("agree", 0), said.get("disagree", 0)
    values: dict[str, object] = {
        "to": to,
        "model": status.model,
        "labels": ", ".join(named),
        "asked": status.asked,
        "agreed": agreed,
        "disagreed": disagreed,
        "without_answer": sum(said.get(name, 0) for name in _SAY_NOTHING),
        **{f"without_answer.{name}": said.get(name, 0) for name in _SAY_NOTHING},
        "came_too_late": status.unused,
        "refused_by_budget": status.refused,
        "asked_today": status.today,
        "per_day": settings.per_day,
    }
    level, message = OK, f"{status.asked} crops asked about, {agreed} agreed, {disagreed} not"
    if not status.model:
        message = f"{to} is not loaded yet"
    if status.today >= settings.per_day:
        message = f"the {settings.per_day} crops of today (UTC) are used up"
    lacking = [label for label in named if label != EVERY_LABEL]
    if remark := lacking_remark(Query.parse(query), lacking, "opinion.labels"):
        level, message = WARN, remark
    if not named:
        level, message = WARN, "opinion.labels names no label, so nothing is asked"
    if status.busy_s > settings.timeout_s + _LATE_S:
        level, message = WARN, f"{to} has not answered for {status.busy_s:.0f} s"
    if status.problem:
        level, message = WARN, f"no second opinion: {status.problem}"
    return Health(level, "opinion", message, values)
