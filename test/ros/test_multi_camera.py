# SPDX-License-Identifier: Apache-2.0
"""Several cameras, one model, over real DDS: everybody is answered, nobody's tracks are mixed."""

import collections
import itertools
import json
import time

from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Detection2DArray, LabelInfo

from lfmvl_ros.ros import conversions, qos

from .conftest import values

OK, WARN = b"\x00", b"\x01"
RATES_HZ = {"front": 30.0, "left": 12.0, "right": 6.0, "rig/rear": 1.5}
ANSWER_S = 0.1
TOTE = {
    "text": json.dumps([{"label": "red tote", "bbox": [0.1, 0.25, 0.4, 0.75]}]),
    "delay_s": ANSWER_S,
}


class Watch:
    """The answers about all cameras, in the order they came."""

    def __init__(self, world, cameras):
        self.order = []
        for camera in cameras:
            world.node.create_subscription(
                String, f"{camera}/grounding", self._noting(camera), qos.RESULTS
            )

    def _noting(self, camera):
        def note(message):
            document = json.loads(message.data)
            assert document["camera"] == camera
            self.order.append(camera)

        return note

    def counts(self, for_s):
        """Return the answers of the next seconds by camera, and their order."""
        begin = len(self.order)
        time.sleep(for_s)
        order = self.order[begin:]
        return collections.Counter(order), order


def longest_gap(order, camera):
    """Return the most answers about other cameras between two about this one."""
    runs = [len(list(run)) for own, run in itertools.groupby(order, camera.__eq__) if not own]
    return max(runs[1:-1], default=0)


def test_four_cameras_at_unequal_rates_share_a_model_and_none_starves(world):
    process = world.perception(
        [TOTE], cameras=list(RATES_HZ), query="red tote", trigger__max_batch=1
    )
    watch = Watch(world, RATES_HZ)
    tracks = {name: world.listen(Detection2DArray, f"{name}/tracks") for name in RATES_HZ}
    for name, rate_hz in RATES_HZ.items():
        world.camera(f"{name}/image_raw").start(rate_hz)
    for inbox in tracks.values():
        assert inbox.next(lambda m: m.detections).detections[0].id == "1"  # each its own tracker

    alone, order = watch.counts(for_s=6.0)
    # 45 images a second come in, 10 answers a second go out. Who sends less than its share is
    # answered at every image; what it leaves is shared by the others, whatever their rates.
    assert set(alone) == set(RATES_HZ)
    fast = [alone["front"], alone["left"], alone["right"]]
    assert max(fast) <= 2 * min(fast), alone
    assert alone["rig/rear"] >= 0.4 * 6.0 * RATES_HZ["rig/rear"], alone
    for name in ("front", "left", "right"):
        assert longest_gap(order, name) <= 2 * len(RATES_HZ), (name, order)

    assert world.set_parameters(trigger__max_batch=4).successful
    for _ in range(3):  # another process of the machine may take the time of one
        together, _ = watch.counts(for_s=6.0)
        if sum(together.values()) > 1.15 * sum(alone.values()):
            break
    assert sum(together.values()) > 1.15 * sum(alone.values()), (alone, together)

    world.diagnostics.clear()
    seen = {name: values(world.health(f"camera {name}", lambda s: s.level == OK))
            for name in RATES_HZ}  # fmt: skip
    received = {name: int(seen[name]["received"]) for name in RATES_HZ}
    assert received["front"] > received["left"] > received["right"] > received["rig/rear"]
    for name, shown in seen.items():
        assert shown["topic"] == f"{world.namespace}/{name}/image_raw"
        assert int(shown["answers"]) >= alone[name] + together[name]
        assert 0 < float(shown["longest_wait_s"]) < 3.0
    world.diagnostics.clear()
    status = world.health("model")
    answered = sum(int(v) for k, v in values(status).items() if k.startswith("outcome."))
    assert answered >= sum(alone.values()) + sum(together.values())
    code, took_s = world.end(process)  # with all cameras running
    assert code == 0, world.log()
    assert took_s < 4
    assert "Traceback" not in world.log()


def test_what_happens_to_one_camera_is_its_own_business(world):
    world.perception([TOTE], cameras=["front", "left"], query="red tote")
    front, left = world.camera("front/image_raw"), world.camera("left/image_raw")
    found = {name: world.listen(Detection2DArray, f"{name}/detections")
             for name in ("front", "left")}  # fmt: skip
    for camera, name in ((front, "front"), (left, "left")):
        camera.send_until(lambda name=name: not found[name].empty)
    for name in ("front", "left"):
        labels = world.listen(LabelInfo, f"{name}/label_info", qos.LATCHED).next()
        assert [c.class_name for c in labels.class_map] == ["red tote"]

    # One at a time, when asked.
    assert world.call(SetBool, "enable", data=False).success
    once = world.call(Trigger, "left/ground_once")
    assert once.success
    assert json.loads(once.message)["camera"] == "left"

    # A bag of one camera loops; the other one goes on.
    assert world.call(SetBool, "enable", data=True).success
    found["front"].clear()
    front.send(stamp_ns=time.time_ns() - 3600 * 10**9)
    (again,) = found["front"].next().detections
    assert int(again.id) > 1
    status = world.health("camera front", lambda s: values(s)["tracker_restarts"] == "1")
    assert status.level == OK
    assert values(world.health("camera left"))["tracker_restarts"] == "0"
    found["left"].clear()
    left.send()
    (same,) = found["left"].next().detections
    assert same.id == "1"

    # A broken image is counted where it came from, and a camera that stops is named.
    broken = Image(encoding="rgb8", header=conversions.to_header(time.time_ns(), "lens"))
    left.send(broken)
    world.health("camera left", lambda s: values(s)["dropped.corrupt"] == "1")
    assert values(world.health("camera front"))["dropped.corrupt"] == "0"
    front.start()
    status = world.health("camera left", lambda s: s.level == WARN and "no image for" in s.message)
    assert f"{world.namespace}/left/image_raw" in status.message
    assert world.health("camera front", lambda s: s.level == OK)
    assert "camera left: image dropped (corrupt)" in world.log()


def test_names_that_cannot_be_topics_are_refused(world):
    process = world.start("perception_node", parameters={"cameras": ["front", "2nd"]})
    assert process.wait(60) == 2
    assert "cameras: " in world.log()
    assert "Traceback" not in world.log()
