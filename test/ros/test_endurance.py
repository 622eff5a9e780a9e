# SPDX-License-Identifier: Apache-2.0
"""What a robot does to a node over a day, in a minute: between processes, over real DDS."""

import itertools
import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.ros import conversions

from ..waiting import PATIENCE_S, until
from .conftest import TRANSITIONS, Process, stamp_of

BOX = json.dumps([{"label": "red tote", "bbox": [0.25, 0.25, 0.5, 0.75]}])
SLOW_SUBSCRIBER = """
import sys, rclpy
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray
from lfmvl_ros.ros import qos
rclpy.init()
node = rclpy.create_node("slow", namespace=sys.argv[1])
def slowly(message):
    print("took one", flush=True)
    sys.stdin.readline()  # for ever, or until it is told
node.create_subscription(Detection2DArray, "tracks", slowly, qos.RESULTS)
node.create_subscription(String, "grounding", slowly, qos.RESULTS)
rclpy.spin(node)
"""


def footprint(process):
    """Return resident memory in MB, the number of threads, and of open files, of a process."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    facts = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    files = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    return int(facts["VmRSS"].split()[0]) / 1e3, int(facts["Threads"]), files


class Asker:
    """A client of one service of the node, kept open; several threads may have one each."""

    def __init__(self, world, kind, name):
        self._client, self._kind = world.node.create_client(kind, f"perception/{name}"), kind
        assert self._client.wait_for_service(timeout_sec=PATIENCE_S), world.log()

    def __call__(self, **fields):
        done, future = threading.Event(), self._client.call_async(self._kind.Request(**fields))
        future.add_done_callback(lambda _: done.set())
        assert done.wait(PATIENCE_S), f"no response from {self._client.srv_name}"
        return future.result()


def test_twenty_rounds_of_the_life_cycle(world):
    """Nothing of a round stays behind: no thread, no file, no memory to speak of."""
    recording = world.folder / "replies.jsonl"
    recording.write_text(json.dumps({"text": BOX, "delay_s": 0.02}) + "\n")
    process = world.start(
        "perception_node",
        parameters={"model": str(recording), "autostart": False, "query": "red tote"},
    )
    detections = world.listen(Detection2DArray, "detections")
    change = Asker(world, ChangeState, "change_state")
    camera = world.camera()
    camera.start()

    def to(name):
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[name]
        assert change(transition=request.transition).success, f"{name}: {world.log()}"

    before = None
    for number in range(20):
        to("configure")
        detections.clear()
        to("activate")
        found = detections.next()
        assert conversions.stamp_ns(found.header.stamp) in camera.sent_ns
        assert len(found.detections) == 1
        to("deactivate")
        to("cleanup")
        if number == 4:
            before = footprint(process)
    # One a round would be fifteen more. The executor starts its four threads when they are needed.
    until(
        lambda: footprint(process)[1] < before[1] + 5 and footprint(process)[2] < before[2] + 5,
        told=lambda: f"threads and files {before[1:]} -> {footprint(process)[1:]}",
    )
    after = footprint(process)
    assert after[0] < before[0] + 10, f"{before[0]} -> {after[0]} MB"
    assert process.poll() is None
    assert "Traceback" not in world.log()


def test_parameters_change_from_many_sides_while_answers_are_written(world):
    """Each change holds as a whole or not at all, for whoever reads and for every answer."""
    process = world.perception([{"text": BOX, "delay_s": 0.15}], query="red tote")
    grounding = world.listen(String, "grounding")
    world.camera().start()
    assert grounding.next_json()["query"] == "red tote"
    pairs = {f"tote {i}": 20 + i for i in range(40)}  # the query, and what was set along with it
    allowed = {"red tote": 512, **pairs}
    todo, refused, torn, failures = iter(sorted(pairs.items())), [], [], []
    lock, ended = threading.Lock(), threading.Event()

    def guarded(work):
        try:
            work()
        except BaseException as error:
            failures.append(error)

    def write():
        change = Asker(world, SetParametersAtomically, "set_parameters_atomically")
        rng = random.Random(threading.get_ident())
        while True:
            with lock:
                query, tokens = next(todo, (None, 0))
            if query is None:
                return
            settings = {"query": query, "generation.max_new_tokens": tokens}
            wrong = {**settings, **rng.choice([{"image.split": "maybe"}, {"image.max_tiles": 999},
                                               {"tracker.max_coast_s": 99.0}])}  # fmt: skip
            for wanted in (wrong, settings):
                messages = [Parameter(k, value=v).to_parameter_msg() for k, v in wanted.items()]
                result = change(parameters=messages).result
                if wanted is wrong:
                    refused.append((result.successful, result.reason))
                else:
                    assert result.successful, result.reason

    def read():
        look = Asker(world, GetParameters, "get_parameters")
        while not ended.is_set():
            query, tokens = look(names=["query", "generation.max_new_tokens"]).values
            if allowed.get(query.string_value) != tokens.integer_value:
                torn.append((query.string_value, tokens.integer_value))

    writers = [threading.Thread(target=guarded, args=(write,)) for _ in range(4)]
    reader = threading.Thread(target=guarded, args=(read,))
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join(2 * PATIENCE_S)
    ended.set()
    reader.join(PATIENCE_S)
    assert not failures, failures
    assert not torn
    assert len(refused) == 40
    assert not any(successful for successful, _ in refused)
    assert all(reason for _, reason in refused)

    look = Asker(world, GetParameters, "get_parameters")
    (last,) = look(names=["query"]).values
    asked = [grounding.next_json()]
    while asked[-1]["query"] != last.string_value:
        asked.append(grounding.next_json())
    of_version = {}
    for document in asked:  # every answer is to one question, whole
        assert document["query"] in allowed
        assert (
            of_version.setdefault(document["query_version"], document["query"])
            == (document["query"])
        )
    versions = [document["query_version"] for document in asked]
    assert versions == sorted(versions)
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_process_waits_for_what_it_is_doing_when_a_signal_comes(world, number):
    """The perception node in the middle of an answer, the camera node between two frames."""
    node = world.perception([{"text": BOX, "delay_s": 600.0}], generation__timeout_s=600.0)
    source = {"source": world.images(), "rate_hz": 15.0}
    camera = world.start("camera_node", parameters=source)
    world.health("model", lambda s: any(v.key == "busy_s" and float(v.value) > 0.1
                                        for v in s.values))  # fmt: skip
    for process in (node, camera):
        assert world.end(process, number) == 0, world.log()
    assert "Traceback" not in world.log()


def test_a_slow_subscriber_holds_up_nobody_else(world):
    """One that stays in its callback, and one that does not even read from its socket."""
    world.perception([{"text": BOX, "delay_s": 0.1}], query="red tote")
    camera, _ = world.connected_camera()
    tracks, grounding = world.listen(Detection2DArray, "tracks"), world.listen(String, "grounding")
    command = [sys.executable, "-c", SLOW_SUBSCRIBER, world.namespace]
    slow = Process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    world.processes.append(slow)
    took = threading.Thread(target=slow.stdout.readline)
    took.start()
    camera.send_until(lambda: not took.is_alive())

    def heard(frames=40):
        """Send so many frames, more than anybody's queue holds; each has its tracks."""
        for number in range(frames):
            camera.send_tracked(tracks)
            if number % 3 == 0:
                grounding.next(lambda m: stamp_of(m) == camera.sent_ns[-1])
        assert slow.poll() is None

    try:
        heard()  # it has taken one and takes no other
        slow.send_signal(signal.SIGSTOP)
        heard()
        slow.send_signal(signal.SIGCONT)
        slow.stdin.write("\n")  # and it goes on where it can
        slow.stdin.flush()
        assert slow.stdout.readline() == "took one\n"
    finally:
        slow.kill()


def test_a_camera_of_120_hz_for_a_while_leaves_the_memory_flat(world):
    process = world.perception([{"text": BOX, "delay_s": 0.05}], query="red tote")
    tracks = world.listen(Detection2DArray, "tracks")
    camera = world.camera(wh=(320, 240))
    camera.start(120.0)

    def after(frames):
        for _ in range(frames):
            tracks.next()
        return footprint(process)

    samples = [after(150) for _ in range(6)]
    megabytes, threads, files = zip(*samples, strict=True)
    assert max(threads[1:]) < threads[0] + 5, threads  # the executor's four, when they are needed
    assert max(files[1:]) < files[0] + 5, files
    assert megabytes[-1] < megabytes[1] + 5, megabytes  # the first fills caches
    status = world.health("camera")
    facts = {item.key: item.value for item in status.values}
    dropped = sum(int(v) for k, v in facts.items() if k.startswith("dropped."))
    assert int(facts["received"]) - int(facts["frames"]) - dropped in (0, 1, 2), (
        facts
    )  # one waits, one is decoded
    stamps = [conversions.stamp_ns(tracks.next().header.stamp) for _ in range(20)]
    assert all(a < b for a, b in itertools.pairwise(stamps))
