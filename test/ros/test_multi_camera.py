# SPDX-License-Identifier: Apache-2.0
"""Several cameras, one model, over real DDS: everybody is answered, nobody's tracks are mixed."""

import collections
import json
import threading
import time

from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Detection2DArray, LabelInfo

from lfmvl_ros.ros import conversions, qos

from ..models.server.scripted import Scripted, events, serving
from ..waiting import until
from .conftest import stamp_of, values

OK, WARN = b"\x00", b"\x01"
RATES_HZ = {"front": 30.0, "left": 12.0, "right": 6.0, "rig/rear": 1.5}
TOTE = {
    "text": json.dumps([{"label": "red tote", "bbox": [0.1, 0.25, 0.4, 0.75]}]),
    "delay_s": 0.1,
}


class Watch:
    """The answers about all cameras, in the order they came."""

    def __init__(self, world, cameras):
        self.order, self.newest_ns = [], {}
        for camera in cameras:
            world.node.create_subscription(
                String, f"{camera}/grounding", self._noting(camera), qos.own(qos.REQUESTS)
            )

    def _noting(self, camera):
        def note(message):
            assert json.loads(message.data)["camera"] == camera
            self.newest_ns[camera] = stamp_of(message)
            self.order.append(camera)

        return note


class HeldModel:
    """A model server that answers at once, or when it is told to."""

    def __init__(self):
        self.free, self._one, self.asked = threading.Event(), threading.Semaphore(0), 0
        self.free.set()

    def __call__(self, handler, _document):
        self.asked += 1
        while not self.free.is_set() and not self._one.acquire(timeout=0.02):
            pass
        handler.stream(events())

    def answer_one(self):
        self._one.release()


class Four:
    """Cameras whose images the test sends one by one; each has been answered once."""

    def __init__(self, world, model):
        self.model, self.watch = model, Watch(world, RATES_HZ)
        self.tracks = {name: world.listen(Detection2DArray, f"{name}/tracks") for name in RATES_HZ}
        self.cameras = {name: world.camera(f"{name}/image_raw") for name in RATES_HZ}
        for name in RATES_HZ:
            self.send(name)
        self.until_idle()

    def send(self, *names):
        """Send an image of each; they wait for the model then, in this order."""
        for name in names:
            self.cameras[name].send_tracked(self.tracks[name])

    def until_idle(self):
        newest_ns = {name: camera.sent_ns[-1] for name, camera in self.cameras.items()}
        until(lambda: self.watch.newest_ns == newest_ns)

    def hold(self):
        """Let the model begin with an image of the first camera, and all cameras wait for it."""
        self.watch.order.clear()
        before = self.model.asked
        self.model.free.clear()
        self.send("front")
        until(lambda: self.model.asked > before)
        self.send("left", "right", "rig/rear", "front", "front", "front")
        assert self.model.asked == before + 1


def test_four_cameras_at_unequal_rates_share_a_model_and_none_starves(world):
    model = HeldModel()
    with serving(Scripted(model)) as address:
        process = world.start("perception_node", parameters={
            "model": f"{address}/v1#lfm2.5-vl-450m", "cameras": list(RATES_HZ), "query": "tote",
            "trigger.max_batch": 1, "generation.timeout_s": 600.0, "tracker.max_coast_s": 30.0,
        })  # fmt: skip
        world.wait_active()
        four = Four(world, model)

        # Who has waited longest comes first, and its newest image; one that hurries waits its turn.
        four.hold()
        model.free.set()
        four.until_idle()
        assert four.watch.order == ["front", "left", "right", "rig/rear", "front"]

        assert world.set_parameters(trigger__max_batch=4).successful
        four.hold()
        before = model.asked
        model.answer_one()
        until(lambda: model.asked == before + 4)  # about all at once: nobody has been answered
        model.free.set()
        four.until_idle()
        assert collections.Counter(four.watch.order) == {**dict.fromkeys(RATES_HZ, 1), "front": 2}

        # Each by itself, at a rate of its own: everybody is answered again and again.
        for inbox in four.tracks.values():
            inbox.clear()
        for name, rate_hz in RATES_HZ.items():
            four.cameras[name].start(rate_hz)
        for inbox in four.tracks.values():
            assert inbox.next(lambda m: m.detections).detections[0].id == "1"  # its own tracker
        four.watch.order.clear()
        until(lambda: all(four.watch.order.count(name) >= 3 for name in RATES_HZ))
        answers = collections.Counter(four.watch.order)
        for name in RATES_HZ:
            shown = values(world.health_now(f"camera {name}", lambda s: s.level == OK))
            assert shown["topic"] == f"{world.namespace}/{name}/image_raw"
            assert answers[name] < int(shown["answers"]) <= int(shown["received"])
            assert int(shown["received"]) <= len(four.cameras[name].sent_ns)
            assert float(shown["longest_wait_s"]) > 0
        status = values(world.health_now("model"))
        answered = sum(int(v) for k, v in status.items() if k.startswith("outcome."))
        assert answered >= sum(answers.values())
        assert world.end(process) == 0, world.log()  # with all cameras running
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
    front.send(stamp_ns=(long_ago_ns := time.time_ns() - 3600 * 10**9))
    (again,) = found["front"].next(lambda m: stamp_of(m) == long_ago_ns).detections
    assert int(again.id) > 1
    world.health("camera front", lambda s: values(s)["tracker_restarts"] == "1")
    assert values(world.health_now("camera left"))["tracker_restarts"] == "0"
    left.send(stamp_ns=left.sent_ns[-1] + 10**8)
    (same,) = found["left"].next(lambda m: stamp_of(m) == left.sent_ns[-1]).detections
    assert same.id == "1"

    # A broken image is counted where it came from, and a camera that stops is named.
    broken = Image(encoding="rgb8", header=conversions.to_header(time.time_ns(), "lens"))
    left.send(broken)
    world.health("camera left", lambda s: values(s)["dropped.corrupt"] == "1")
    assert values(world.health_now("camera front"))["dropped.corrupt"] == "0"
    front.start()
    status = world.health("camera left", lambda s: s.level == WARN and "no image for" in s.message)
    assert f"{world.namespace}/left/image_raw" in status.message
    assert world.health("camera front", lambda s: s.level == OK)
    assert "camera left: image dropped (corrupt)" in world.log()


def test_names_that_cannot_be_topics_are_refused(world):
    process = world.start("perception_node", parameters={"cameras": ["front", "2nd"]})
    assert process.ended() == 2
    assert "cameras: " in world.log()
    assert "Traceback" not in world.log()
