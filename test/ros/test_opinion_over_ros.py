# SPDX-License-Identifier: Apache-2.0
"""A node that asks a second model about crops of its tracks, over DDS; recordings play both."""

import json

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import String
from std_srvs.srv import Trigger

from ..domains import next_port
from ..schemas import check
from ..waiting import until
from .conftest import values

TOTE = {"text": json.dumps([{"label": "tote", "bbox": [0.3, 0.3, 0.7, 0.7]}]), "delay_s": 0.05}
# The box in a crop with half of its size around it.
THERE = {"text": json.dumps([{"label": "tote", "bbox": [0.25, 0.25, 0.75, 0.75]}])}
NOTHING = {"text": "[]"}
SETTINGS = {"opinion__labels": ["tote"], "opinion__below_confidence": 1.0, "query": "tote"}


def start(world, second, **more):
    """Start a node with a recording, or an address, as its second model; return its audit file."""
    audit = world.folder / "audit.jsonl"
    model = second if isinstance(second, str) else str(world.recording("second", second))
    settings = {**SETTINGS, "opinion__period_s": 0.2, "opinion__per_minute": 6000, **more}
    world.perception([TOTE], opinion__model=model, opinion__audit_file=str(audit), **settings)
    return audit


def lines(audit):
    return [check(json.loads(line)) for line in audit.read_text().splitlines()]


def confidence_after(states, says):
    """Return the confidence of a track about which the second model has said this."""

    def told(document):
        return any(track.get("opinion", {}).get("says") == says for track in document["tracks"])

    (track,) = states.next_json(told)["tracks"]
    assert track["opinion"]["model"] == "second.jsonl"
    return track["confidence"]


@pytest.mark.parametrize(("second", "says"), [(THERE, "agree"), (NOTHING, "disagree")])
def test_agreement_raises_and_contradiction_lowers(world, second, says):
    states = world.listen(String, "track_states")
    # No opinion until the track has been published without one.
    audit = start(world, [second], opinion__labels=["other"])
    world.camera().start(rate_hz=20.0)
    sure = states.next_json(lambda d: any(t["state"] == "confirmed" for t in d["tracks"]))
    (before,) = sure["tracks"]
    assert "opinion" not in before
    assert not audit.read_text(), "no crop of another label has left"
    assert world.set_parameters(opinion__labels=["tote"]).successful
    confidence = confidence_after(states, says)
    if says == "agree":
        assert confidence > before["confidence"] + 0.1
    else:
        assert confidence < before["confidence"] - 0.1
        lost = states.next_json(lambda d: any(t["state"] == "tentative" for t in d["tracks"]))
        assert [t["id"] for t in lost["tracks"]] == [before["id"]]
    key = "agreed" if says == "agree" else "disagreed"
    health = world.health("opinion", lambda s: int(values(s)[key]) >= 2)
    assert health.level == DiagnosticStatus.OK
    noted = lines(audit)
    assert [line["outcome"] for line in noted[:2]] == ["sent", says]
    assert noted[0]["label"] == "tote"
    assert noted[0]["to"].endswith("second.jsonl")
    assert noted[0]["taken"][0] < 64, "a crop, not the image"
    log = world.log()
    assert "second opinion: crops of other stay on this machine" in log
    assert "Traceback" not in log


def test_the_budget_of_a_day_is_kept_across_restarts(world):
    audit = start(world, [THERE], opinion__per_day=2)
    world.camera().start(rate_hz=20.0)
    health = world.health("opinion", lambda s: int(values(s)["refused_by_budget"]) >= 1)
    assert values(health)["asked"] == "2"
    assert "used up" in health.message
    assert world.change_state("deactivate")
    assert world.change_state("cleanup")
    assert world.change_state("configure")
    assert world.change_state("activate")
    health = world.health(
        "opinion",
        lambda s: values(s)["asked"] == "0" and int(values(s)["refused_by_budget"]) >= 1,
    )
    assert values(health)["asked_today"] == "2"
    assert [line["outcome"] for line in lines(audit)] == ["sent", "agree"] * 2
    assert "Traceback" not in world.log()


def test_without_its_server_everything_else_works_and_it_says_so(world):
    states = world.listen(String, "track_states")
    audit = start(world, f"http://127.0.0.1:{next_port()}/v1#large")
    world.camera().start(rate_hz=20.0)
    states.next_json(lambda d: any(t["state"] == "confirmed" for t in d["tracks"]))
    health = world.health("opinion", lambda s: s.level == DiagnosticStatus.WARN)
    assert "no second opinion: " in health.message
    assert values(health)["asked"] == "0"
    assert not audit.read_text()
    document = states.next_json(lambda d: d["tracks"])
    assert "opinion" not in document["tracks"][0]
    response = world.call(Trigger, "second_opinion")
    assert not response.success
    assert "no second opinion" in response.message
    assert world.health_now("model").level == DiagnosticStatus.OK
    assert "Traceback" not in world.log()


def test_on_request_it_is_asked_about_certain_tracks(world):
    audit = start(world, [THERE], opinion__below_confidence=0.0)
    states = world.listen(String, "track_states")
    world.camera().start(rate_hz=20.0)
    states.next_json(lambda d: any(t["state"] == "confirmed" for t in d["tracks"]))
    world.health("opinion", lambda s: "0 crops" in s.message)
    assert not audit.read_text()
    answered = []
    until(  # the track is there in most moments
        lambda: answered and answered[-1].success,
        doing=lambda: answered.append(world.call(Trigger, "second_opinion")),
        told=lambda: answered[-1].message,
        every_s=0.2,
    )
    assert "asks about 1 tracks" in answered[-1].message
    confidence_after(states, "agree")
    assert world.set_parameters(opinion__labels=[""]).successful
    response = world.call(Trigger, "second_opinion")
    assert not response.success
    assert "opinion.labels" in response.message
    world.health("opinion", lambda s: s.level == DiagnosticStatus.WARN)
    refused = world.set_parameters(opinion__model="http://elsewhere.example/v1")
    assert not refused.successful, "no other node can redirect what leaves"
    assert "Traceback" not in world.log()


def test_off_by_default(world):
    world.perception([TOTE], query="tote")
    response = world.call(Trigger, "second_opinion")
    assert not response.success
    assert "opinion.model is empty" in response.message


def test_an_audit_file_that_can_not_be_written_refuses_to_configure(world):
    process = world.perception(
        [TOTE], wait=False, **SETTINGS, opinion__model="bundled", opinion__audit_file="/proc/x/y"
    )
    assert process.ended() == 2
    assert "/proc" in world.log()
    assert "Traceback" not in world.log()
