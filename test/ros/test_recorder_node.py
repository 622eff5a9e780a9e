# SPDX-License-Identifier: Apache-2.0
"""The recorder as a process: what it writes, and how it ends."""

import json
import re
import resource
import signal
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2D, Detection2DArray

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros import conversions, qos

from ..waiting import until


class Robot:
    """Publishes frames and the tracks of each, as a camera and a perception node would."""

    def __init__(self, world):
        node = world.node
        self._images = node.create_publisher(Image, "image_raw", qos.SENSOR)
        self._tracks = node.create_publisher(Detection2DArray, "tracks", qos.RESULTS)
        self._states = node.create_publisher(String, "track_states", qos.RESULTS)

    def send(self, encoding="rgb8", *, stamped=True):
        stamp_ns = time.time_ns() if stamped else 0
        image = conversions.to_image(np.zeros((48, 64, 3), np.uint8), stamp_ns, "lens")
        image.encoding = encoding
        self._images.publish(image)
        tracks = Detection2DArray(header=image.header, detections=[Detection2D(id="7")])
        self._tracks.publish(tracks)
        frame = Frame(np.zeros((48, 64, 3), np.uint8), stamp_ns, "lens")
        states = Tracks(stamp_ns, frame_id="lens", camera="", wh=frame.wh)
        self._states.publish(conversions.to_json(states.to_dict()))

    def send_until(self, holds, **options):
        """Send until this holds."""
        until(holds, doing=lambda: self.send(**options), every_s=0.05)


def recorded(world):
    """Return how many frames the progress bar shows."""
    return max(map(int, re.findall(r"(\d+) frames", world.log())), default=0)


def summary(world):
    """Return the JSON that a recorder printed last."""
    return json.loads(world.log().splitlines()[-1])


def test_it_records_for_as_long_as_it_was_told(world, tmp_path):
    out = tmp_path / "run"
    process = world.start("recorder_node", parameters={"out": str(out), "duration_s": 2.0})
    Robot(world).send_until(lambda: process.poll() is not None)  # it ends by itself
    assert process.ended() == 0, world.log()
    assert summary(world)["frames"] >= 1
    assert (out / "tracks.jsonl").read_text().count("\n") >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_recording_and_writes_it(world, tmp_path, number):
    out = tmp_path / "run"
    process = world.start("recorder_node", parameters={"out": str(out), "duration_s": 600.0})
    Robot(world).send_until(lambda: recorded(world) > 3)
    process.send_signal(number)
    process.send_signal(signal.SIGINT)
    assert process.ended() == 0, world.log()
    assert summary(world)["frames"] > 2
    assert (out / "tracks.jsonl").read_text().count("\n") > 2
    assert (out / "camera.mp4").stat().st_size > 0
    assert "Traceback" not in world.log()


def test_messages_without_a_stamp_are_counted(world, tmp_path):
    out = tmp_path / "run"
    process = world.start("recorder_node", parameters={"out": str(out), "duration_s": 600.0})
    Robot(world).send_until(
        lambda: all(f"{what} are left out" in world.log() for what in ("images", "tracks")),
        stamped=False,
    )
    assert world.end(process) == 0, world.log()
    found = summary(world)
    assert found["skipped"]["images"] >= 1
    assert found["skipped"]["tracks"] >= 1
    assert found["frames"] == 0
    assert found["track_latency_ms"]["p50"] is None
    assert "images are left out of the recording: they have no time stamp" in world.log()
    assert "no image came" not in world.log()
    assert not (out / "camera.mp4").exists()


def test_without_tracks_it_gives_up_and_names_the_topics(world):
    process = world.start("recorder_node", parameters={"start_timeout_s": 0.5})
    assert process.ended() == 1
    topic = f"{world.namespace}/tracks"
    assert f"no tracks within 0.5 s; nothing publishes {topic}: start the perception" in world.log()


