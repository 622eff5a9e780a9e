# SPDX-License-Identifier: Apache-2.0
"""What the perception node adds to the model: time from camera stamp to `tracks`, CPU, memory.

    python benchmarks/node_overhead.py [--frames 10000] [--quick] [--profile shipped]

Three processes, as on a robot: a camera publishes VGA images of a synthetic warehouse at 30 Hz
(drawn beforehand, so that drawing costs nothing); the node tracks in them; this process listens to
`tracks`. All of them use the DDS profile of this package, or none (``--profile none``).

The model is the replay backend: it answers every 250 ms with what is true in the frame it was asked
about, so answers are as late, and tracks as many and as moving, as with a quick model. Latency runs
from the camera's stamp, taken before the message is filled, to the listener's callback, so it holds
both ways over DDS. The listener waits for `tracks` as the node does for images, without an
executor. CPU (percent of one core) and resident memory are the node's. Five seconds of warm-up are
not counted. Memory: the median of the last tenth of the samples against that of the second tenth.
Where a frame has no `tracks`, the node's own diagnostics say why (``dropped``: lost on the way,
replaced in the queue, superseded), and ``sent_close`` how many frames the camera itself, held up by
the machine, sent within half a period of the one before. Takes six minutes, with --quick one. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measuring_ros
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from measuring import Bar, cpu_s, machine, on_this_machine_alone, percentile, rss_mb
from needs import end, run_command
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import String
from tqdm import tqdm
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.ros import qos
from lfmvl_ros.ros.conversions import to_image
from lfmvl_ros.ros.streams import StreamReader
from lfmvl_warehouse.scenes import SceneVideo

RATE_HZ, ANSWER_S = 30.0, 0.25
PERIOD_NS = round(1e9 / RATE_HZ)
WARM_UP = 150
WH = (640, 480)
QUERY = ("person", "forklift", "crate", "traffic cone")
LEAST_VISIBLE = 0.4
PATIENCE_S = 60.0  # in which the node must have started
DROPS = ("lost_on_the_way", "replaced_in_queue", "dropped.superseded")  # keys of its diagnostics


class Loop:
    """A stretch of video, played to and fro so that nothing jumps."""

    def __init__(self, length: int) -> None:
        self._there_and_back = [*range(length), *range(length - 2, 0, -1)]
        self._length = length

    def __call__(self, index: int) -> int:
        """The image that is shown as frame ``index``."""
        return self._there_and_back[index % len(self._there_and_back)]


# -- the camera ------------------------------------------------------------------------------------


def camera(images: Path, start_ns: int, frames: int, record: Path) -> None:
    """Publish frames once the node listens, on their due times; one that is overdue is skipped.

    It ends at SIGINT, when enough of them were heard, or after so many frames.

    ``start_ns`` is when the video began: frame ``i`` belongs to ``start_ns + i * PERIOD_NS``. The
    stamps of the images that were sent are written to ``record``.
    """
    enough: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: enough.append(number))
    pixels = np.load(images, mmap_mode="r")
    shown = Loop(len(pixels))
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("camera")
    publisher = node.create_publisher(Image, "image_raw", qos.SENSOR)
    while publisher.get_subscription_count() == 0:
        if time.time_ns() > start_ns + PATIENCE_S * 1e9:
            raise SystemExit("the node does not subscribe")
        time.sleep(0.05)
    sent_ns: list[int] = []
    first = (time.time_ns() - start_ns) // PERIOD_NS + 1
    for index in range(first, first + frames):
        if enough:
            break
        ahead_ns = start_ns + index * PERIOD_NS - time.time_ns()
        if ahead_ns < -PERIOD_NS:
            continue
        time.sleep(max(0, ahead_ns) / 1e9)
        stamp_ns = time.time_ns()
        publisher.publish(to_image(pixels[shown(index)], stamp_ns, "camera"))
        sent_ns.append(stamp_ns)
    record.write_text(json.dumps(sent_ns))
    time.sleep(0.5)  # the last one is on its way
    node.destroy_node()
    rclpy.shutdown()


def draw(length: int, folder: Path) -> tuple[Path, list[str]]:
    """Draw the images into a file; return it, and for each image the text of its answer."""
    video = SceneVideo(7, wh=WH, fps=RATE_HZ)
    images, answers = np.empty((length, WH[1], WH[0], 3), np.uint8), []
    for index in tqdm(range(length), desc="drawing", unit="frames", disable=None):
        scene = video.frame(index)
        images[index] = scene.pixels
        boxes = [
            {
                "label": item.kind,
                "bbox": [round(v, 3) for v in (item.visible_xyxy_px / (WH * 2)).tolist()],
            }
            for item in scene.objects
            if item.kind in QUERY and item.visibility >= LEAST_VISIBLE
        ]
        answers.append(json.dumps(boxes))
    np.save(folder / "images.npy", images)
    return folder / "images.npy", answers


# -- the listener ----------------------------------------------------------------------------------


class Listener:
    """What the node publishes, and what its process uses meanwhile."""

    def __init__(self, pid: int, frames: int) -> None:
        self._pid, self._frames = pid, frames
        self.counted_ns = 0  # stamp from which on frames are counted, once known
        self.stamps_ns: set[int] = set()
        self._began: tuple[float, float] | None = None
        self.late_ms: list[float] = []
        self.tracks: list[int] = []
        self.answers = 0
        self.memory_mb: list[float] = []
        self.core_percent: float | None = None
        self.drops: list[dict[str, int]] = []  # in each report about the camera
        self.node = rclpy.create_node("listener")
        self._tracks = StreamReader(self.node)  # an executor of rclpy would add its own millisecond
        self._tracks.subscribe(Detection2DArray, "tracks", self._on_tracks, qos.RESULTS)
        self.node.create_subscription(String, "grounding", self._on_grounding, qos.RESULTS)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_health, 10)
        self.node.create_timer(1.0, self._sample)

    def _on_tracks(self, message: Detection2DArray, _info: dict[str, int]) -> None:
        now_ns, stamp = time.time_ns(), message.header.stamp
        stamp_ns = stamp.sec * 10**9 + stamp.nanosec
        self.counted_ns = self.counted_ns or stamp_ns + WARM_UP * PERIOD_NS
        if self.counted_ns <= stamp_ns < self.counted_ns + self._frames * PERIOD_NS:
            self.stamps_ns.add(stamp_ns)
            self.late_ms.append((now_ns - stamp_ns) / 1e6)
            self.tracks.append(len(message.detections))

    def _on_grounding(self, message: String) -> None:
        self.answers += bool(self.late_ms) and json.loads(message.data)["status"] == "ok"

    def _on_health(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if self.late_ms and DROPS[0] in values:
                self.drops.append({key: int(values[key]) for key in DROPS})

    def dropped(self) -> dict[str, int]:
        """Return the frames that the node says it did not see, by reason, while it was counted."""
        if not self.drops:
            return {}
        return {key: self.drops[-1][key] - self.drops[0][key] for key in DROPS}

    def close(self) -> None:
        """Listen no more."""
        self._tracks.close()
        self.node.destroy_node()

    def _sample(self) -> None:
        if not self.late_ms:
            return
        used = (cpu_s(self._pid), time.monotonic())
        if self._began is None:
            self._began = used
        else:
            used_s, passed_s = np.subtract(used, self._began)
            self.core_percent = round(100 * float(used_s / passed_s), 1)
        self.memory_mb.append(rss_mb(self._pid))


def memory(samples: list[float]) -> dict[str, object]:
    """Return resident memory early and late, and how they differ."""
    tenth = len(samples) // 10
    if tenth < 1:
        return {"memory_mb": samples[-1:], "memory_growth_percent": None}
    early, late = np.median(samples[tenth : 2 * tenth]), np.median(samples[-tenth:])
    return {
        "memory_mb": [round(float(early), 1), round(float(late), 1)],
        "memory_peak_mb": round(max(samples), 1),
        "memory_growth_percent": round(100 * float(late / early - 1), 2),
    }


# -- the measurement -------------------------------------------------------------------------------


def start_node(recording: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start the node, playing a recording."""
    words = ["-p", f"model:={recording}", "-p", f"query:='{', '.join(QUERY)}'"]
    command = [sys.executable, "-m", "lfmvl_ros.ros.perception_node", "--ros-args", *words]
    with log.open("w") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def measure(frames: int, folder: Path) -> dict[str, object]:
    """Run the three processes; return the figures."""
    images, answers = draw(min(frames, 300), folder)
    total, shown = WARM_UP + frames, Loop(len(answers))
    start_ns = time.time_ns()
    recording = folder / "replies.jsonl"
    with recording.open("w") as file:
        for index in range(total + round(2 * PATIENCE_S * RATE_HZ)):
            stamp_ns = start_ns + index * PERIOD_NS
            line = {"text": answers[shown(index)], "delay_s": ANSWER_S, "stamp_ns": stamp_ns}
            file.write(json.dumps(line) + "\n")
    node = start_node(recording, folder / "node.log")
    record = folder / "sent.json"
    most = total + round(PATIENCE_S * RATE_HZ)  # on a busy machine the first ones find nobody yet
    words = [str(images), str(start_ns), str(most), str(record)]
    source = subprocess.Popen([sys.executable, __file__, "--camera", *words])
    rclpy.init(args=[])
    listener = Listener(node.pid, frames)
    try:
        listen(listener, source, node, frames)
    finally:
        for process in (source, node):
            process.send_signal(signal.SIGINT)
            process.wait(30)
        listener.close()
        rclpy.shutdown()
    if not listener.late_ms:
        raise SystemExit(f"no tracks came; the node says:\n{(folder / 'node.log').read_text()}")
    end_ns = listener.counted_ns + frames * PERIOD_NS
    sent_ns = {s for s in json.loads(record.read_text()) if listener.counted_ns <= s < end_ns}
    apart_ns = np.diff(sorted(sent_ns))
    return {
        "frames": frames,
        "sent": len(sent_ns),
        "without_tracks": len(sent_ns - listener.stamps_ns),
        "dropped": listener.dropped(),
        "sent_close": int((apart_ns < PERIOD_NS / 2).sum()),
        "tracks_messages": len(listener.late_ms),
        "answers": listener.answers,
        "tracks_in_a_frame": round(float(np.mean(listener.tracks)), 1),
        "latency_p50_ms": percentile(listener.late_ms, 50),
        "latency_p95_ms": percentile(listener.late_ms, 95),
        "latency_max_ms": percentile(listener.late_ms, 100),
        "core_percent": listener.core_percent,
        **memory(listener.memory_mb),
    }


