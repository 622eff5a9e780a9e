# SPDX-License-Identifier: Apache-2.0
"""The recorder and the perception node among processes that send nonsense, over real DDS."""

from __future__ import annotations

import os
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
    import yaml
    from faults_files import write_recording, write_rules
    from faults_messages import Messages, documents, good_image
    from faults_mutations import mutated
    from faults_targets import strict_json
    from faults_watch import Tally
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu
    from std_msgs.msg import String
    from tf2_msgs.msg import TFMessage
    from vision_msgs.msg import Detection2DArray, Detection3DArray

    from lfmvl_ros.core.config import PerceptionSettings, RecorderSettings
    from lfmvl_ros.ros import qos

MOST_GROWTH_MB = 300.0
_STARTING = threading.Lock()
_PERIOD_S, _PATIENCE_S = 0.004, 60.0
_STARTED_S, _LEAST_STARTS = 8.0, 3
Topics = dict[str, tuple[type, Any, Callable[[], Any]]]


def try_node(name: str, work: Path, keep: Path, seed: int, seconds: float) -> Tally:
    """Send nonsense to a node for a while; return what became of it."""
    work.mkdir(parents=True, exist_ok=True)
    tally = Tally(name)
    if name == "parameter files":
        _parameter_files(tally, work / "parameters", keep, seed, seconds)
        return tally
    with _STARTING:
        if not rclpy.ok():
            rclpy.init()
    if name == "recorder node":
        _recorder(tally, work / "recorder", seed, seconds)
    else:  # raw images, then compressed ones
        for part, compressed in enumerate((False, True)):
            _perception(tally, work / f"p{part}", seed + part, seconds / 2, compressed)
    if tally.failures:
        keep.mkdir(parents=True, exist_ok=True)
        for log in work.rglob("*.log"):
            (keep / f"{name.replace(' ', '_')}-{log.name}").write_bytes(log.read_bytes())
    return tally


class _Node:
    """A node under test, and one that sends to it."""

    def __init__(self, tally: Tally, folder: Path, module: str, words: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.tally, self._log = tally, folder / f"{folder.name}.log"
        space = f"/faults_{folder.name}"
        self.sender = rclpy.create_node("nonsense", namespace=space)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.sender)
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"lfmvl_ros.ros.{module}", "--ros-args", "-r",
                 f"__ns:={space}", *words],
                stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, "PYTHONFAULTHANDLER": "1"},
            )  # fmt: skip
        self._start_mb = 0.0

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

    def end(self) -> str:
        """End the process as Ctrl-C does; return what it printed on standard output."""
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
        log = self._log.read_text(errors="replace")
        if self.process.returncode != 0:
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


def _recorder(tally: Tally, folder: Path, seed: int, seconds: float) -> None:
    rng = Random(f"{seed}/recorder")
    made = Messages(rng, documents())
    words = ["-p", f"out:={folder / 'out'}", "-p", "duration_s:=600.0"]
    node = _Node(tally, folder, "recorder_node", words)
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
    started = _until(lambda: node.sender.count_subscribers("tracks") > 0)
    node.sample()
    node.send(topics, rng, seconds)
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


