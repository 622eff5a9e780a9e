# SPDX-License-Identifier: Apache-2.0
"""The node with a model behind a server that goes away and comes back, over real DDS."""

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from ..domains import next_port
from ..models.server.scripted import Scripted, events, serving

ERROR = DiagnosticStatus.ERROR
OK = DiagnosticStatus.OK


def slowly(handler, _):
    """Answer after a tenth of a second, as a quick model would."""
    handler.script.hung_up.wait(0.1)
    handler.stream(events())


def following(grounding, status):
    """Return the next answer with this status."""
    while (document := grounding.next_json())["status"] != status:
        pass
    return document


def test_a_server_that_goes_away_and_comes_back(world):
    port = next_port()
    with serving(Scripted(slowly), port) as address:
        model = f"{address}/v1#lfm2.5-vl-450m"
        process = world.start("perception_node", parameters={"model": model, "query": "tote"})
        world.wait_active()
        world.until_logged(f"sent to {address}; nothing else leaves")
        grounding = world.listen(String, "grounding")
        tracks = world.listen(Detection2DArray, "tracks")
        world.camera().start()
        document = following(grounding, "ok")
        assert document["model"] == "LiquidAI/LFM2.5-VL-450M"
        assert document["confidence_kind"] == "token"
        tracks.next(lambda message: message.detections)
    document = following(grounding, "error")
    while "nobody listens there" not in document["error"]:  # one may have been under way
        assert "closed the connection" in document["error"]
        document = following(grounding, "error")
    assert str(port) in document["error"]
    tracks.clear()
    tracks.next()  # one a camera frame, although nobody answers
    world.health("model", lambda s: s.level[0] == ERROR[0] and "nobody listens there" in s.message)
    with serving(Scripted(slowly), port):
        following(grounding, "ok")
        tracks.next(lambda message: message.detections)
        world.health_now("model", lambda s: s.level[0] == OK[0])
        assert process.poll() is None