def listen(
    listener: Listener,
    source: subprocess.Popen[bytes],
    node: subprocess.Popen[bytes],
    frames: int,
) -> None:
    """Spin until the last frame that counts, or the camera, is past by a second."""
    executor = SingleThreadedExecutor()
    executor.add_node(listener.node)
    end_s = None
    with tqdm(total=frames, desc="listening", unit="frames", disable=None) as progress:
        while end_s is None or time.monotonic() < end_s:
            executor.spin_once(timeout_sec=0.1)
            if len(listener.late_ms) - progress.n >= 30:
                progress.update(len(listener.late_ms) - progress.n)
            if node.poll() is not None:
                break
            last_ns = listener.counted_ns + frames * PERIOD_NS
            past = listener.late_ms and time.time_ns() > last_ns
            if end_s is None and (past or source.poll() is not None):
                end_s = time.monotonic() + 1.0
        progress.update(len(listener.late_ms) - progress.n)
    executor.shutdown()


def bars(figures: dict[str, object]) -> list[Bar]:
    """Return the figures with what they have to be."""
    long = figures["frames"] >= 10_000  # memory settles slowly: a short run tells nothing
    growth = figures["memory_growth_percent"]
    return [
        Bar(f"of {figures['sent']} frames without tracks", figures["without_tracks"], high=1),
        Bar("latency p50", figures["latency_p50_ms"], "ms", high=8.0),
        Bar("latency p95", figures["latency_p95_ms"], "ms", high=20.0),
        Bar("of a core", figures["core_percent"], "%", high=35.0),
        *([Bar("growth of memory", growth, "%", high=2.0)] if long else []),
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=10_000, help="10000 take 333 s (default)")
    parser.add_argument("--quick", action="store_true", help="900 frames, 30 s")
    parser.add_argument("--profile", default="shipped", help="shipped (default), none or a file")
    parser.add_argument("--camera", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def use_profile(profile: str) -> None:
    """Have this process and those that it starts load a DDS profile."""
    if profile not in ("none", "shipped") and not Path(profile).is_file():
        end(f"--profile is shipped, none or a file; got {profile!r}")
    environment = measuring_ros.environment(profile)
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def main() -> None:
    wanted = parse_arguments()
    on_this_machine_alone(domain=73)
    if wanted.camera:
        images, start_ns, frames, record = wanted.camera
        camera(Path(images), int(start_ns), int(frames), Path(record))
        return
    use_profile(wanted.profile)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    document: dict[str, object] = {
        **measuring_ros.ros(), "profile": wanted.profile, "rate_hz": RATE_HZ, "answer_s": ANSWER_S,
        **machine(),
    }  # fmt: skip
    print(f"ROS 2 {document['ros_distribution']}, {document['rmw']}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as name:
        document |= measure(900 if wanted.quick else wanted.frames, Path(name))
    for bar in bars(document):
        print(bar, file=sys.stderr)
    document["within_bars"] = all(bar.kept for bar in bars(document))
    print(json.dumps(document))


if __name__ == "__main__":
    run_command(main)