def test_without_tracks_it_says_what_is_there(world):
    """Whoever has started both nodes is not asked whether they run."""
    images, tracks = f"{world.namespace}/image_raw", f"{world.namespace}/tracks"
    world.node.create_publisher(Detection2DArray, tracks, qos.RESULTS)
    process = world.start("recorder_node", parameters={"start_timeout_s": 3.0})
    assert process.ended() == 1
    assert f"a node publishes {tracks}, but no image came on {images}" in world.log()
    camera = world.camera()
    camera.start()
    process = world.start("recorder_node", parameters={"start_timeout_s": 6.0})
    assert process.ended() == 1
    camera.stop()
    assert "is not yet active: its model may still be loading; raise start_timeout" in world.log()
    assert "no tracks yet after 5 s" in world.log()


def test_images_that_can_not_be_read_are_left_out_and_told_once(world, tmp_path):
    out = tmp_path / "run"
    process = world.start("recorder_node", parameters={"out": str(out), "duration_s": 600.0})
    robot = Robot(world)
    robot.send_until(lambda: "images are left out" in world.log(), encoding="8UC7")
    frames = recorded(world)
    robot.send_until(lambda: recorded(world) > frames + 3, encoding="8UC7")
    assert world.end(process) == 0, world.log()
    assert world.log().count("images are left out of the recording") == 1


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"duration_s": -1.0}, "duration_s"),
        ({"out": "/proc/run"}, "out: '/proc/run' can't be made"),
    ],
)
def test_what_can_not_start_says_why(world, parameters, says):
    process = world.start("recorder_node", parameters=parameters)
    assert process.ended() == 2, world.log()
    assert says in world.log()
    assert "Traceback" not in world.log()


FOREIGN = [
    "", "{", "[]", "null", "7", '{"stamp": 3}', "[" * 100_000, '{"stamp": {"sec": "x"}}', "NaN",
    '{"timing": {"total_ms": NaN}}', '{"stamp": {"sec": 1e400}}', "1" * 5000, "\x00\u202e\ud83d",
]  # fmt: skip


def test_foreign_messages_are_counted_and_the_rest_is_kept(world, tmp_path):
    out = tmp_path / "run"
    process = world.start("recorder_node", parameters={"out": str(out), "duration_s": 600.0})
    robot = Robot(world)
    states = world.node.create_publisher(String, "track_states", qos.RESULTS)
    groundings = world.node.create_publisher(String, "grounding", qos.RESULTS)
    diagnostics = world.node.create_publisher(DiagnosticArray, "/diagnostics", qos.RESULTS)
    value = KeyValue(key="dropped.corrupt", value="many")
    skipped = ("track_states", "grounding", "diagnostics")

    def send():
        robot.send()
        for text in FOREIGN:
            states.publish(String(data=text.encode("utf-8", "replace").decode()))
            groundings.publish(String(data=text.encode("utf-8", "replace").decode()))
        diagnostics.publish(DiagnosticArray(status=[DiagnosticStatus(values=[value])]))

    until(
        lambda: all(f"{what} are left out" in world.log() for what in skipped),
        doing=send,
        every_s=0.05,
    )
    frames = recorded(world)
    robot.send_until(lambda: recorded(world) > frames + 30)  # the foreign ones are through by then
    assert world.end(process) == 0, world.log()
    document = summary(world)
    assert document["frames"] > 2
    assert set(document["skipped"]) == set(skipped)
    assert (out / "tracks.jsonl").read_text().count("\n") > 2
    assert world.log().count("track_states are left out of the recording") == 1
    assert "Traceback" not in world.log()


def test_a_full_disk_is_a_sentence_and_an_exit_code(world, tmp_path):
    out = tmp_path / "run"
    process = world.start("recorder_node", parameters={"out": str(out), "duration_s": 600.0})
    Robot(world).send_until(lambda: recorded(world) > 60)  # lines of 150 bytes
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (8192, 8192))  # its own log is shorter
    assert world.end(process) == 2, world.log()
    assert "the file would be larger than this system" in world.log()
    assert summary(world)["frames"] > 2
    assert "Traceback" not in world.log()
    for line in (out / "tracks.jsonl").read_text().splitlines():
        assert json.loads(line)["schema"] == "lfmvl/track_states/1"
