# SPDX-License-Identifier: Apache-2.0
"""Rules in the node: events and Bool topics over DDS, a file that changes, a life cycle."""

import json

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Bool, String

from lfmvl_ros.ros import qos

from ..waiting import until
from .conftest import values

TOTE = {"text": json.dumps([{"label": "red tote", "bbox": [0.1, 0.2, 0.3, 0.6]}])}
RULES = """
zones:
  left: {image: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
rules:
  tote_left: {when: enter, label: red tote, zone: left, topic: true}
"""


def of(rule, state):
    return lambda event: (event["rule"], event["state"]) == (rule, state)


def start(world, text=RULES, replies=(TOTE,), **parameters):
    path = world.folder / "rules.yaml"
    path.write_text(text)
    process = world.perception(list(replies), query="red tote", rules_file=str(path), **parameters)
    return path, process


def test_an_event_its_bool_and_the_life_cycle(world):
    start(world)
    events = world.listen(String, "events")
    flag = world.listen(Bool, "rules/tote_left", qos.LATCHED)
    assert flag.next().data is False
    world.camera().start()
    begun = events.next_json(of("tote_left", "begin"))
    assert flag.next().data is True
    assert (begun["zone"], begun["frame_id"]) == ("left", "lens")
    assert begun["tracks"][0]["label"] == "red tote"
    assert begun["evidence_stamp"] is not None
    assert begun["probability"] >= 0.8
    update = events.next_json(of("tote_left", "update"))
    assert update["id"] == begun["id"]

    late = world.listen(Bool, "rules/tote_left", qos.LATCHED)  # joins late
    assert late.next().data is True
    assert world.change_state("deactivate")
    ended = events.next_json(of("tote_left", "end"))
    assert (ended["id"], ended["reason"]) == (begun["id"], "stopped")
    assert flag.next().data is False
    assert world.change_state("activate")
    again = events.next_json(of("tote_left", "begin"))
    assert again["id"] != begun["id"]
    assert "Traceback" not in world.log()


def test_an_event_names_the_stored_frame_at_which_it_began(world):
    folder = world.folder / "samples"
    start(world, **{"collect.folder": str(folder), "collect.below_confidence": 0.0})
    events = world.listen(String, "events")
    world.camera().start()
    begun = events.next_json(of("tote_left", "begin"))
    name, stamp = begun["snapshot"], begun["stamp"]
    assert name == f"camera_{stamp['sec'] * 10**9 + stamp['nanosec']}.jpg"
    until((folder / "images" / name).exists)
    assert events.next_json(of("tote_left", "update"))["snapshot"] == name
    assert world.change_state("deactivate")
    assert events.next_json(of("tote_left", "end"))["snapshot"] == name


def test_the_file_is_read_again_and_mistakes_change_nothing(world):
    path, _ = start(world)
    events = world.listen(String, "events")
    world.camera().start()
    begun = events.next_json(of("tote_left", "begin"))

    path.write_text(RULES.replace("enter", "entre"))
    wrong = world.health("rules", lambda s: s.level == DiagnosticStatus.ERROR)
    assert "there is no kind of rule 'entre'; did you mean 'enter'?" in wrong.message
    assert values(wrong)["rules"] == "1"
    assert events.next_json(of("tote_left", "update"))["id"] == begun["id"]

    path.write_text(RULES + "  any_left: {when: count, zone: left, above: 0, topic: true}\n")
    status = world.health(
        "rules", lambda s: s.level == DiagnosticStatus.OK and values(s)["rules"] == "2"
    )
    assert "2 rules" in status.message
    events.next_json(of("any_left", "begin"))
    assert world.listen(Bool, "rules/any_left", qos.LATCHED).next(lambda m: m.data).data is True
    assert events.next_json(of("tote_left", "update"))["id"] == begun["id"]

    path.write_text("rules: {any_left: {when: count, above: 0}}")
    ended = events.next_json(of("tote_left", "end"))
    assert ended["reason"] == "rules_changed"


def test_rules_can_be_set_while_the_node_runs_and_wrong_ones_are_refused(world):
    world.perception([TOTE], query="red tote")
    events = world.listen(String, "events")
    world.camera().start()
    path = world.folder / "later.yaml"
    path.write_text(RULES.replace("zone: left", "zone: lift"))
    refused = world.set_parameters(rules_file=str(path))
    assert not refused.successful
    assert "later.yaml:5: rules.tote_left.zone: there is no zone 'lift'" in refused.reason
    path.write_text(RULES)
    assert world.set_parameters(rules_file=str(path)).successful
    events.next_json(of("tote_left", "begin"))
    assert world.set_parameters(query="person").successful
    status = world.health("rules", lambda s: s.level == DiagnosticStatus.WARN)
    assert status.message == "the query names no label of tote_left"
    assert world.set_parameters(rules_file="").successful
    world.health("rules", lambda s: values(s)["rules"] == "0")


def test_a_node_with_wrong_rules_does_not_start(world):
    _, process = start(world, RULES.replace("zone: left", "zone: lift"), wait=False)
    assert process.ended() == 2
    assert "configuring failed: rules.yaml:5: rules.tote_left.zone: there is no zone" in world.log()
    assert "Traceback" not in world.log()
