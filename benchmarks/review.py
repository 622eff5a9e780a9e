# SPDX-License-Identifier: Apache-2.0
"""How long a person's answer takes: from the button of the page to the event's topic.

    python benchmarks/review.py             # 40 answers to the page, 40 to the topic; half a minute
    python benchmarks/review.py --answers 5

A node with recorded replies finds objects in a zone; each is an event that is held
(docs/review.md). `lfmvl review` serves the page. Answers go, one after the other, to the page as
its button sends them (HTTP, then the database, then the topic `review_answers`), and straight to
that topic. Measured is the time until the event arrives on `events` in another process. The camera
runs at 20 Hz, VGA.

Last line: JSON, in ms.
"""

from __future__ import annotations

import argparse
import functools
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from needs import end, needed_packages, run_command

with needed_packages():
    import numpy as np
    import rclpy
    from measuring import machine, on_this_machine_alone, percentile
    from measuring_ros import ros
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import Image
    from std_msgs.msg import String

    from lfmvl_ros.core.review import ReviewAnswer, ReviewVerdict
    from lfmvl_ros.ros import conversions, qos

PATIENCE_S, CAMERA_S, TARGET_MS = 60.0, 0.05, 200
RULES = """
zones: {all: {image: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
rules: {seen: {when: enter, label: tote, zone: all, review: true, update_s: 3600}}
"""


def boxes(count: int) -> str:
    """Return a reply with as many objects, in a grid."""
    side = int(np.ceil(np.sqrt(count)))
    found = []
    for index in range(count):
        x, y = (index % side + 0.1) / side, (index // side + 0.1) / side
        box = [round(v, 3) for v in (x, y, x + 0.6 / side, y + 0.6 / side)]
        found.append({"label": "tote", "bbox": box})
    return json.dumps(found)


class Bench:
    """The node, its camera, the page, and who listens."""

    def __init__(self, folder: Path, count: int) -> None:
        (folder / "replies.jsonl").write_text(json.dumps({"text": boxes(count)}) + "\n")
        (folder / "rules.yaml").write_text(RULES)
        given = {
            "model": folder / "replies.jsonl", "rules_file": folder / "rules.yaml", "query": "tote",
            "review.timeout_s": 3600.0, "generation.max_new_tokens": 4096,
        }  # fmt: skip
        words = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
        node = ["lfmvl_ros.ros.perception_node", "--ros-args", "-r", "__ns:=/bench", *words]
        page = ["lfmvl_ros.cli.main", "review", "--out", str(folder / "review"), "--port", "0"]
        page += ["--topic", "/bench/review"]
        self.log = (folder / "log").open("w+")
        self.processes = [self._started(node, self.log), self._started(page, subprocess.PIPE)]
        output = self.processes[1].stdout
        assert output is not None
        address = re.search(r"http://([\d.]+:\d+)(/[\w-]+/)", output.readline().decode())
        if address is None:
            end("the page did not start; run `lfmvl review`")
        self.host, self.path = address[1], address[2]
        rclpy.init()
        self.node = rclpy.create_node("listener", namespace="bench")
        # Of its own: rclpy.spin_once begins anew each time, so on a busy machine with the timer.
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.waiting: list[str] = []
        self.arrived_s: list[float] = []
        create = self.node.create_subscription
        create(String, "review", self._on_review, qos.REVIEW)
        create(String, "events", self._on_event, qos.EVENTS)
        self.images = self.node.create_publisher(Image, "image_raw", qos.SENSOR)
        self.answers = self.node.create_publisher(String, "review_answers", qos.EVENTS)
        self.node.create_timer(CAMERA_S, self._show)
        self.pixels = np.full((120, 160, 3), 90, np.uint8)

    def _started(self, words: list[str], output: int | TextIO) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *words]
        return subprocess.Popen(command, stdout=output, stderr=self.log)

    def _show(self) -> None:
        self.images.publish(conversions.to_image(self.pixels, time.time_ns(), "lens", "rgb8"))

    def _on_review(self, message: String) -> None:
        document = json.loads(message.data)
        if document["state"] == "asked":
            self.waiting.append(document["id"])

    def _on_event(self, message: String) -> None:
        if json.loads(message.data)["state"] == "begin":
            self.arrived_s.append(time.monotonic())

    def until(self, wanted: Callable[[], bool]) -> None:
        """Listen until something holds."""
        limit_s = time.monotonic() + PATIENCE_S
        while not wanted():
            self.executor.spin_once(timeout_sec=0.02)
            if time.monotonic() > limit_s or any(p.poll() is not None for p in self.processes):
                self.log.seek(0)
                end(f"nothing came within {PATIENCE_S:g} s:\n{self.log.read()[-2000:]}")

    def _asked(self, method: str, path: str, body: str | None = None) -> str:
        """Return what the page says to a request."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        connection.request(method, f"{self.path}{path}", body)
        response = connection.getresponse()
        told = response.read().decode()
        connection.close()
        if response.status != http.HTTPStatus.OK:
            end(f"the page refused {path} ({response.status}): {told}")
        return told

    def pressed(self, item: str) -> None:
        """Answer yes as the page does."""
        self._asked("POST", "answer", answer(item))

    def is_shown(self, item: str) -> bool:
        """Return whether the page shows an item: it hears of them by itself."""
        return item in self._asked("GET", "items")

    def published(self, item: str) -> None:
        """Answer yes on the topic."""
        self.answers.publish(String(data=answer(item)))

    def measure(self, send: Callable[[str], None], count: int) -> list[float]:
        """Return how long each of some answers took, ms."""
        taken_ms = []
        for _ in range(count):
            self.until(lambda: bool(self.waiting))
            before, item = len(self.arrived_s), self.waiting.pop(0)
            self.until(functools.partial(self.is_shown, item))
            self.until(lambda: self.answers.get_subscription_count() > 0)
            began_s = time.monotonic()
            send(item)
            self.until(lambda before=before: len(self.arrived_s) > before)  # type: ignore[misc]
            taken_ms.append((self.arrived_s[-1] - began_s) * 1e3)
        return taken_ms

    def close(self) -> None:
        """End everything."""
        self.node.destroy_node()
        rclpy.shutdown()
        for process in self.processes:
            process.terminate()
            process.wait(20)
        self.log.close()


def answer(item: str) -> str:
    """Return a yes to an item."""
    return json.dumps(ReviewAnswer(item, ReviewVerdict.YES).to_dict())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=40, help="of each kind, 1 to 45")
    count = parser.parse_args().answers
    if not 1 <= count <= 45:
        end(f"--answers must be 1 to 45, got {count}")
    on_this_machine_alone(73)
    document: dict[str, object] = {"machine": machine(), **ros(), "answers": count}
    document["target_ms"] = TARGET_MS
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), 2 * count)
        try:
            bench.until(lambda: len(bench.waiting) >= 2 * count)
            for kind, send in (("page", bench.pressed), ("topic", bench.published)):
                taken = bench.measure(send, count)
                figures = {f"p{q}": percentile(taken, q) for q in (50, 95)}
                document[kind] = {**figures, "largest": round(max(taken), 2)}
                print(f"{kind}: {document[kind]}", file=sys.stderr)
        finally:
            bench.close()
    print(json.dumps(document))


if __name__ == "__main__":
    run_command(main)
