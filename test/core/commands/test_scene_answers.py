# SPDX-License-Identifier: Apache-2.0
"""Which answers the tools rely on."""

from __future__ import annotations

from dataclasses import replace

from lfmvl_ros.core.commands.scene import Scene
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Applied

WH = (64, 48)


def test_an_answer_about_a_part_of_the_image_is_not_what_the_camera_shows() -> None:
    scene = Scene(("",), lambda: 1.0, lambda _camera: None)
    whole = Grounding(
        Outcome.EMPTY, Detections.empty(), 5, "", "", WH, Query.parse("tote"), Reply("[]")
    )
    part = replace(whole, region=Region((0, 0, 32, 48), WH))
    scene.answered(Answer(part, Applied(5, ()), 0))
    assert not scene.views("")[0].was_asked_for("tote")
    scene.answered(Answer(whole, Applied(5, ()), 0))
    assert scene.views("")[0].was_asked_for("tote")
    scene.answered(Answer(part, Applied(6, ()), 0))
    assert scene.views("")[0].answer is whole
