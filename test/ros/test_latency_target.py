# SPDX-License-Identifier: Apache-2.0
"""``image.target_latency_ms`` on a running node, with the bundled checkpoint."""

from pathlib import Path

import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import String

import lfmvl_warehouse

WARN = b"\x01"
BUNDLED = Path(lfmvl_warehouse.__file__).parent / "checkpoint"


@pytest.mark.slow
@pytest.mark.skipif(not list(BUNDLED.glob("**/*.safetensors")), reason="no bundled checkpoint")
def test_a_target_set_at_run_time_is_kept_to_published_and_diagnosed(world):
    world.start(
        "perception_node",
        parameters={"model": "bundled", "query": "person", "generation.max_new_tokens": 8},
    )
    world.health("model", lambda status: any(item.key == "query" for item in status.values), 90)
    answers = world.listen(String, "grounding")
    camera = world.camera(wh=(640, 480), kind=Image)
    camera.start(5.0)
    before = answers.next_json(lambda d: d["image_tokens"] > 0)
    assert before["latency_budget"] is None
    assert not world.set_parameters(image__target_latency_ms=-1.0).successful
    assert world.set_parameters(image__target_latency_ms=0.5).successful
    document = answers.next_json(
        lambda d: d["latency_budget"] and d["latency_budget"]["because"] == "cheapest"
    )
    assert document["image_tokens"] == document["latency_budget"]["image_tokens"]
    assert 32 <= document["image_tokens"] < before["image_tokens"]
    assert document["latency_budget"]["likely_ms"] > document["latency_budget"]["target_ms"] == 0.5
    status = world.health("model", lambda status: "target_latency_ms" in status.message)
    assert status.level == WARN
    assert world.set_parameters(image__target_latency_ms=0.0).successful
    after = answers.next_json(lambda d: d["latency_budget"] is None)
    assert after["image_tokens"] == before["image_tokens"]
