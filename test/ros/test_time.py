# SPDX-License-Identifier: Apache-2.0
"""Cameras whose time jumps, loops, or is missing, and simulated time, over real DDS."""

import itertools
import json
import threading
import time

import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.core.timeline import RUN
from lfmvl_ros.ros import conversions

from ..waiting import until
from .conftest import values

SECOND = 10**9
OK, WARN = b"\x00", b"\x01"
TOTE = [{"text": json.dumps([{"label": "red tote", "bbox": [0.25, 0.25, 0.5, 0.75]}])}]


def image(stamp_ns=0):
    """An image, by default as a driver without stamps sends it."""
    pixels = np.full((48, 64, 3), 90, np.uint8)
    pixels[:, :32] ^= 64
    return conversions.to_image(pixels, stamp_ns, "lens")


def stamp(message):
    return conversions.stamp_ns(message.header.stamp)


def taken(inbox):
    """Return the stamps of all that came."""
    return [stamp(message) for message in inbox.taken()]


def tracked(inbox):
    """Return the stamp and the id of every track that came."""
    return [(stamp(m), int(one.id)) for m in inbox.taken() for one in m.detections]


class SimulatedTime:
    """Publishes ``/clock`` a hundred times a second, as fast as time passes."""

    def __init__(self, node, start_s):
        self._publisher = node.create_publisher(Clock, "/clock", 10)
        self.jump_to(start_s)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def jump_to(self, now_s):
        self._offset_ns = round(now_s * SECOND) - time.monotonic_ns()

    @property
    def now_s(self):
        return (time.monotonic_ns() + self._offset_ns) / SECOND

    def _run(self):
        while not self._ended.wait(0.01):
            now = conversions.to_stamp(time.monotonic_ns() + self._offset_ns)
            self._publisher.publish(Clock(clock=now))

    def stop(self):
        self._ended.set()
        self._thread.join(10.0)


