# SPDX-License-Identifier: Apache-2.0
"""Images that the transport loses are noticed by node and ``lfmvl doctor``, over real DDS."""

import os
from pathlib import Path

import pytest
from rclpy.utilities import get_rmw_implementation_identifier

from lfmvl_ros.ros.diagnostics.topic_probe import probe
from lfmvl_ros.ros.transport import fast_dds, middleware

from ..waiting import until
from .conftest import values

SHIPPED = Path(__file__).parents[2] / "config" / "fastdds_images_small.xml"
TINY_BYTES = 131_072

pytestmark = pytest.mark.skipif(
    not middleware.is_fast_dds(get_rmw_implementation_identifier()),
    reason="the segment of Fast DDS is what makes images get lost here",
)


def use_profile(monkeypatch, path):
    """Start processes with a profile from here on."""
    found = middleware.find_ros()
    for name in fast_dds.profile_variables(""):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(fast_dds.profile_variables(found.distribution)[0], str(path))


def listen_to(world, seconds):
    """Probe the camera of a world once it is there."""
    topic = f"{world.namespace}/image_raw"

    def heard():  # on a busy machine it may not be there
        found = probe(topic, seconds)
        return found if found.received else None

    return until(heard, told=world.log)


@pytest.fixture
def tiny(tmp_path):
    """A profile whose segment is a seventh of a VGA image."""
    path = tmp_path / "tiny.xml"
    text = SHIPPED.read_text()
    size = fast_dds.read_transport(SHIPPED).segment_bytes
    assert f"<segment_size>{size}<" in text
    path.write_text(text.replace(f"<segment_size>{size}<", f"<segment_size>{TINY_BYTES}<"))
    return path


def test_a_node_that_loses_images_says_so(world, monkeypatch, tiny):
    world.perception([{"text": "[]"}])
    use_profile(monkeypatch, tiny)
    world.start("camera_node", parameters={"rate_hz": 30.0})
    status = world.health("camera", lambda status: "lost on the way" in status.message)
    assert status.level == b"\x01"
    assert int(values(status)["lost_on_the_way"]) >= 2
    assert "lfmvl doctor --topic" in status.message

    def losing():  # a busy machine sends few
        found = listen_to(world, 3.0)
        return found if found.arrivals.lost else None

    found = until(losing)
    assert 0 < found.segment_bytes < 640 * 480 * 3
    assert found.same_host


def test_a_segment_that_holds_images_loses_none(world, monkeypatch):
    use_profile(monkeypatch, SHIPPED)
    # Of this size it holds those of three seconds, for a listener that stands still as long.
    world.start("camera_node", parameters={"rate_hz": 5.0, "width": 320, "height": 240})
    found = listen_to(world, 4.0)
    assert found.arrivals.lost == 0
    assert found.received > 0
    assert found.segment_bytes == pytest.approx(4 << 20, rel=0.02)


def test_the_fixture_sets_a_profile(ros):
    found = middleware.find_ros()
    assert middleware.profile_in_use(os.environ, found.distribution) is not None
