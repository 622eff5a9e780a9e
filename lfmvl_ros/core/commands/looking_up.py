# SPDX-License-Identifier: Apache-2.0
"""The tools ``count`` and ``where_is``: what is known of objects that are looked for already."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from lfmvl_ros.core.commands.controls import Controls
from lfmvl_ros.core.commands.result import Done, Status
from lfmvl_ros.core.commands.scene import CameraState, certain, in_words
from lfmvl_ros.core.commands.tools import Count, WhereIs
from lfmvl_ros.core.errors import UserError


def where_is(tool: WhereIs, controls: Controls) -> Done:
    """Return where it is; if that is not known, where it was last seen."""
    try:
        done = look_up(tool, controls)
    except UserError as error:
        done = Done(Status.FAILED, str(error))
    if done.data.get("objects"):
        return done
    seen, now_s = controls.recall(tool.label, tool.camera), time.time()
    if seen is None:
        return done
    facts = {"label": seen.label, "objects": [], **done.data, "last_seen": seen.to_dict(now_s)}
    return Done(Status.DONE, f"{done.text}; last seen: {seen.in_words(now_s)}", facts)


def look_up(tool: Count | WhereIs, controls: Controls) -> Done:
    """Return how many objects of a label there are, or where.

    Raises:
        UserError: the node is not active, the query lacks the label, or nothing is known about it.
    """
    pipeline = controls.running()
    label = controls.spelt(tool.label)
    views = controls.scene.views(tool.camera)
    for view in views:
        view.refuse_silence()
        if not view.was_asked_for(tool.label):
            why = "" if pipeline.enabled else "; requests are paused, send look_for"
            raise UserError(f"there is no usable answer about {label!r} yet{view.whence}{why}")
    objects = [item for view in views for item in view.objects(label)]
    data = {"label": label, "answers": [_answer_of(view) for view in views]}
    if isinstance(tool, Count):
        return _counted(label, objects, data)
    where_to = "; ".join(in_words(item) for item in objects)
    text = where_to or f"no {label} is confirmed now"
    return Done(Status.DONE, text, {**data, "objects": objects})


def _counted(label: str, objects: Sequence[dict[str, Any]], data: Mapping[str, Any]) -> Done:
    confirmed = certain(objects)
    ids = [item["id"] for item in confirmed]
    others = [item["id"] for item in objects if item not in confirmed]  # a camera has its own ids
    text = f"{len(ids)} x {label}"
    if others:
        text += f"; {len(others)} more, of which the newest answer shows nothing"
    return Done(Status.DONE, text, {**data, "count": len(ids), "ids": ids, "coasting_ids": others})


def _answer_of(view: CameraState) -> dict[str, Any]:
    """Return the answer that a result is based on, and its age at the newest frame."""
    answer, tracks = view.answer, view.tracks
    assert answer is not None
    age_s = None if tracks is None else max(0.0, (tracks.stamp_ns - answer.stamp_ns) / 1e9)
    return {
        "camera": view.camera,
        "status": answer.outcome.value,
        "age_s": None if age_s is None else round(age_s, 3),
    }
