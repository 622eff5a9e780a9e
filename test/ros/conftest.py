# SPDX-License-Identifier: Apache-2.0
"""Processes under test, and a node that listens and asks as any other node would, over real DDS."""

import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.transport import fast_dds, middleware

from ..domains import next_domain
from ..schemas import check
from ..shared_memory import remove_left_segments
from ..waiting import PATIENCE_S, until

_COUNTER = itertools.count(os.getpid())
TRANSITIONS = {"configure": 1, "cleanup": 2, "activate": 3, "deactivate": 4}


@pytest.fixture
def ros(monkeypatch):
    """A context on a domain of its own that nobody outside this machine hears."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", next_domain())
    free_bytes = fast_dds.free_shared_memory()
    profile = middleware.choose_profile("auto", os.environ, processes=8, free_bytes=free_bytes)
    for name, value in profile.variables.items():
        monkeypatch.setenv(name, value)
    context = Context()
    rclpy.init(context=context)
    yield context
    if context.ok():
        rclpy.shutdown(context=context)
    remove_left_segments()


class Inbox:
    """What came on a topic."""

    def __init__(self, topic):
        self.topic = topic
        self._waiting = queue.Queue()

    def __call__(self, message):
        self._waiting.put(message)

    @property
    def empty(self):
        return self._waiting.empty()

    def clear(self):
        while not self._waiting.empty():
            self._waiting.get_nowait()

    def next(self, wanted=lambda _: True, timeout_s=PATIENCE_S):
        """Return the first message that is wanted; skips the others."""
        deadline_s, skipped = time.monotonic() + timeout_s, 0
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                message = self._waiting.get(timeout=left_s)
            except queue.Empty:
                break
            if wanted(message):
                return message
            skipped += 1
            last = message
        told = f"; {skipped} others came, the last: {last}" if skipped else "; none came"
        raise AssertionError(f"nothing wanted on {self.topic} within {timeout_s:g} s{told}"[:2000])

    def next_json(self, wanted=lambda _: True, timeout_s=PATIENCE_S):
        """Return the first document that is wanted; every one that came must keep its schema."""
        message = self.next(lambda m: wanted(check(json.loads(m.data))), timeout_s)
        return json.loads(message.data)

    def taken(self):
        """Return all that has come, and forget it."""
        found = []
        while not self.empty:
            found.append(self._waiting.get_nowait())
        return found

    def is_silent(self, for_s, since_ns=0):
        """Tell whether nothing came for so long about frames taken since then.

        What is about earlier frames may still be under way, however long ago it was sent.
        """
        time.sleep(for_s)
        return not any(not since_ns or stamp_of(m) >= since_ns for m in self.taken())


def stamp_of(message):
    """Return the stamp of a message, or of the JSON document in it, ns."""
    if hasattr(message, "header"):
        return conversions.stamp_ns(message.header.stamp)
    stamp = json.loads(message.data)["stamp"]
    return stamp["sec"] * 10**9 + stamp["nanosec"]


def together(*inboxes):
    """Return one message of each inbox, the first ones that have one stamp.

    Some may have been lost on the way to one of them while the machine was busy.
    """
    by_stamp = [{} for _ in inboxes]

    def common():
        for inbox, known in zip(inboxes, by_stamp, strict=True):
            known.update((stamp_of(message), message) for message in inbox.taken())
        return set.intersection(*map(set, by_stamp))

    stamp_ns = min(until(common, told=lambda: [inbox.topic for inbox in inboxes]))
    return [known[stamp_ns] for known in by_stamp]


class Camera:
    """Publishes images, at a rate from a thread, or one by one; stamps tell them apart."""

    def __init__(self, node, topic, wh, kind):
        self.topic = topic
        self._publisher = node.create_publisher(kind, topic, qos.SENSOR)
        self._wh = wh
        self._stop = threading.Event()
        self._thread = None
        self.sent_ns = []

    def send(self, message=None, stamp_ns=None):
        if message is not None:
            stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        else:
            stamp_ns = time.time_ns() if stamp_ns is None else stamp_ns
            pixels = np.full((self._wh[1], self._wh[0], 3), len(self.sent_ns) % 256, np.uint8)
            pixels[:, : self._wh[0] // 2] ^= 64  # without contrast it would be warned about
            message = conversions.to_image(pixels, stamp_ns, "lens")
        self.sent_ns.append(stamp_ns)
        self._publisher.publish(message)

    def send_until(self, came, message=lambda: None):
        """Send again and again until ``came()``: the first ones find nobody connected yet."""
        return until(
            came,
            doing=lambda: self.send(message()),
            told=lambda: f"nothing took the images of {self.topic}",
            every_s=0.1,
        )

    def send_tracked(self, tracks, message=lambda: None):
        """Send an image, again if it gets lost, until its tracks come; return them.

        Then none is under way any more: images come in order or not at all.
        """
        for pause_s in (*[0.1] * 20, *[5.0] * 20):
            self.send(message())
            with contextlib.suppress(AssertionError):
                return tracks.next(lambda m: stamp_of(m) == self.sent_ns[-1], pause_s)
        raise AssertionError(f"nothing took the images of {self.topic}")

    def start(self, rate_hz=20.0):
        self._stop.clear()

        def run():
            while not self._stop.wait(1 / rate_hz):
                self.send()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


class Process(subprocess.Popen):
    """A process that says what its threads do when it does not end in time."""

    log = None

    def ended(self):
        """Wait for the end; return the exit code."""
        return self.wait(PATIENCE_S)

    def wait(self, timeout=None):
        try:
            return super().wait(timeout)
        except subprocess.TimeoutExpired:
            self.send_signal(signal.SIGABRT)  # of which faulthandler makes a traceback
            super().wait()
            told = self.log.read_text() if self.log else ""
            raise AssertionError(f"no end within {timeout} s: {self.args}\n{told}") from None


class World:
    """One test's processes and the node that watches them, in a namespace of their own."""

    def __init__(self, context, folder):
        self.namespace, self.folder = f"/t{next(_COUNTER)}", folder
        self.node = rclpy.create_node("watcher", context=context, namespace=self.namespace)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.processes, self.cameras, self._logs = [], [], []
        self._spinning = threading.Thread(target=self._spin, daemon=True)
        self._spinning.start()
        self.diagnostics = self.listen(DiagnosticArray, "/diagnostics")

    def _spin(self):
        with contextlib.suppress(ExternalShutdownException):
            self.executor.spin()

    def start(self, module, *, parameters=None, arguments=()):
        """Start a node as a process of its own."""
        words = ["--ros-args", "-r", f"__ns:={self.namespace}"]
        for name, value in (parameters or {}).items():
            words += ["-p", f"{name}:={json.dumps(value)}"]
        command = [sys.executable, "-m", f"lfmvl_ros.ros.{module}", *words, *arguments]
        self._logs.append(self.folder / f"{module}{len(self.processes)}.log")
        environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
        with self._logs[-1].open("w") as log:
            process = Process(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
            process.log = self._logs[-1]
        self.processes.append(process)
        return process

    def perception(self, replies, *, wait=True, arguments=(), **parameters):
        """Start a perception node that plays these replies."""
        recording = self.recording("replies", replies)
        names = {name.replace("__", "."): value for name, value in parameters.items()}
        # A track does not end where the camera of a test is held up for seconds.
        parameters = {"model": str(recording), "tracker.max_coast_s": 30.0, **names}
        process = self.start("perception_node", parameters=parameters, arguments=arguments)
        if wait:
            self.wait_active()
        return process

    def recording(self, name, replies):
        """Write a model that plays these replies."""
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(reply) + "\n" for reply in replies))
        return path

    def images(self):
        """Write a folder of images, for a camera node that starts at once on any machine."""
        folder = self.folder / "images"
        folder.mkdir(exist_ok=True)
        for number in range(3):
            pixels = np.full((48, 64, 3), 80 * number, np.uint8)
            cv2.imwrite(str(folder / f"{number}.png"), pixels)
        return str(folder)

    def wait_active(self):
        self.health("model", lambda status: "query" in values(status))

    def until_logged(self, text, times=1):
        """Wait until the processes have logged this so many times."""
        until(
            lambda: self.log().count(text) >= times,
            told=lambda: f"{text!r} is not in: {self.log()}",
        )

    def log(self):
        return "".join(log.read_text() for log in self._logs)

    def camera(self, topic="image_raw", wh=(64, 48), kind=Image):
        self.cameras.append(Camera(self.node, topic, wh, kind))
        return self.cameras[-1]

    def connected_camera(self, message=lambda: None, **options):
        """Return a camera whose images arrive, and the camera's counters by then."""
        camera, tracks = self.camera(**options), self.listen(Detection2DArray, "tracks")
        camera.send_tracked(tracks, message)
        return camera, values(self.health_now("camera"))

    def listen(self, kind, topic, profile=qos.RESULTS):
        inbox = Inbox(topic)
        deep = qos.own(profile)
        deep.depth = max(deep.depth, 1000)  # this process may stand still for seconds
        self.node.create_subscription(kind, topic, inbox, deep)
        return inbox

    def health(self, part, wanted=lambda _: True, timeout_s=PATIENCE_S):
        """Return the first diagnostic status of a part that is wanted."""
        return self._health(part, wanted, 0, timeout_s)

    def health_now(self, part, wanted=lambda _: True):
        """Return the first that is wanted of those that the node began to collect after now."""
        return self._health(part, wanted, time.time_ns(), PATIENCE_S)

    def _health(self, part, wanted, since_ns, timeout_s):
        name = f"{self.namespace}/perception: {part}"
        found = []

        def look(message):
            if stamp_of(message) < since_ns:
                return False
            found[:] = [s for s in message.status if s.name == name and wanted(s)]
            return bool(found)

        try:
            self.diagnostics.next(look, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- logs ---\n{self.log()}") from None
        return found[0]

    def call(self, kind, service, timeout_s=PATIENCE_S, **fields):
        """Call a service of the perception node and return the response."""
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(timeout_sec=timeout_s), f"no service {service}: {self.log()}"
        done, future = threading.Event(), client.call_async(kind.Request(**fields))
        future.add_done_callback(lambda _: done.set())
        assert done.wait(timeout_s), f"no response from {service} within {timeout_s} s"
        self.node.destroy_client(client)
        return future.result()

    def set_parameters(self, **parameters):
        """Set parameters of the perception node, all or nothing; return the result."""
        request = [
            Parameter(name.replace("__", "."), value=value).to_parameter_msg()
            for name, value in parameters.items()
        ]
        service = "perception/set_parameters_atomically"
        return self.call(SetParametersAtomically, service, parameters=request).result

    def change_state(self, transition):
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        return self.call(
            ChangeState, "perception/change_state", transition=request.transition
        ).success

    def state(self):
        return self.call(GetState, "perception/get_state").current_state.label

    def end(self, process, number=signal.SIGTERM):
        """Send a signal; return the exit code.

        A test of what must not be waited for lets that take longer than :data:`PATIENCE_S`.
        """
        process.send_signal(number)
        return process.ended()

    def close(self):
        for camera in self.cameras:
            camera.stop()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        try:
            for process in self.processes:
                process.wait(PATIENCE_S)
        finally:
            self.executor.shutdown(timeout_sec=2.0)
            self._spinning.join(5.0)
            self.node.destroy_node()


def values(status):
    """Return the key-value pairs of a diagnostic status."""
    return {item.key: item.value for item in status.values}


@pytest.fixture
def world(ros, tmp_path):
    made = World(ros, tmp_path)
    yield made
    made.close()
