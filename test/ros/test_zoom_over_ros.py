# SPDX-License-Identifier: Apache-2.0
"""A node that asks about parts of the image, over DDS."""

import json
import time

import numpy as np
import pytest
from std_msgs.msg import String
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray

from ..waiting import until
from .conftest import stamp_of, values

BOX = (0.3, 0.4, 0.5, 0.6)
TOTE = {"text": json.dumps([{"label": "tote", "bbox": BOX}]), "delay_s": 0.02}


def test_parts_of_the_image_are_asked_about_until_the_parameter_says_no(world):
    world.perception([TOTE], query="tote", zoom__share=0.5)
    answers = world.listen(String, "grounding")
    detections = world.listen(Detection2DArray, "detections")
    tracks = world.listen(Detection2DArray, "tracks")
    world.camera().start(rate_hz=30.0)

    part = answers.next_json(lambda document: document["region"] is not None)
    x1, y1, x2, y2 = part["region"]
    assert (x2 - x1) * (y2 - y1) == pytest.approx(1 / 1.5**2, rel=0.05)
    placed = np.array([x1, y1, x1, y1]) + np.array(BOX) * [x2 - x1, y2 - y1, x2 - x1, y2 - y1]
    np.testing.assert_allclose(part["objects"][0]["bbox"], placed, atol=1e-3)
    tracks.next(lambda message: len(message.detections) > 0)
    world.health("model", lambda s: int(values(s)["answers_about_regions"]) >= 5)

    found, shown = {}, set()

    def many():
        found.update((stamp_of(m), json.loads(m.data)["region"]) for m in answers.taken())
        shown.update(stamp_of(m) for m in detections.taken())
        return sum(region is not None for region in found.values()) >= 10

    until(many)
    assert not shown & {stamp for stamp, region in found.items() if region is not None}
    regions = sum(region is not None for region in found.values())
    assert regions <= len(found) / 2 + 2, "the whole image keeps its share"

    for _ in range(4):  # whoever asks gets an answer about the whole image
        response = world.call(Trigger, "ground_once")
        assert response.success
        assert json.loads(response.message)["region"] is None

    assert world.set_parameters(zoom__share=0.0).successful
    since_ns = time.time_ns()
    for _ in range(10):
        later = answers.next(lambda message: stamp_of(message) > since_ns)
        assert json.loads(later.data)["region"] is None
    assert "Traceback" not in world.log()


def test_a_share_that_starves_the_whole_image_is_refused(world):
    world.perception([TOTE], query="tote")
    result = world.set_parameters(zoom__share=1.0)
    assert not result.successful
    assert "zoom.share" in result.reason
    assert "0.8" in result.reason