def test_a_bag_of_a_second_and_a_half_that_loops(world):
    world.perception(TOTE, query="red tote")
    camera, before = world.connected_camera()
    bag_ns = [time.time_ns() + i * SECOND // 10 for i in range(16)]
    tracks = world.listen(Detection2DArray, "tracks")
    found, ids = [], []

    def play():
        for stamp_ns in bag_ns:
            camera.send(stamp_ns=stamp_ns)
            time.sleep(0.05)

    def played(named):
        """Tell whether the end of the bag has come, with a new track."""
        for message in tracks.taken():
            found.append(stamp(message))
            ids.extend(int(one.id) for one in message.detections)
        return len(ids) > named and found[-1] == bag_ns[-1]

    for _ in range(3):
        named = len(ids)
        play()
        until(lambda n=named: played(n), doing=play, every_s=0.5)  # twice on a busy machine

    def settled():
        """Return the counters once they are those of what has come."""
        shown = values(world.health_now("camera"))
        played(0)
        jumps = sum(b <= a for a, b in itertools.pairwise(found))
        counted = (int(shown["tracker_restarts"]), int(shown["stamps_jumped_back"]))
        return (shown, jumps) if counted == (jumps, jumps) else None

    shown, falls = until(settled, told=lambda: (found, world.log()))
    assert falls >= 2
    late = int(shown["dropped.out_of_order"]) - int(before["dropped.out_of_order"])
    assert late >= falls * (RUN - 1)
    assert ids == sorted(ids)
    assert len(set(ids)) >= 3  # no id of one round comes in another
    assert "stamps jumped back by 1." in world.log()


def test_zero_stamps_between_others_are_dropped_and_counted(world):
    world.perception(TOTE, query="red tote")
    camera, before = world.connected_camera()
    tracks = world.listen(Detection2DArray, "tracks")
    for count in (1, 2, 3):
        camera.send_tracked(tracks)
        camera.send(image())
        told = world.health("camera", lambda s, n=count: values(s)["dropped.unstamped"] == str(n))
    shown = values(told)
    assert tracks.empty
    assert (shown["tracker_restarts"], shown["without_stamp"]) == ("0", "0")
    assert int(shown["frames"]) >= int(before["frames"]) + 3
    assert told.level == WARN
    assert "image dropped (unstamped): the stamp is zero" in world.log()
    # A driver that was changed for one without stamps: a new start takes it.
    assert world.change_state("deactivate")
    assert world.change_state("activate")
    camera.send_until(lambda: not tracks.empty, image)
    assert abs(stamp(tracks.next()) - time.time_ns()) < 60 * SECOND
    assert int(values(world.health("camera"))["tracker_restarts"]) == 0


def test_a_camera_that_never_stamps_and_then_does(world):
    world.perception(TOTE, query="red tote")
    camera, tracks = world.camera(), world.listen(Detection2DArray, "tracks")
    camera.send_until(lambda: not tracks.empty, image)
    for _ in range(5):
        camera.send(image())
        time.sleep(0.05)
    time.sleep(0.3)
    stamps_ns = taken(tracks)
    assert stamps_ns == sorted(set(stamps_ns))
    assert abs(stamps_ns[-1] - time.time_ns()) < 60 * SECOND
    status = world.health("camera", lambda s: int(values(s)["without_stamp"]) >= len(stamps_ns))
    assert values(status)["dropped.unstamped"] == "0"
    assert world.log().count("sends images without a stamp") == 1

    own_clock_ns = itertools.count(77 * SECOND, SECOND // 10)
    camera.send_until(
        lambda: any(77 * SECOND <= stamp_ns < 1000 * SECOND for stamp_ns in taken(tracks)),
        lambda: image(next(own_clock_ns)),
    )
    shown = values(world.health("camera", lambda s: values(s)["tracker_restarts"] == "1"))
    assert int(shown["dropped.out_of_order"]) >= RUN - 1
    assert "messages have a stamp now; tracking restarts" in world.log()


@pytest.mark.parametrize("nanosec", [10**9, 2**32 - 1])
def test_impossible_stamps_are_dropped_as_corrupt(world, nanosec):
    world.perception(TOTE, query="red tote")
    tracks = world.listen(Detection2DArray, "tracks")
    camera, _ = world.connected_camera()
    broken = image(time.time_ns())
    broken.header.stamp.nanosec = nanosec
    camera.send(broken)
    broken = image()
    broken.header.stamp.sec = -1
    camera.send(broken)
    world.health("camera", lambda s: int(values(s)["dropped.corrupt"]) >= 1)
    camera.send_tracked(tracks)
    assert "Traceback" not in world.log()


def test_simulated_time_that_jumps_back_under_a_camera_without_stamps(world):
    world.perception(TOTE, query="red tote", use_sim_time=True)
    camera, tracks = world.camera(), world.listen(Detection2DArray, "tracks")

    def reported(wanted):
        """Tell whether diagnostics have said so of the camera."""
        statuses = []
        while not world.diagnostics.empty:
            statuses += world.diagnostics.next().status
        return any(s.name.endswith("perception: camera") and wanted(s) for s in statuses)

    camera.send_until(lambda: reported(lambda s: "nothing came on /clock" in s.message), image)
    assert tracks.empty
    simulation = SimulatedTime(world.node, 1000.0)
    try:
        found = []
        camera.send_until(lambda: found.extend(tracked(tracks)) or found, image)
        assert all(1000 * SECOND <= stamp_ns < 1100 * SECOND for stamp_ns, _ in found)
        ids = {key for _, key in found}
        simulation.jump_to(10.0)
        found.clear()

        def later():
            ids.update(key for stamp_ns, key in found if stamp_ns >= 500 * SECOND)
            found.extend(tracked(tracks))
            return [key for stamp_ns, key in found if stamp_ns < 500 * SECOND]

        assert min(camera.send_until(later, image)) > max(ids)

        counts = [0]

        def restarted():
            """Tell whether the tracker has started again since the last time this was true."""
            found = [counts[-1]]
            reported(lambda s: found.append(int(values(s)["tracker_restarts"])))
            counts.append(max(found))
            return counts[-1] > counts[-2]

        camera.send_until(restarted, image)
        # Within the reorder window: recognised by images that follow each other, if as many as that
        # come before time has caught up again. A machine that stalls for a second misses one jump.
        jumps = 0
        while not (back := restarted()):
            assert (jumps := jumps + 1) < 10, world.log()
            simulation.jump_to(simulation.now_s - 1.9)
            for _ in range(25):
                camera.send(image())
                time.sleep(0.1)
        assert back
    finally:
        simulation.stop()
    assert "Traceback" not in world.log()


def test_stamps_out_of_order_zero_and_jumping_back(world):
    world.perception(TOTE, query="red tote")
    detections = world.listen(Detection2DArray, "detections")
    camera, _ = world.connected_camera()
    camera.send(stamp_ns=(now_ns := time.time_ns()))
    (first,) = detections.next(lambda m: stamp(m) == now_ns).detections
    camera.send(stamp_ns=now_ns - 10**8)
    world.health("camera", lambda s: values(s)["dropped.out_of_order"] == "1")

    long_ago_ns = now_ns - 3600 * 10**9  # a bag starts again
    camera.send(stamp_ns=long_ago_ns)
    (again,) = detections.next(lambda m: stamp(m) == long_ago_ns).detections
    assert int(again.id) > int(first.id)  # ids are never used again for something else
    status = world.health("model", lambda s: values(s)["tracker_restarts"] == "1")
    assert status.level == OK
    assert "stamps jumped back by 3600" in world.log()

    tracks = world.listen(Detection2DArray, "tracks")
    camera.send(image(stamp_ns=0))  # between stamps: no other clock takes its place
    world.health("camera", lambda s: values(s)["dropped.unstamped"] == "1")
    assert tracks.empty
    assert "image dropped (unstamped)" in world.log()
