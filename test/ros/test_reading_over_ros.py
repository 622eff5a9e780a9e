# SPDX-License-Identifier: Apache-2.0
"""Text on tracked objects over real topics, read by the real rapidocr in a node's process."""

import importlib.util
import json
import os
import threading
import time

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import String

from lfmvl_ros.ros import conversions

from ..schemas import check
from .conftest import values
from .test_command_topics import Operator

HAS_READER = all(map(importlib.util.find_spec, ("rapidocr", "onnxruntime")))
needs_reader = pytest.mark.skipif(not HAS_READER, reason="rapidocr, of the extra ocr, is missing")
BOX = {"text": json.dumps([{"label": "box", "bbox": [0.25, 0.25, 0.75, 0.75]}]), "delay_s": 0.05}
RULES = """
zones:
  view: {image: [[0, 0], [1, 0], [1, 1], [0, 1]]}
rules:
  ours:
    {when: enter, label: box, zone: view, where: 'text == "sku 4827-k" and text_confidence > 0.9'}
  theirs: {when: enter, label: box, zone: view, where: 'text != "SKU 4827-K"'}
"""


def labelled(text):
    """Return a 320 x 240 image of a box with a text on it, RGB."""
    image = np.full((240, 320, 3), (90, 96, 102), np.uint8)
    image[60:180, 80:240] = (150, 116, 82)
    image[95:145, 88:232] = 245
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(image, text, (94, 127), font, 0.65, (20, 20, 24), 2, cv2.LINE_AA)
    return image


class LabelCamera:
    """Publishes images of a box, until it is stopped."""

    def __init__(self, world, text):
        self.text, self._world = text, world
        self._stop, self._camera = threading.Event(), world.camera()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(0.05):
            stamp_ns = time.time_ns()
            message = conversions.to_image(labelled(self.text), stamp_ns, "lens", "rgb8")
            self._camera.send(message, stamp_ns)

    def stop(self):
        self._stop.set()
        self._thread.join()


@pytest.fixture
def camera(world):
    made = LabelCamera(world, "SKU 4827-K")
    yield made
    made.stop()


@needs_reader
def test_what_is_read_is_in_readings_track_states_events_and_commands(world, camera):
    path = world.folder / "rules.yaml"
    path.write_text(RULES)
    readings, states = world.listen(String, "readings"), world.listen(String, "track_states")
    events = world.listen(String, "events")
    world.perception(
        [BOX], query="box", rules_file=str(path), reading__labels=["box"], reading__rate_hz=20.0
    )
    reading = check(readings.next_json(lambda d: d["confidence"] >= 0.9))
    assert reading["text"].replace(" ", "") == "SKU4827-K"
    assert (reading["label"], reading["frame_id"]) == ("box", "lens")
    assert reading["readings"] >= len(reading["evidence_stamps"]) >= 2

    document = check(states.next_json(lambda d: any("text" in one for one in d["tracks"])))
    (track,) = document["tracks"]
    assert (track["id"], track["text"]) == (reading["id"], reading["text"])
    event = check(events.next_json(lambda d: d["state"] == "begin"))
    assert event["rule"] == "ours"
    assert event["tracks"][0]["text"] == reading["text"]
    assert event["tracks"][0]["text_confidence"] >= 0.9

    operator = Operator(world).connect()
    result = check(operator.call("read", label="boxes"))
    assert result["status"] == "done", result
    (item,) = result["calls"][0]["data"]["objects"]
    assert (item["id"], item["text"]) == (reading["id"], reading["text"])
    health = world.health("reading", lambda s: int(values(s)["crops_read"]) >= 2)
    assert health.level == DiagnosticStatus.OK
    assert values(health)["available"] == "True"
    assert "Traceback" not in world.log()


@needs_reader
def test_the_tool_reads_labels_that_are_not_in_the_settings(world, camera):
    world.perception([BOX], query="box")
    readings = world.listen(String, "readings")
    operator = Operator(world).connect()
    assert operator.call("find", label="box", timeout_s=60)["status"] == "done"
    result = operator.call("read", label="box", timeout_s=60)
    (item,) = result["calls"][0]["data"]["objects"]
    assert item["text"].replace(" ", "") == "SKU4827-K", result
    assert not readings.empty
    unknown = operator.call("read", label="forklift")
    assert "'forklift' is not in the query" in unknown["message"]
    dry = operator.ask({"name": "read", "arguments": {"label": "box"}, "dry_run": True})
    assert dry["dry_run"]
    assert world.change_state("deactivate")
    assert "not running" in operator.call("read", label="box")["message"]
    assert "Traceback" not in world.log()


def test_without_the_package_the_node_works_and_says_what_to_install(world, camera, monkeypatch):
    folder = world.folder / "hidden"
    folder.mkdir()
    (folder / "rapidocr.py").write_text("raise ImportError('not installed')")
    old = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), old))))
    world.perception([BOX], query="box", reading__labels=["box"])
    states = world.listen(String, "track_states")
    health = world.health("reading", lambda s: s.level == DiagnosticStatus.WARN)
    assert "pip install 'lfmvl_ros[ocr]'" in health.message
    assert values(health)["available"] == "False"
    assert "text" not in states.next_json(lambda d: d["tracks"])["tracks"][0]
    operator = Operator(world).connect()
    operator.call("find", label="box", timeout_s=60)
    result = operator.call("read", label="box")
    assert result["status"] == "failed"
    assert "pip install" in result["message"]
    assert "no text is read" in world.log()
    assert "Traceback" not in world.log()


def test_labels_that_the_query_lacks_are_reported(world):
    world.perception([BOX], query="box", reading__labels=["sign"])
    world.connected_camera()
    health = world.health("reading", lambda s: s.level == DiagnosticStatus.WARN)
    assert "the query does not name sign of reading.labels" in health.message
