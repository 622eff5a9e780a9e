# SPDX-License-Identifier: Apache-2.0
"""Which answers the tools rely on."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from lfmvl_ros.core.commands.scene import Scene
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Applied, Tracks

WH = (64, 48)


@pytest.mark.parametrize(
    ("camera", "came_s", "why"),
    [
        ("", None, "no image has come yet; wait for the camera to start, or check the topic"),
        ("left", None, "no image has come from camera left yet; "),
        ("", 0.0, "no more images come; has the camera, the recording or the demo ended?"),
        ("left", 0.0, "no more images come from camera left; has the camera"),
    ],
)
def test_images_that_have_not_come_yet_and_those_that_ended_are_told_apart(
    camera: str, came_s: float | None, why: str
) -> None:
    newest = None if came_s is None else (Tracks(5, frame_id="", camera=camera, wh=WH), came_s)
    (view,) = Scene((camera,), lambda: 1.0, lambda _camera: newest).views("")
    with pytest.raises(UserError) as caught:
        view.refuse_silence()
    assert str(caught.value).startswith(why)


def test_a_camera_whose_image_came_a_moment_ago_is_not_silent() -> None:
    newest = Tracks(5, frame_id="", camera="", wh=WH), time.monotonic()
    Scene(("",), lambda: 60.0, lambda _camera: newest).views("")[0].refuse_silence()


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
