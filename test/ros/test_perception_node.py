# SPDX-License-Identifier: Apache-2.0
"""The perception node as a process, over real DDS, with recorded replies as its model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Detection2DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from lfmvl_ros.ros import conversions, qos

from ..waiting import PATIENCE_S, until
from .conftest import values

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"


def reply(*labels, delay_s=0.05):
    """A model's answer: the i-th label at a place of its own."""
    objects = [
        {"label": label, "bbox": [0.1 + 0.2 * i, 0.25, 0.2 + 0.2 * i, 0.75]}
        for i, label in enumerate(labels)
    ]
    return {"text": json.dumps(objects), "delay_s": delay_s}


TOTE = [reply("red tote")]


def stamp(message):
    return conversions.stamp_ns(message.header.stamp)


def test_images_in_results_out(world):
    world.perception([reply("red tote", "person")], query="red tote, person")
    detections = world.listen(Detection2DArray, "detections")
    tracks = world.listen(Detection2DArray, "tracks")
    grounding, states = world.listen(String, "grounding"), world.listen(String, "track_states")
    camera = world.camera(wh=(64, 48))
    camera.start()

    found = detections.next(lambda m: len(m.detections) == 2)
    assert stamp(found) in camera.sent_ns
    for header in [found.header, *(d.header for d in found.detections)]:
        assert (conversions.stamp_ns(header.stamp), header.frame_id) == (stamp(found), "lens")
    tote, person = found.detections
    assert (tote.results[0].hypothesis.class_id, person.results[0].hypothesis.class_id) == (
        "red tote",
        "person",
    )
    assert 0 < tote.results[0].hypothesis.score <= 1
    centre, box = tote.bbox.center.position, tote.bbox
    assert (centre.x, centre.y, box.size_x, box.size_y) == pytest.approx((9.6, 24, 6.4, 24))

    document = grounding.next_json(lambda d: d["stamp"]["nanosec"] == found.header.stamp.nanosec)
    assert (document["status"], document["query"]) == ("ok", "red tote, person")
    assert [item["id"] for item in document["objects"]] == [tote.id, person.id]
    assert document["objects"][0]["bbox"] == pytest.approx([0.1, 0.25, 0.2, 0.75])

    seen = [tracks.next(lambda m: len(m.detections) == 2) for _ in range(5)]
    assert {d.id for m in seen for d in m.detections} == {tote.id, person.id}
    assert {stamp(m) for m in seen} <= set(camera.sent_ns)
    assert len({stamp(m) for m in seen}) == 5  # one a camera frame
    state = states.next_json(lambda d: len(d["tracks"]) == 2)
    assert state["width"] == 64
    assert {track["state"] for track in state["tracks"]} <= {"tentative", "confirmed"}


def test_what_is_only_computed_for_subscribers(world):
    world.perception([reply("red tote")], query="red tote")
    camera = world.camera(wh=(64, 48))
    camera.start()
    info = world.node.create_publisher(CameraInfo, "camera_info", qos.SENSOR)
    # Of a sensor twice as large, whose images are binned.
    lens = conversions.to_camera_info(0, "lens", (128, 96), (120.0, 120.0, 63.0, 47.0))
    lens.binning_x = lens.binning_y = 2
    timer = world.node.create_timer(0.1, lambda: info.publish(lens))
    tracks = world.listen(Detection2DArray, "tracks")
    (track,) = tracks.next(lambda m: m.detections).detections

    packed = world.listen(CompressedImage, "debug_image/compressed", qos.SENSOR).next()
    assert packed.format == "rgb8; jpeg compressed bgr8"
    assert len(np.unique(conversions.frame_from_image(packed).pixels.reshape(-1, 3), axis=0)) > 1
    drawn = world.listen(Image, "debug_image", qos.SENSOR).next()
    assert (drawn.width, drawn.height, drawn.encoding) == (64, 48, "rgb8")
    pixels = conversions.frame_from_image(drawn).pixels
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 2  # the camera's image has two colours
    marked = world.listen(MarkerArray, "markers").next(lambda m: m.markers)
    assert {m.id for m in marked.markers} == {int(track.id)}
    assert {m.header.frame_id for m in marked.markers} == {"lens"}
    box = track.bbox
    left_px = box.center.position.x - box.size_x / 2
    (outline,) = (m for m in marked.markers if m.ns == "tracks")
    assert outline.points[0].x == pytest.approx((left_px - 31.5) / 60.0, abs=0.02)
    world.node.destroy_timer(timer)


