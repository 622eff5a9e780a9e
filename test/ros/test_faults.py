# SPDX-License-Identifier: Apache-2.0
"""Faults on purpose, over real DDS: each is published, told in diagnostics, and got over."""

import itertools
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.ros import conversions, qos

from ..waiting import until
from .conftest import values

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"
BOX = json.dumps([{"label": "red tote", "bbox": [0.25, 0.25, 0.5, 0.75]}])


def stamp(message):
    return conversions.stamp_ns(message.header.stamp)


def answers(count, delay_s=0.1, text=BOX):
    return [{"text": text, "delay_s": delay_s}] * count


def process_facts(process):
    """Return resident memory in MB and the number of threads of a process."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    facts = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return int(facts["VmRSS"].split()[0]) / 1e3, int(facts["Threads"])


def settled_facts(process, threads):
    """Return the facts once there are at most so many threads: those that end take a moment."""
    until(lambda: process_facts(process)[1] <= threads, told=lambda: process_facts(process))
    return process_facts(process)


class History:
    """Everything diagnostics said of a part, in order."""

    def __init__(self, world, part):
        self.seen = []
        self._name = f"{world.namespace}/perception: {part}"
        world.node.create_subscription(DiagnosticArray, "/diagnostics", self._note, qos.RESULTS)

    def _note(self, message):
        self.seen += [(s.level, s.message) for s in message.status if s.name == self._name]

    def levels(self, last):
        """Return the levels in turn, once the last one is as wanted: each listener has its pace."""
        until(lambda: self.seen and self.seen[-1][0] == last, told=lambda: self.seen)
        return [level for level, _ in itertools.groupby(level for level, _ in self.seen)]

    def told(self, level, words):
        return any(at == level and words in message for at, message in self.seen)


def test_a_model_that_hangs_raises_runs_out_of_memory_and_writes_garbage(world):
    script = [
        *answers(10),
        {"fault": "hang", "delay_s": 8.0, "text": BOX},  # 2 s are allowed, 4 s tolerated
        *answers(10),
        {"fault": "raise"},
        *answers(10),
        {"fault": "memory"},
        *answers(10),
        *answers(9, 0.3, text='{"objects": [{"bbox": "left", ]} ???'),
        *answers(300, 0.05),
    ]
    process = world.perception(script, query="red tote", generation__timeout_s=2.0)
    grounding, history = world.listen(String, "grounding"), History(world, "model")
    tracks = world.listen(Detection2DArray, "tracks")
    camera = world.camera()
    camera.start()
    statuses, told, memory = [], {}, []

    def next_status():
        document = grounding.next_json()
        statuses.append(document["status"])
        told.setdefault(document["status"], []).append(document)
        return statuses[-1]

    while next_status() == "ok":
        memory.append(process_facts(process))
    stuck_ns = time.time_ns()
    tracks.next(lambda m: stamp(m) > stuck_ns)  # one a camera frame, although the model is stuck
    world.health("model", lambda s: s.level == ERROR and "has not returned for" in s.message)
    between = []
    while statuses[-1] != "unparseable":
        if next_status() == "ok" and len(told.get("error", ())) < 2:
            between.append(process_facts(process)[1])
    while next_status() == "unparseable":
        pass
    world.health_now("model", lambda s: s.level == OK)

    order = [status for status, _ in itertools.groupby(statuses)]
    assert order == ["ok", "timeout", "ok", "error", "ok", "error", "ok", "unparseable", "ok"]
    assert "the model has not returned after " in told["timeout"][0]["rejected"][0]
    assert [document["error"] for document in told["error"]] == [
        "RuntimeError: the recording tells the backend to fail",
        "out of memory; lower image.max_tokens or image.max_tiles",
    ]
    levels = history.levels(last=OK)
    assert levels[0] == levels[-1] == OK, history.seen
    assert history.told(ERROR, "the model fails: RuntimeError: the recording")
    assert history.told(ERROR, "the model fails: out of memory")
    assert history.told(WARN, "no usable answer")
    at_first_mb, at_first = memory[-1]
    # The executor starts its four threads one by one, when callbacks overlap.
    megabytes, threads = settled_facts(process, max(at_first, *between) + 1)
    assert threads <= max(at_first, *between) + 1
    assert threads <= at_first + 4
    assert megabytes < at_first_mb + 30
    assert process.poll() is None


def test_a_model_that_never_returns_is_told_and_the_process_still_ends(world):
    process = world.perception([{"fault": "hang", "delay_s": 600.0}], generation__timeout_s=0.1)
    grounding = world.listen(String, "grounding")
    camera = world.camera()
    camera.start()
    assert grounding.next_json()["status"] == "timeout"
    status = world.health("model", lambda s: s.level == ERROR)
    assert "configure and activate it" in status.message
    assert grounding.is_silent(0.5)  # nobody asks a model that is stuck
    code = world.end(process)
    assert code == 0, world.log()
    assert "Traceback" not in world.log()


def image(wh, encoding="rgb8", stamp_ns=None):
    pixels = np.full((wh[1], wh[0], 3), 127, np.uint8)
    pixels[:, : wh[0] // 2] ^= 64
    stamp_ns = time.time_ns() if stamp_ns is None else stamp_ns
    return conversions.to_image(pixels, stamp_ns, "lens", encoding)


def test_a_camera_that_changes_hurries_stops_and_goes_back_in_time(world):
    process = world.perception(answers(1, 0.05), query="red tote", diagnostics__camera_stale_s=0.7)
    history = History(world, "camera")
    grounding, tracks = world.listen(String, "grounding"), world.listen(Detection2DArray, "tracks")
    camera, _ = world.connected_camera()

    # Size and encoding from one frame to the next; boxes are in pixels of the frame they are of.
    for wh, encoding in (((128, 96), "rgb8"), ((64, 48), "mono8"), ((320, 200), "bgr8")):
        camera.send(message := image(wh, encoding))
        same = message.header.stamp.nanosec
        document = grounding.next_json(lambda d, n=same: d["stamp"]["nanosec"] == n)
        assert (document["status"], document["width"], document["height"]) == ("ok", *wh)
        assert document["objects"][0]["bbox"] == pytest.approx([0.25, 0.25, 0.5, 0.75])
        found = tracks.next(lambda m, n=same: m.header.stamp.nanosec == n)
        for box in (item.bbox for item in found.detections):
            centre = box.center.position
            assert 0 <= centre.x - box.size_x / 2 <= centre.x + box.size_x / 2 <= wh[0]
            assert 0 <= centre.y - box.size_y / 2 <= centre.y + box.size_y / 2 <= wh[1]

    # A driver that falls into an encoding nobody knows, and back.
    def strange():
        message = image((64, 48))
        message.encoding = "8UC7"
        return message

    camera.start()
    camera.send_until(lambda: history.told(WARN, "unsupported_encoding"), strange)
    camera.stop()
    camera.start(120.0)
    grounding.clear()
    assert grounding.next_json()["status"] == "ok"
    before = values(world.health("camera", lambda s: s.level == OK))
    faster = world.health("camera", lambda s: float(values(s)["rate_hz"]) > 25)  # than before
    after = values(faster)
    assert int(after["received"]) > int(before["received"])
    taken = int(after["frames"]) + sum(int(v) for k, v in after.items() if "dropped." in k)
    assert int(after["received"]) - taken in (0, 1, 2)  # one waits, one is decoded
    facts = process_facts(process)

    camera.stop()
    world.health("camera", lambda s: s.level == WARN and s.message.startswith("no image for"))
    camera.send(stamp_ns=(long_ago_ns := time.time_ns() - 3600 * 10**9))
    assert grounding.next_json(lambda d: d["stamp"]["sec"] == long_ago_ns // 10**9)
    camera.start()
    world.health("camera", lambda s: s.level == OK)
    grounding.clear()
    assert grounding.next_json()["status"] == "ok"
    assert history.levels(last=OK)[-3:] == [OK, WARN, OK], history.seen
    megabytes, threads = settled_facts(process, facts[1] + 1)
    assert threads <= facts[1] + 1
    assert megabytes < facts[0] + 30


def test_a_camera_that_sends_8k_images(world):
    """100 MB a message: they are answered, and the memory they took is given back."""
    reliable = f"qos_overrides.{world.namespace}/image_raw.subscription.reliability"
    process = world.perception(answers(1, 0.05), query="red tote", **{reliable: "reliable"})
    grounding = world.listen(String, "grounding")
    publisher = world.node.create_publisher(Image, "image_raw", qos.RESULTS)
    ended = threading.Event()

    def send():
        while not ended.wait(0.1):
            publisher.publish(image((64, 48)))

    small = threading.Thread(target=send)
    small.start()
    try:
        grounding.next_json()
        before_mb, _ = process_facts(process)
    finally:
        ended.set()
        small.join()
    for _ in range(2):
        publisher.publish(large := image((7680, 4320)))
        document = grounding.next_json(
            lambda d, n=large.header.stamp.nanosec: d["stamp"]["nanosec"] == n
        )
        assert (document["status"], document["width"]) == ("ok", 7680)
    status = world.health("camera", lambda s: values(s)["width"] == "7680")
    assert values(status)["dropped.corrupt"] == "0"
    for _ in range(3):
        publisher.publish(image((64, 48)))
        assert grounding.next_json(lambda d: d["width"] == 64)["status"] == "ok"
    assert process_facts(process)[0] < before_mb + 350  # two of them, and room to move


def test_names_of_models_that_are_none_and_queries_that_never_end(world, tmp_path):
    process = world.perception(answers(3), query="red tote")
    deep = tmp_path / "deep"
    deep.mkdir()
    (deep / "config.json").write_text("[" * 200_000)
    endless = tmp_path / "endless.jsonl"
    endless.symlink_to("/dev/zero")
    for name in ("~nosuchuser/x", "n" * 300, "n" * 5000, str(deep), str(endless), "/dev/zero"):
        refused = world.set_parameters(model=name)
        assert not refused.successful, name
        assert len(refused.reason) < 500
    ask = world.node.create_publisher(String, "query", qos.RESULTS)
    for _ in range(20):
        ask.publish(String(data="red \x1b[2J tote" * 20_000))
    world.health("commands", lambda s: int(values(s)["queries_rejected"]) > 0)
    log = world.log()
    assert "query refused" in log
    assert len(log) < 20_000
    assert "\x1b" not in log
    assert "Traceback" not in log
    assert process.poll() is None
