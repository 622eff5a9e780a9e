# SPDX-License-Identifier: Apache-2.0
"""Drift in the node: a darker image is a WARN and an event; a profile that can't be read."""

import json
import re

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Bool, Empty, String

from lfmvl_ros.ros import conversions, qos

from .conftest import values

TOTE = {"text": json.dumps([{"label": "red tote", "bbox": [0.1, 0.2, 0.3, 0.6]}])}


def image(light):
    pixels = np.random.default_rng(0).integers(light - 20, light + 20, (48, 64, 3)).astype(np.uint8)
    return lambda stamp_ns: conversions.to_image(pixels, stamp_ns, "lens")


def bright_camera(world):
    """Return a camera of stamped images, and a list that holds the function that makes them."""
    camera, shown = world.camera(), [image(120)]
    plain = camera.send

    def send():
        stamp_ns = len(camera.sent_ns) * 10**7 + 10**18
        plain(shown[0](stamp_ns), stamp_ns)

    camera.send = send
    return camera, shown


def about(figure, state):
    return lambda e: e["when"] == "drift" and (e["drift"]["figure"], e["state"]) == (figure, state)


def test_darkness_is_found_and_passes(world):
    parameters = {"drift.watch": True, "drift.learn_answers": 200}
    world.perception([TOTE], query="red tote", **parameters)
    events = world.listen(String, "events")
    camera, shown = bright_camera(world)
    camera.start(rate_hz=100.0)
    learnt = world.health("drift", lambda s: values(s).get("to_learn") == "0")
    assert (learnt.level, values(learnt)["changes"]) == (DiagnosticStatus.OK, "0")
    shown[0] = image(60)
    warn = DiagnosticStatus.WARN
    dark = world.health("drift", lambda s: s.level == warn and "brightness" in s.message)
    assert re.search(r"brightness 0\.2\d+ instead of 0\.46", dark.message)
    assert "drift: brightness" in world.log()
    begun = events.next_json(about("brightness", "begin"))
    assert begun["value"] < 0.35 < begun["drift"]["reference"] < 0.5
    assert (begun["rule"], begun["frame_id"], begun["unit"]) == ("", "lens", "")
    evidence = begun["evidence_stamp"]
    assert evidence["sec"] * 10**9 + evidence["nanosec"] in camera.sent_ns
    assert events.next_json(about("brightness", "update"))["id"] == begun["id"]
    shown[0] = image(120)
    ended = events.next_json(about("brightness", "end"))
    assert (ended["id"], ended["reason"]) == (begun["id"], "cleared")
    reference = ended["drift"]["reference"]  # the end has the mean that shows it
    assert abs(ended["value"] - reference) < 0.05 < abs(begun["value"] - reference)
    passed = world.health("drift", lambda s: s.level == DiagnosticStatus.OK)
    assert values(passed)["changes"] == "0"
    assert values(passed)["changes_begun"] != "0"


def test_a_stop_ends_the_event_and_a_start_begins_it_again(world):
    parameters = {"drift.watch": True, "drift.learn_answers": 200}
    world.perception([TOTE], query="red tote", **parameters)
    events = world.listen(String, "events")
    camera, shown = bright_camera(world)
    camera.start(rate_hz=100.0)
    world.health("drift", lambda s: values(s).get("to_learn") == "0")
    shown[0] = image(60)
    begun = events.next_json(about("brightness", "begin"))
    assert world.change_state("deactivate")
    ended = events.next_json(about("brightness", "end"))
    assert (ended["id"], ended["reason"]) == (begun["id"], "stopped")
    assert world.change_state("activate")
    assert events.next_json(about("brightness", "begin"))["id"] != begun["id"]
    assert world.set_parameters(query="person").successful
    assert events.next_json(about("brightness", "end"))["reason"] == "reference_changed"


def test_an_event_of_drift_wakes_no_trigger_and_sets_no_bool(world):
    """With rules that never hold, ``on_demand`` answers what is asked for and no more."""
    rules = world.folder / "rules.yaml"
    rules.write_text("rules: {persons: {when: count, label: person, above: 0, topic: true}}")
    parameters = {
        "drift.watch": True, "drift.learn_answers": 200, "trigger.mode": "on_demand",
        "trigger.burst": 100, "rules_file": str(rules),
    }  # fmt: skip
    world.perception([TOTE], query="red tote, person", **parameters)
    events = world.listen(String, "events")
    flag = world.listen(Bool, "rules/persons", qos.LATCHED)
    look = world.node.create_publisher(Empty, "look", qos.RESULTS)
    camera, shown = bright_camera(world)
    camera.start(rate_hz=100.0)

    def burst():
        """Ask for 100 answers; return how many there are once the trigger sleeps again."""
        before = world.health("drift")
        look.publish(Empty())
        more = world.health("drift", lambda s: answers(s) >= answers(before) + 100)
        world.health("model", lambda s: s.message.startswith("sleeping"))
        return answers(more)

    world.health("camera", lambda s: values(s)["frames"] != "0")
    while burst() < 200:
        pass
    world.health("drift", lambda s: values(s)["to_learn"] == "0")
    shown[0] = image(60)
    burst()
    assert events.next_json()["when"] == "drift"
    world.diagnostics.clear()
    once = answers(world.health("drift"))
    world.diagnostics.clear()
    world.health("drift")
    assert answers(world.health("drift")) == once  # two reports later
    assert flag.next().data is False
    assert flag.empty


def answers(status):
    return int(values(status)["answers"])


def test_a_profile_that_can_not_be_read_ends_configuring(world):
    path = world.folder / "profile.json"
    path.write_text("{}")
    parameters = {"drift.watch": True, "drift.profile": str(path)}
    process = world.perception([TOTE], wait=False, **parameters)
    assert process.ended() == 2
    assert "is not a drift profile" in world.log()