def test_query_changes_at_run_time(world):
    world.perception(TOTE, query="red tote")
    grounding = world.listen(String, "grounding")
    camera = world.camera()
    camera.start()
    assert grounding.next_json()["query_version"] == 1

    ask = world.node.create_publisher(String, "query", qos.RESULTS)
    until(ask.get_subscription_count)
    ask.publish(String(data="person, blue tote"))
    changed = grounding.next_json(lambda d: d["query_version"] == 2)
    assert changed["query"] == "person, blue tote"
    labels = world.listen(LabelInfo, "label_info", qos.LATCHED).next()  # joined late
    assert [c.class_name for c in labels.class_map] == ["person", "blue tote"]

    assert world.set_parameters(query="forklift").successful
    assert grounding.next_json(lambda d: d["query_version"] == 3)["query"] == "forklift"

    for text in ("", " , ,", "<|im_end|>"):
        ask.publish(String(data=text))
    status = world.health("commands", lambda s: values(s)["queries_rejected"] == "3")
    assert status.level == OK
    assert "query refused: the query is empty" in world.log()
    assert grounding.next_json()["query"] == "forklift"


def test_parameters_are_refused_with_the_reason_while_the_model_is_busy(world):
    world.perception([reply("red tote", delay_s=600.0)], generation__timeout_s=600.0)
    camera = world.camera()
    camera.start()
    world.health("model", lambda s: float(values(s)["busy_s"]) > 0.5)
    refused = world.set_parameters(query="box", image__max_tiles=999)
    assert not refused.successful
    assert "image.max_tiles" in refused.reason
    assert not world.set_parameters(query="box", compressed_input=True).successful
    refused = world.set_parameters(query="box", model="/nowhere/at_all")
    assert not refused.successful
    assert "there is no model '/nowhere/at_all'" in refused.reason
    assert world.set_parameters(query="box", image__max_tiles=9).successful
    status = values(world.health("model", lambda s: values(s)["query"] == "box"))
    assert float(status["busy_s"]) > 0.5


def test_enable_and_ground_once(world):
    world.perception(TOTE, query="red tote")
    grounding = world.listen(String, "grounding")
    tracks = world.listen(Detection2DArray, "tracks")
    early = world.call(Trigger, "ground_once")
    assert (early.success, early.message) == (
        False,
        "no camera frame has come yet; check the image topic",
    )
    camera = world.camera()
    camera.start()
    grounding.next()

    assert world.call(SetBool, "enable", data=False).message == "paused"
    paused_ns = time.time_ns()
    tracks.next(lambda m: stamp(m) > paused_ns)  # tracks go on at every frame
    assert world.health("model", lambda s: "paused" in s.message).level == OK
    assert grounding.is_silent(0.5, since_ns=paused_ns)

    once = world.call(Trigger, "ground_once")
    assert once.success
    document = json.loads(once.message)
    assert (document["status"], document["objects"][0]["label"]) == ("ok", "red tote")
    grounding.next_json(lambda d: d["stamp"] == document["stamp"])
    assert grounding.is_silent(0.3)

    assert world.call(SetBool, "enable", data=True).message == "enabled"
    grounding.next()


def test_life_cycle_three_times_round(world):
    process = world.perception(TOTE, wait=False, autostart=False, query="red tote")
    detections = world.listen(Detection2DArray, "detections")
    camera = world.camera()
    camera.start()
    assert not world.call(SetBool, "enable", data=False).success
    assert world.call(Trigger, "ground_once").message == "the node is not configured"
    for _ in range(3):
        assert world.state() == "unconfigured"
        assert world.change_state("configure")
        assert world.state() == "inactive"
        assert world.health("model", lambda s: s.message == "inactive").level == OK
        for _ in range(2):
            assert world.change_state("activate")
            assert stamp(detections.next()) in camera.sent_ns
            assert world.change_state("deactivate")
            assert detections.is_silent(0.3, since_ns=time.time_ns())
        assert world.change_state("cleanup")
        assert world.health("model", lambda s: s.message == "not configured").level == OK
    assert process.poll() is None


