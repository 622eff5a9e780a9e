# SPDX-License-Identifier: Apache-2.0
"""The health of reading text on a camera's tracks. No ROS in here."""

from __future__ import annotations

from lfmvl_ros.core.camera_names import health_name
from lfmvl_ros.core.config_reading import ReadingSettings
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.readings.worker import ReadingStatus
from lfmvl_ros.ros.diagnostics.health import OK, WARN, Health
from lfmvl_ros.ros.diagnostics.setting_labels import lacking_remark


def reading_health(
    status: ReadingStatus, settings: ReadingSettings, query: str, camera: str = ""
) -> list[Health]:
    """Return the health of reading; nothing where nothing was to be read.

    Args:
        status: of the worker.
        settings: in force.
        query: the text of the query in force.
        camera: name; "" when it is the only one.
    """
    labels = [label for label in settings.labels if label]
    if not labels and not status.loaded and not status.problem:
        return []
    values: dict[str, object] = {
        "available": not status.problem,
        "labels": ", ".join(labels),
        "texts": status.texts,
        "crops_read": status.read,
        "crops_with_text": status.with_text,
        "crops_failed": status.failed,
        "crops_waiting": status.waiting,
        "frames_dropped": status.dropped,
        "read_ms": status.median_ms,
    }
    level, message = OK, f"{status.texts} texts, {status.read} crops read"
    if remark := lacking_remark(Query.parse(query), labels, "reading.labels"):
        level, message = WARN, remark
    if status.problem:
        level, message = WARN, f"no text is read: {status.problem}"
    return [Health(level, health_name("reading", camera), message, values)]