def _perception(tally: Tally, folder: Path, seed: int, seconds: float, compressed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_rules(folder)
    words = [
        "-p", f"model:={write_recording(folder / 'replies.jsonl')}", "-p", "query:=red tote",
        "-p", "spatial.source:=depth", "-p", "spatial.target_frame:=map", "-p",
        "ego_motion.source:=imu", "-p", f"rules_file:={folder / 'rules.yaml'}", "-p",
        f"compressed_input:={str(compressed).lower()}", "-p",
        f"spatial.compressed_depth:={str(compressed).lower()}",
    ]  # fmt: skip
    rng = Random(f"{seed}/perception/{compressed}")
    made = Messages(rng, documents())
    image = (CompressedImage, qos.SENSOR, made.compressed)
    depth = (CompressedImage, qos.SENSOR, made.compressed)
    node = _Node(tally, folder, "perception_node", words)
    topics: Topics = {
        "image_raw/compressed" if compressed else "image_raw": image
        if compressed
        else (Image, qos.SENSOR, made.image),
        "depth/image/compressedDepth" if compressed else "depth/image": depth
        if compressed
        else (Image, qos.SENSOR, made.depth),
        "camera_info": (CameraInfo, qos.SENSOR, made.camera_info),
        "depth/camera_info": (CameraInfo, qos.SENSOR, made.camera_info),
        "imu": (Imu, qos.RATES, made.imu),
        "/tf": (TFMessage, qos.TRANSFORMS, made.transforms),
        "/tf_static": (TFMessage, qos.STATIC_TRANSFORMS, made.transforms),
        "command": (String, qos.REQUESTS, lambda: made.text("command")),
        "review_answers": (String, qos.REQUESTS, lambda: made.text("review_answers")),
        "query": (String, qos.RESULTS, lambda: made.text("query")),
    }
    answers = _Answers(node)
    well = answers.come(compressed)
    node.sample()
    if not well:
        tally.failures.append("no answer came before the first nonsense")
    node.send(topics, rng, seconds)
    ask = node.sender.create_publisher(String, "query", qos.RESULTS)
    ask.publish(String(data="red tote"))
    if well and not answers.come(compressed):
        tally.failures.append("no answer about sound images came after the nonsense")
    tally.used += answers.count
    node.sample()
    node.end()


def _parameter_files(tally: Tally, folder: Path, keep: Path, seed: int, seconds: float) -> None:
    """Start a node with a damaged parameter file: it says what is wrong, or works."""
    folder.mkdir(parents=True, exist_ok=True)
    model = str(write_recording(folder / "replies.jsonl"))
    settings = {
        "perception_node": PerceptionSettings().updated({"model": model, "query": "red tote"}),
        "recorder_node": RecorderSettings().updated({"out": str(folder / "out")}),
    }
    rng, end_s = Random(f"{seed}/parameters"), time.monotonic() + seconds
    while time.monotonic() < end_s or tally.cases < _LEAST_STARTS:
        module = rng.choice(list(settings))
        text = yaml.safe_dump({"/**": {"ros__parameters": settings[module].flat()}})
        content, how = mutated(text.encode(), ".yaml", rng)
        file = folder / "params.yaml"
        file.write_bytes(content)
        tally.cases += 1
        problem = _started_with(module, file, tally)
        if problem:
            keep.mkdir(parents=True, exist_ok=True)
            kept = keep / f"parameters-{tally.cases}.yaml"
            kept.write_bytes(content)
            tally.failures.append(f"{module}: {how}: {problem} [{kept}]")


def _started_with(module: str, file: Path, tally: Tally) -> str:
    """Start a node with a parameter file, end it if it works; return what is wrong."""
    begun_s = time.monotonic()
    start = f"from lfmvl_ros.ros.start import {module}; {module}()"  # as the entry point does
    words = ["--ros-args", "--params-file", str(file)]
    if module == "recorder_node":
        words += ["-p", "start_timeout_s:=1.0"]
    process = subprocess.Popen(
        [sys.executable, "-c", start, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace",
    )  # fmt: skip
    try:
        told, _ = process.communicate(timeout=_STARTED_S)
    except subprocess.TimeoutExpired:
        tally.used += 1
        process.send_signal(signal.SIGINT)
        try:
            told, _ = process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return "it did not end within a minute of SIGINT"
    tally.slowest_s = max(tally.slowest_s, time.monotonic() - begun_s)
    if "Traceback" in told:
        return f"a traceback: {told[told.index('Traceback') :][-700:]}"
    if process.returncode not in (0, 1, 2):
        return f"exit code {process.returncode}: {told[-300:]}"
    return "" if told.strip() or process.returncode == 0 else "it ended without a word"


class _Answers:
    """Asks about sound images, and hears whether the node answers."""

    def __init__(self, node: _Node) -> None:
        self.count, self._newest_ns, self._node = 0, 0, node
        node.sender.create_subscription(String, "grounding", self._on_grounding, qos.RESULTS)

    def _on_grounding(self, message: String) -> None:
        document: Any = strict_json(message.data)
        self.count += 1
        if document["status"] == "ok":
            stamp = document["stamp"]
            self._newest_ns = stamp["sec"] * 10**9 + stamp["nanosec"]

    def come(self, compressed: bool) -> bool:
        """Return whether an answer about a sound image comes within a minute."""
        from lfmvl_ros.core.encoded_images import encode_jpeg

        kind, topic = (CompressedImage, "image_raw/compressed") if compressed else (
            Image, "image_raw")  # fmt: skip
        publisher = self._node.sender.create_publisher(kind, topic, qos.SENSOR)
        begun_ns, number = time.time_ns(), 0

        def one() -> bool:
            nonlocal number
            number += 1
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

        return _until(one)


def _until(come: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end_s:
        if come():
            return True
        time.sleep(0.02)
    return False