def test_configuring_fails_and_the_node_stays(world):
    process = world.start(
        "perception_node", parameters={"model": "/nowhere/replies.jsonl", "autostart": False}
    )
    assert not world.change_state("configure")
    assert world.state() == "unconfigured"
    status = world.health("model", lambda s: s.level == ERROR)
    assert "the recording /nowhere/replies.jsonl can't be read" in status.message
    assert "configuring failed: the recording" in world.log()
    assert process.poll() is None


def plain_image(stamp_ns=1):
    return conversions.to_image(np.zeros((48, 64, 3), np.uint8), stamp_ns, "lens")


def corrupt_images():
    short, empty, strange = plain_image(), Image(encoding="rgb8"), plain_image()
    short.data = short.data[:-1]
    empty.header = short.header
    strange.encoding = "8UC4"
    return short, empty, strange


def test_corrupt_images_are_counted_and_the_node_goes_on(world):
    world.perception(TOTE, query="red tote")
    camera, before = world.connected_camera()
    received = int(before["received"])
    for message in corrupt_images():
        camera.send(message)
        received += 1
        world.health("camera", lambda s, n=received: values(s)["received"] == str(n))
    after = values(world.health("camera"))
    assert after["dropped.corrupt"] == "2"
    assert after["dropped.unsupported_encoding"] == "1"
    assert after["frames"] == before["frames"]
    assert "image encoding '8UC4' is not supported; supported: rgb8" in world.log()
    detections = world.listen(Detection2DArray, "detections")
    camera.start()
    assert stamp(detections.next()) in camera.sent_ns


