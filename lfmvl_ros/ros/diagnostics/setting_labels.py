# SPDX-License-Identifier: Apache-2.0
"""Labels in settings that the query does not name, so that they have no effect. No ROS in here."""

from __future__ import annotations

from collections.abc import Iterable

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.spatial.select import Selection


def lacking_remark(query: Query, labels: Iterable[str], setting: str) -> str:
    """Return a sentence about the labels of a setting that a query lacks; "" where it has all."""
    never = query.lacks(labels)
    return f"the query does not name {', '.join(never)} of {setting}" if never else ""


def lacking_remarks(settings: PerceptionSettings) -> list[str]:
    """Return a sentence for each setting in use that names labels which the query lacks.

    Not for ``reading.labels`` and rules, which have lines of their own in diagnostics, nor for
    ``spatial.sizes``: a robot may know the sizes of more things than it is looking for.
    """
    query, spatial, found = Query.parse(settings.query), settings.spatial, []
    if settings.zoom.share > 0:
        found.append(lacking_remark(query, settings.zoom.labels, "zoom.labels"))
    if spatial.source != "none":
        found.append(
            lacking_remark(query, [Selection.parse(spatial.select).label], "spatial.select")
        )
    return [remark for remark in found if remark]
