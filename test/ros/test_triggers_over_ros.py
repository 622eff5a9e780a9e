# SPDX-License-Identifier: Apache-2.0
"""A node that sleeps while nothing moves, and what wakes it, over DDS."""

import json
import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import BatteryState
from std_msgs.msg import Empty, String
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.ros import conversions

from ..waiting import until
from .conftest import stamp_of, values

TOTE = {"text": json.dumps([{"label": "tote", "bbox": [0.1, 0.2, 0.3, 0.6]}]), "delay_s": 0.1}
_BLOCKS = np.random.default_rng(3).integers(0, 200, (12, 16, 3)).astype(np.uint8)
RULES = """
rules:
  tote: {when: appear, label: tote}
"""


def image(shift_px=0, stamp_ns=None):
    pixels = np.kron(_BLOCKS, np.ones((10, 10, 1), np.uint8))
    pixels = np.ascontiguousarray(np.roll(pixels, shift_px, axis=1))
    return conversions.to_image(pixels, stamp_ns or time.time_ns(), "lens")


class Watched:
    """A camera that sends still images from the test's own thread, and the node's answers."""

    def __init__(self, world, **parameters):
        world.perception([TOTE], query="tote", **parameters)
        self.world = world
        self.camera = world.camera()
        self.answers = world.listen(String, "grounding")
        self.tracks = world.listen(Detection2DArray, "tracks")
        self.camera.send_until(lambda: not self.tracks.empty, image)

    def stay(self, seconds):
        """Send 20 images per second; return how many answers about them came."""
        begin_ns, end_s = time.time_ns(), time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.camera.send(image())
            time.sleep(0.05)
        return sum(stamp_of(message) >= begin_ns for message in self.answers.taken())

    def send_until_answered(self, times=1):
        """Send images until so many answers have come."""
        found = []
        self.camera.send_until(
            lambda: found.extend(self.answers.taken()) or found[times - 1 :], image
        )
        assert len(found) == times

    def send_until_told(self, part, wanted):
        """Send images until a diagnostic status is as wanted; return it."""
        name = f"{self.world.namespace}/perception: {part}"

        def told():
            statuses = [s for m in self.world.diagnostics.taken() for s in m.status]
            return [s for s in statuses if s.name == name and wanted(s)]

        return self.camera.send_until(told, image)[0]

    def send_one(self, shift_px):
        stamp_ns = time.time_ns()
        self.camera.send(image(shift_px, stamp_ns))
        return stamp_ns


def test_a_still_camera_costs_few_calls_and_motion_wakes_at_once(world):
    here = Watched(world, trigger__mode="motion", trigger__at_least_every_s=600.0)
    model = here.send_until_told("model", lambda s: s.message == "sleeping: motion trigger")
    assert model.level == DiagnosticStatus.OK
    assert here.stay(6.0) == 0, "continuous would have asked about fifty times"
    here.send_until_told("model", lambda s: int(values(s)["frames_skipped_asleep"]) > 60)
    tracks = here.camera.send_tracked(here.tracks, image)
    assert [d.results[0].hypothesis.class_id for d in tracks.detections] == ["tote"]

    here.answers.clear()
    moved_ns = here.send_one(shift_px=4)
    assert stamp_of(here.answers.next()) == moved_ns, "the first frame that has changed"
    assert "Traceback" not in world.log()


def test_a_message_on_look_wakes_a_node_that_is_asked_on_demand(world):
    here = Watched(world, trigger__mode="on_demand", trigger__burst=2)
    assert here.stay(2.0) == 0
    world.health("model", lambda s: s.message == "sleeping: on demand trigger")
    look = world.node.create_publisher(Empty, "look", 10)
    until(look.get_subscription_count)
    look.publish(Empty())
    here.send_until_answered(times=2)
    assert here.stay(1.0) == 0


def test_an_empty_battery_stops_the_model_but_not_requests(world):
    here = Watched(world, limits__stop_below_battery=0.2)
    here.send_until_answered()
    battery, charge = world.node.create_publisher(BatteryState, "battery", 10), [0.12]
    world.node.create_timer(0.2, lambda: battery.publish(BatteryState(percentage=charge[0])))
    model = world.health("model", lambda s: "battery" in s.message)
    assert model.level == DiagnosticStatus.WARN
    assert model.message == "no answers: battery at 12%, limits.stop_below_battery is 0.2"
    assert here.stay(2.0) == 0
    assert world.call(Trigger, "ground_once").success
    charge[0] = 0.9
    world.health("model", lambda s: s.level == DiagnosticStatus.OK)
    here.answers.clear()
    here.send_until_answered()


def test_an_event_of_a_rule_is_looked_at(world):
    path = world.folder / "rules.yaml"
    path.write_text(RULES)
    here = Watched(
        world, trigger__mode="on_demand", trigger__burst=4, rules_file=str(path),
        tracker__confirm_answers=1,
    )  # fmt: skip
    events = world.listen(String, "events")
    here.stay(0.5)
    assert world.call(Trigger, "ground_once").success
    here.answers.next_json()
    here.send_until_answered(times=4)  # a burst for the object that appeared
    assert here.stay(1.0) == 0
    assert events.next_json()["rule"] == "tote"