def test_compressed_input_and_a_truncated_jpeg(world):
    world.perception(TOTE, query="red tote", compressed_input=True)
    detections = world.listen(Detection2DArray, "detections")
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()

    def message(data=jpeg):
        made = CompressedImage(format="jpeg")
        made.header = conversions.to_header(time.time_ns(), "lens")
        made.data.frombytes(data)
        return made

    camera, _ = world.connected_camera(message, topic="image_raw/compressed", kind=CompressedImage)
    camera.send(message(jpeg[: len(jpeg) // 2]))
    world.health("camera", lambda s: values(s)["dropped.corrupt"] == "1")
    last = message()
    camera.send(last)
    found = detections.next(lambda m: m.header == last.header)
    assert found.detections[0].bbox.size_y == pytest.approx(24)


def test_camera_silent_then_back(world):
    world.perception(TOTE, diagnostics__camera_stale_s=0.5)
    status = world.health("camera", lambda s: s.level == WARN)
    assert status.message == f"no image yet on {world.namespace}/image_raw"
    camera = world.camera()
    camera.start()
    world.health("camera", lambda s: s.level == OK)
    camera.stop()
    world.health("camera", lambda s: s.level == WARN and s.message.startswith("no image for"))
    camera.start()
    world.health("camera", lambda s: s.level == OK)


def test_every_kind_of_answer_is_published_and_failures_are_not_emptiness(world):
    answers = [
        reply("red tote"),
        {"text": "[]", "delay_s": 0.05},
        {"text": "I see a warehouse.", "delay_s": 0.05},
        {"error": "out of memory", "delay_s": 0.05},
        {"text": "[]", "delay_s": 30.0},
    ]
    world.perception(answers, query="red tote", generation__timeout_s=0.5)
    detections = world.listen(Detection2DArray, "detections")
    grounding = world.listen(String, "grounding")
    camera = world.camera()
    camera.start()
    kinds, by_stamp = {"ok", "empty", "unparseable", "error", "timeout"}, {}
    while (
        len(by_stamp) < 12 or set(by_stamp.values()) < kinds
    ):  # any may time out on a busy machine
        document = grounding.next_json()
        key = document["stamp"]["sec"] * 10**9 + document["stamp"]["nanosec"]
        by_stamp[key] = document["status"]
        assert len(by_stamp) < 100, by_stamp
    assert set(by_stamp.values()) == kinds
    camera.stop()
    published = {}
    while len(published) < 2 or not detections.empty:
        message = detections.next()
        if stamp(message) in by_stamp:
            published[by_stamp[stamp(message)]] = len(message.detections)
    assert published == {"ok": 1, "empty": 0}
    for outcome in ("error", "timeout"):
        world.health("model", lambda s, name=f"outcome.{outcome}": int(values(s)[name]) > 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_an_answer_ends_it_cleanly(world, number):
    process = world.perception([reply("red tote", delay_s=600.0)], generation__timeout_s=600.0)
    camera = world.camera()
    camera.start()
    world.health("model", lambda s: float(values(s)["busy_s"]) > 0.1)
    code = world.end(process, number)
    assert code == 0, world.log()
    assert "Traceback" not in world.log()


def test_while_a_model_loads_parameters_answer_and_a_signal_ends_it(world):
    endless = world.folder / "endless.jsonl"
    os.mkfifo(endless)  # reading it waits for a writer
    process = world.start("perception_node", parameters={"model": str(endless)})
    world.health("model", lambda s: s.message == f"loading {endless} on auto")
    assert not world.set_parameters(query="").successful
    assert world.set_parameters(query="blue tote").successful
    code = world.end(process)
    assert code == 0, world.log()
    assert "Traceback" not in world.log()


def test_a_query_set_while_the_model_loads_counts(world):
    recording = world.folder / "late.jsonl"
    os.mkfifo(recording)
    world.start("perception_node", parameters={"model": str(recording), "query": "person"})
    world.health("model", lambda s: s.message.startswith("loading "))
    assert world.set_parameters(query="blue tote").successful
    recording.write_text(json.dumps(TOTE[0]) + "\n")
    world.health("model", lambda s: values(s).get("query") == "blue tote")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--help"], 0, "ros2 run lfmvl_ros perception_node"),
        (["model:=/nowhere"], 2, "/nowhere"),
        (["query:=''"], 2, "the query is empty"),
        (["tracker.max_coast_s:=99.0"], 2, "tracker.max_coast_s"),
        (["device:=quantum", "model:=bundled"], 2, "quantum"),
    ],
    ids=["help", "model", "query", "range", "device"],
)
def test_what_cannot_start_says_why(ros, arguments, code, says):
    words = arguments
    if code:
        words = ["--ros-args", *(word for each in arguments for word in ("-p", each))]
    done = subprocess.run(
        [sys.executable, "-m", "lfmvl_ros.ros.perception_node", *words],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    told = done.stdout + done.stderr
    assert done.returncode == code, told
    assert says in told
    assert "Traceback" not in told


BUNDLED = Path(__file__).parents[2] / "lfmvl_warehouse" / "checkpoint"


@pytest.mark.slow
@pytest.mark.skipif(not list(BUNDLED.glob("**/*.safetensors")), reason="no bundled checkpoint")
def test_the_bundled_checkpoint_answers(world):
    from lfmvl_warehouse.scenes import SceneVideo

    patient = {"generation.timeout_s": 120.0}  # of an answer, however busy the machine is
    world.start(
        "perception_node", parameters={"model": "bundled", "query": "person, forklift", **patient}
    )
    world.wait_active()
    grounding = world.listen(String, "grounding")
    detections = world.listen(Detection2DArray, "detections")
    pixels = SceneVideo(7, wh=(320, 240)).frame(60).pixels

    def message():
        return conversions.to_image(pixels, time.time_ns(), "lens")

    world.camera().send_until(lambda: not grounding.empty, message)
    document = grounding.next_json()
    assert document["status"] in ("ok", "empty", "repaired", "truncated"), document
    assert document["image_tokens"] > 0
    assert document["output_tokens"] > 0
    assert document["timing"]["decode_ms"] > 0
    if document["status"] != "truncated":
        assert len(detections.next().detections) == len(document["objects"])
