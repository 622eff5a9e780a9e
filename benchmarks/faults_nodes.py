# SPDX-License-Identifier: Apache-2.0
"""The recorder and the perception node among processes that send nonsense, over real DDS."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from measuring import on_this_machine_alone, rss_mb
from needs import needed_packages

on_this_machine_alone(73)
with needed_packages():
    import rclpy
    from faults_case import strict_json
    from faults_files import write_recording, write_rules
    from faults_messages import Messages, documents, good_image
    from faults_time import Share, left_behind, marked
    from faults_watch import Tally
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu
    from std_msgs.msg import String
    from tf2_msgs.msg import TFMessage
    from vision_msgs.msg import Detection2DArray, Detection3DArray

    from lfmvl_ros.ros import qos

MOST_GROWTH_MB = 300.0
_STARTING = threading.Lock()
_PERIOD_S, _PATIENCE_S = 0.004, 60.0
Topics = dict[str, tuple[type, Any, Callable[[], Any]]]


def begin() -> None:
    """Start the ROS of this process, once."""
    with _STARTING:
        if not rclpy.ok():
            rclpy.init()


def try_node(name: str, work: Path, keep: Path, seed: int, share: Share) -> Tally:
    """Send nonsense to a node for a while; return what became of it."""
    work.mkdir(parents=True, exist_ok=True)
    tally = Tally(name)
    begin()
    if name == "recorder node":
        _recorder(tally, work / "recorder", seed, share)
    else:  # raw images, then compressed ones
        for part, compressed in enumerate((False, True)):
            half = share.part(2 - part)
            _perception(tally, work / f"p{part}", seed + part, half, compressed)
    if tally.failures:
        keep.mkdir(parents=True, exist_ok=True)
        for log in work.rglob("*.log"):
            (keep / f"{name.replace(' ', '_')}-{log.name}").write_bytes(log.read_bytes())
    return tally


class Node:
    """A node under test, and one that sends to it."""

    def __init__(self, tally: Tally, folder: Path, module: str, words: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self.tally, self._log = folder, tally, folder / f"{folder.name}.log"
        space = f"/faults_{folder.name}"
        self.sender = rclpy.create_node("nonsense", namespace=space)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.sender)
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"lfmvl_ros.ros.{module}", "--ros-args", "-r",
                 f"__ns:={space}", *words],
                stdout=subprocess.PIPE, stderr=log, text=True,
                env=marked(folder),
            )  # fmt: skip
        self._start_mb = 0.0

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def send(self, topics: Topics, rng: Random, seconds: float) -> None:
        """Publish on topics by chance, and watch the process."""
        publishers = {
            topic: self.sender.create_publisher(kind, topic, profile)
            for topic, (kind, profile, _) in topics.items()
        }
        names, end_s = list(topics), time.monotonic() + seconds
        while time.monotonic() < end_s and self.process.poll() is None:
            topic = rng.choice(names)
            publishers[topic].publish(topics[topic][2]())
            self.tally.cases += 1
            if self.tally.cases % 50 == 0:
                self.sample()
            self.spin(_PERIOD_S)

    def spin(self, seconds: float) -> None:
        """Take a message that has come, or wait so long for one."""
        self._executor.spin_once(timeout_sec=seconds)

    def sample(self) -> None:
        """Note the memory of the process."""
        if self.process.poll() is None:
            here_mb = rss_mb(self.process.pid)
            self._start_mb = self._start_mb or here_mb
            self.tally.start_mb = self.tally.start_mb or here_mb
            grown = here_mb - self._start_mb
            self.tally.most_mb = max(self.tally.most_mb, self.tally.start_mb + grown)

    def kill(self) -> None:
        """End the process without a judgement: the time is over."""
        self._executor.shutdown()
        self.sender.destroy_node()
        self.process.kill()
        self.process.communicate()
        left_behind(self._folder)

    def end(self, code: int = 0) -> str:
        """End the process as Ctrl-C does; return what it printed on standard output.

        Args:
            code: that it must end with.
        """
        self._executor.shutdown()
        self.sender.destroy_node()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            told, _ = self.process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            told, _ = self.process.communicate()
            self.tally.failures.append("it did not end within a minute of SIGINT")
        if left := left_behind(self._folder):
            self.tally.failures.append(f"processes were left behind: {left[:5]}")
        log = self.log
        if self.process.returncode != code:
            self.tally.failures.append(f"exit code {self.process.returncode}: {log[-300:]}")
        if "Traceback" in log:
            place = log.index("Traceback")
            self.tally.failures.append(f"a traceback: {log[place : place + 1500]}")
        if "\x1b[2J" in log or "\u202e" in log:
            self.tally.failures.append("control characters of a message are in the log")
        grown = self.tally.most_mb - self.tally.start_mb
        if grown > MOST_GROWTH_MB:
            self.tally.failures.append(f"memory grew by {grown:.0f} MB")
        return told


def _recorder(tally: Tally, folder: Path, seed: int, share: Share) -> None:
    rng = Random(f"{seed}/recorder")
    made = Messages(rng, documents())
    words = ["-p", f"out:={folder / 'out'}", "-p", "duration_s:=600.0"]
    node = Node(tally, folder, "recorder_node", words)
    topics: Topics = {
        "image_raw": (Image, qos.SENSOR, made.image),
        "tracks": (Detection2DArray, qos.RESULTS, made.detections),
        "truth": (Detection2DArray, qos.RESULTS, made.detections),
        "tracks_3d": (Detection3DArray, qos.RESULTS, made.solids),
        "truth_3d": (Detection3DArray, qos.RESULTS, made.solids),
        "track_states": (String, qos.RESULTS, lambda: made.text("track_states")),
        "grounding": (String, qos.RESULTS, lambda: made.text("grounding")),
        "camera_info": (CameraInfo, qos.SENSOR, made.camera_info),
        "/tf": (TFMessage, qos.TRANSFORMS, made.transforms),
        "/tf_static": (TFMessage, qos.STATIC_TRANSFORMS, made.transforms),
    }
    started = until(lambda: node.sender.count_subscribers("tracks") > 0, share.patience_s)
    if not started and share.is_over:
        tally.cut += 1
        node.kill()
        return
    node.sample()
    node.send(topics, rng, share.begun().left_s)
    told = node.end()
    lines = told.strip().splitlines()
    if not started or not lines:
        tally.failures.append("it has printed no summary")
        return
    try:
        tally.used = int(strict_json(lines[-1])["frames"])  # type: ignore[index]
        for name in ("tracks.jsonl", "grounding.jsonl"):
            for line in (folder / "out" / name).read_text().splitlines():
                strict_json(line)
    except (ValueError, KeyError, OSError) as error:
        tally.failures.append(f"what it has written can't be read: {error!r}")


def _perception(tally: Tally, folder: Path, seed: int, share: Share, compressed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_rules(folder)
    rng = Random(f"{seed}/perception/{compressed}")
    made = Messages(rng, documents())
    node = Node(tally, folder, "perception_node", _perception_words(folder, compressed))
    topics = _perception_topics(made, compressed)
    answers = Answers(node)
    well = answers.come(compressed, share.patience_s)
    if not well and share.is_over:
        tally.cut += 1
        node.kill()
        return
    node.sample()
    if not well:
        tally.failures.append("no answer came before the first nonsense")
    share = share.begun()
    node.send(topics, rng, share.left_s)
    ask = node.sender.create_publisher(String, "query", qos.RESULTS)
    ask.publish(String(data="red tote"))
    if well and not answers.come(compressed, share.patience_s):
        tally.failures.append("no answer about sound images came after the nonsense")
    tally.used += answers.count
    node.sample()
    node.end()


def _perception_words(folder: Path, compressed: bool) -> list[str]:
    """The parameters of a node that subscribes to all that it can."""
    return [
        "-p", f"model:={write_recording(folder / 'replies.jsonl')}", "-p", "query:=red tote",
        "-p", "spatial.source:=depth", "-p", "spatial.target_frame:=map", "-p",
        "ego_motion.source:=imu", "-p", f"rules_file:={folder / 'rules.yaml'}", "-p",
        f"compressed_input:={str(compressed).lower()}", "-p",
        f"spatial.compressed_depth:={str(compressed).lower()}",
    ]  # fmt: skip


def _perception_topics(made: Messages, compressed: bool) -> Topics:
    """Every topic that the perception node subscribes to, with what is sent on it."""
    squeezed = (CompressedImage, qos.SENSOR, made.compressed)
    images: Topics = (
        {"image_raw/compressed": squeezed, "depth/image/compressedDepth": squeezed}
        if compressed
        else {
            "image_raw": (Image, qos.SENSOR, made.image),
            "depth/image": (Image, qos.SENSOR, made.depth),
        }
    )
    return {
        **images,
        "camera_info": (CameraInfo, qos.SENSOR, made.camera_info),
        "depth/camera_info": (CameraInfo, qos.SENSOR, made.camera_info),
        "imu": (Imu, qos.RATES, made.imu),
        "/tf": (TFMessage, qos.TRANSFORMS, made.transforms),
        "/tf_static": (TFMessage, qos.STATIC_TRANSFORMS, made.transforms),
        "command": (String, qos.REQUESTS, lambda: made.text("command")),
        "review_answers": (String, qos.REQUESTS, lambda: made.text("review_answers")),
        "query": (String, qos.RESULTS, lambda: made.text("query")),
    }


class Answers:
    """Asks about sound images, and hears whether the node answers.

    Args:
        node: to be asked.
        status: that an answer must have; "" for any.
    """

    def __init__(self, node: Node, status: str = "ok") -> None:
        self._status = status
        self.count, self._newest_ns, self._node = 0, 0, node
        node.sender.create_subscription(String, "grounding", self._on_grounding, qos.RESULTS)

    def _on_grounding(self, message: String) -> None:
        document: Any = strict_json(message.data)
        self.count += 1
        if self._status in ("", document["status"]):
            stamp = document["stamp"]
            self._newest_ns = stamp["sec"] * 10**9 + stamp["nanosec"]

    def come(self, compressed: bool = False, patience_s: float = _PATIENCE_S) -> bool:
        """Return whether an answer about a sound image comes in time, before the node ends."""
        from lfmvl_ros.core.encoded_images import encode_jpeg

        kind, topic = (CompressedImage, "image_raw/compressed") if compressed else (
            Image, "image_raw")  # fmt: skip
        publisher = self._node.sender.create_publisher(kind, topic, qos.SENSOR)
        begun_ns, number = time.time_ns(), 0

        def one() -> bool:
            nonlocal number
            number += 1
            if self._node.process.poll() is not None:
                raise ChildProcessError
            message = good_image(number)
            if compressed:
                from faults_files import pixels

                message = CompressedImage(
                    header=message.header, format="jpeg", data=encode_jpeg(pixels(number % 20))
                )
            publisher.publish(message)
            self._node.spin(0.1)
            # A stamp from the far future was the newest until time restarted.
            return begun_ns <= self._newest_ns <= time.time_ns()

        try:
            return until(one, patience_s)
        except ChildProcessError:  # it has ended, and says why in its log
            return False


def until(come: Callable[[], bool], patience_s: float = _PATIENCE_S) -> bool:
    """Return whether something comes in time."""
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        if come():
            return True
        time.sleep(0.02)
    return False
