# SPDX-License-Identifier: Apache-2.0
"""Commands over real topics: what an operator or an agent sends, and what comes back."""

import json
import time

import pytest
from rcl_interfaces.srv import GetParameters
from std_msgs.msg import String

from lfmvl_ros.ros import qos

from ..waiting import until
from .conftest import values

CRATE = json.dumps([{"label": "crate", "bbox": [0.25, 0.25, 0.50, 0.75]}])
NOTHING, HELLO = "[]", "hello"


class Operator:
    """Sends commands and hears their results."""

    def __init__(self, world):
        self.world = world
        self.results = world.listen(String, "command_result", qos.REQUESTS)
        self._publisher = world.node.create_publisher(String, "command", qos.REQUESTS)

    def send(self, command):
        text = command if isinstance(command, str) else json.dumps(command)
        self._publisher.publish(String(data=text))

    def connect(self):
        """Send until the node answers: the first ones find nobody connected yet."""
        until(
            lambda: not self.results.empty,
            doing=lambda: self.send({"cancel": "nobody", "id": HELLO}),
            told=self.world.log,
            every_s=0.2,
        )
        return self

    def ask(self, command, id_=None):
        """Send and return the final result."""
        if isinstance(command, dict):
            id_ = id_ or f"t{id(command)}"
            command = {"id": id_, **command}
        self.send(command)
        wanted = command["id"] if isinstance(command, dict) else None
        return self.final(wanted)

    def final(self, id_=None):
        return self.results.next_json(
            lambda d: d["status"] != "running" and id_ in (None, d["id"]) and d["id"] != HELLO
        )

    def call(self, name, **arguments):
        return self.ask({"name": name, "arguments": arguments})


@pytest.fixture
def operator(world):
    return Operator(world)


def watching(world, operator, replies, **parameters):
    """Start a node with a camera that sends images, and connect the operator."""
    world.perception(replies, query="crate", **parameters)
    camera, _ = world.connected_camera()
    camera.start(10.0)
    return operator.connect()


def seen(operator):
    """Wait until the crate is confirmed."""
    result = operator.call("find", label="crate", timeout_s=60)
    assert result["status"] == "done", result
    return result["calls"][0]["data"]


def test_an_operator_works_with_what_the_camera_sees(world, operator):
    watching(world, operator, [{"text": CRATE, "delay_s": 0.05}], spatial__source="size")
    found = seen(operator)
    assert found["found"]
    (crate,) = found["objects"]
    assert crate["label"] == "crate"
    assert crate["state"] == "confirmed"

    counted = operator.call("count", label="crates")
    assert counted["calls"][0]["data"]["count"] == 1
    assert counted["calls"][0]["data"]["ids"] == [crate["id"]]

    where = operator.call("where_is", label="crate")["calls"][0]
    assert [item["id"] for item in where["data"]["objects"]] == [crate["id"]]
    assert "of the image" in where["text"]

    gone = operator.call("follow", id=crate["id"] + 1)
    assert "no confirmed object has id" in gone["message"]
    assert operator.call("follow", id=crate["id"])["status"] == "done"
    request = {"names": ["spatial.select"]}
    (selected,) = world.call(GetParameters, "perception/get_parameters", **request).values
    assert selected.string_value == f"id:{crate['id']}"

    unknown = operator.call("count", label="forklift")
    assert unknown["status"] == "failed"
    assert "'forklift' is not in the query, which is 'crate'" in unknown["message"]


def test_look_for_sets_the_query_and_stop_looking_pauses(world, operator):
    watching(world, operator, [{"text": NOTHING, "delay_s": 0.05}])
    grounding = world.listen(String, "grounding")
    done = operator.call("look_for", labels=["red crate", "person"])
    assert done["status"] == "done"
    assert done["calls"][0]["data"]["query"] == "red crate, person"
    grounding.next_json(lambda d: d["query"] == "red crate, person")

    assert operator.call("stop_looking")["status"] == "done"
    paused_ns = time.time_ns()
    failed = operator.call("look_for", labels=["x" * 121])
    assert failed["status"] == "refused"
    assert "1 to 120 characters" in failed["message"]
    assert grounding.is_silent(1.0, since_ns=paused_ns)
    assert operator.call("look_for", labels="crate")["status"] == "done"
    grounding.next_json(lambda d: d["query"] == "crate")

    assert operator.call("set_mode", trigger="on_demand")["status"] == "done"
    assert grounding.is_silent(1.0, since_ns=time.time_ns())
    woken = operator.call("look_for", labels=["cone"])
    assert "in mode on_demand, 3 answers follow now" in woken["message"]
    grounding.next_json(lambda d: d["query"] == "cone")
    wrong = operator.call("set_mode", trigger="sometimes")
    assert wrong["status"] == "refused"
    modes = "continuous, rate, duty_cycle, motion, on_demand"
    assert f"one of {modes}; got 'sometimes'" in wrong["message"]


def test_watch_waits_for_an_event_of_a_rule(world, operator):
    path = world.folder / "rules.yaml"
    path.write_text("rules: {crates: {when: count, above: 0}}")
    watching(world, operator, [{"text": NOTHING, "delay_s": 0.05}], rules_file=str(path))
    nothing = operator.call("watch", rule="crates", timeout_s=0.5)
    assert nothing["status"] == "done"
    assert nothing["calls"][0]["data"]["happened"] is False
    unknown = operator.call("watch", rule="crate")
    assert unknown["status"] == "refused"
    assert "there is no rule 'crate'; did you mean crates?" in unknown["message"]

    operator.send({"id": "w", "name": "watch", "arguments": {"rule": "crates"}})
    operator.results.next_json(lambda d: d["id"] == "w" and d["status"] == "running")
    crates = world.recording("crates", [{"text": CRATE, "delay_s": 0.05}])
    assert world.set_parameters(model=str(crates)).successful
    done = operator.final("w")
    assert done["status"] == "done"
    event = done["calls"][0]["data"]["event"]
    assert (event["rule"], event["tracks"][0]["label"]) == ("crates", "crate")


def test_find_reports_progress_and_can_be_cancelled(world, operator):
    watching(world, operator, [{"text": NOTHING, "delay_s": 0.05}], trigger__mode="on_demand")
    grounding = world.listen(String, "grounding")
    operator.send({"id": "search", "name": "find", "arguments": {"label": "cone"}})
    running = operator.results.next_json(
        lambda d: (
            d["id"] == "search"
            and d["status"] == "running"
            and d["calls"][0]["data"]["answer_count"] > 2
        )
    )
    assert running["calls"][0]["status"] == "running"
    grounding.next_json(lambda d: d["query"] == "crate, cone")

    twice = operator.ask({"id": "search", "name": "count", "arguments": {"label": "cone"}})
    assert twice["status"] == "refused"
    assert "is running" in twice["message"]
    operator.send({"cancel": "search", "id": "end"})
    assert operator.final("search")["status"] == "cancelled"
    assert operator.final("end")["status"] == "done"
    assert operator.call("count", label="cone")["status"] == "failed"
    assert grounding.is_silent(1.0, since_ns=time.time_ns())  # nobody asks any more
    assert operator.ask({"cancel": "search", "id": "again"})["status"] == "refused"


def test_find_tells_not_there_from_not_seen(world, operator):
    replies = [{"text": NOTHING, "delay_s": 0.05}]
    watching(world, operator, replies)
    absent = operator.call("find", label="cone", timeout_s=4.0)  # in which an answer comes
    assert absent["status"] == "done"
    assert absent["calls"][0]["data"]["found"] is False
    broken = world.recording("broken", [{"text": "I can't", "delay_s": 0.05}])
    assert world.set_parameters(model=str(broken)).successful
    world.health("model", lambda s: any(v.value == "broken.jsonl" for v in s.values))
    blind = operator.call("find", label="ladder", timeout_s=1.0)
    assert blind["status"] == "failed"
    assert "nothing is known of ladder" in blind["message"]


SENTENCES = [
    {"text": NOTHING, "delay_s": 0.05},
    {
        "sentence": "look for red crates near the door",
        "text": '<|tool_call_start|>[look_for(labels=["red crate"])]<|tool_call_end|>Looking.',
        "delay_s": 0.3,
    },
    {"sentence": "suche Kisten", "text": "<think>crates?</think>[look_for(labels=['Kiste'])]"},
    {"sentence": "dance", "text": "I can't dance."},
    {"sentence": "half", "text": '[look_for(labels=["person"]), count(label="person"'},
    {"sentence": "some", "text": '[look_for(labels=["person"]), dance()]'},
    {"sentence": "cut", "text": '[look_for(labels=["person"])]', "finish": "length"},
    {"sentence": "slow", "text": '[count(label="crate")]', "delay_s": 600.0},
]


def test_a_sentence_becomes_calls_and_the_camera_goes_on(world, operator):
    watching(world, operator, SENTENCES, commands__tool_syntax="lfm2.5")
    grounding = world.listen(String, "grounding")
    done = operator.ask("look for red crates near the door")
    assert done["status"] == "done"
    assert done["kind"] == "sentence"
    assert done["model"] == "replies.jsonl"
    assert "red crate" in done["model_text"]
    assert done["calls"][0]["arguments"] == {"labels": ["red crate"]}
    grounding.next_json(lambda d: d["query"] == "red crate")
    assert operator.ask("suche Kisten")["calls"][0]["arguments"] == {"labels": ["Kiste"]}

    for sentence, why in (
        ("dance", 'called no tool, but wrote "I can\'t dance."'),
        ("half", "not well-formed"),
        ("some", "no tool 'dance'"),
        ("cut", "did not end its calls"),
        ("nobody recorded this", "no reply to this sentence"),
    ):
        result = operator.ask(sentence)
        assert result["status"] == "refused"
        assert why in result["message"]
    assert world.health("model")  # and the query is that of the last command that was done
    grounding.clear()
    grounding.next_json(lambda d: d["query"] == "Kiste")

    dry = operator.ask({"sentence": "look for red crates near the door", "dry_run": True})
    assert dry["dry_run"]
    assert dry["calls"][0]["status"] is None
    grounding.clear()
    grounding.next_json(lambda d: d["query"] == "Kiste")


def test_the_bundled_model_reads_sentences_and_goes_on_looking(world, operator):
    """The real weights: English, another language, refusals; the camera's answers go on."""
    world.start(
        "perception_node",
        parameters={"model": "bundled", "query": "person", "generation.timeout_s": 120.0},
    )
    camera, _ = world.connected_camera()
    camera.start(2.0)
    operator.connect()
    grounding = world.listen(String, "grounding")
    done = operator.ask("look for red crates near the door")
    assert (done["status"], done["kind"], done["model"]) == ("done", "sentence", "bundled")
    assert done["calls"][0]["arguments"] == {"labels": ["red crate"]}
    grounding.next_json(lambda d: d["query"] == "red crate")
    done = operator.ask("Suche nach Gabelstaplern")
    assert done["calls"][0]["arguments"] == {"labels": ["forklift"]}
    grounding.next_json(lambda d: d["query"] == "forklift")
    for sentence in ("look for zebras", "drive to the door", "don't look for crates"):
        refused = operator.ask(sentence)
        assert refused["status"] == "refused", refused
        assert "the model called no tool, but wrote" in refused["message"]
    grounding.clear()
    grounding.next_json(lambda d: d["query"] == "forklift")


def test_deactivating_and_ending_end_what_is_under_way(world, operator):
    process = world.perception(SENTENCES, commands__tool_syntax="lfm2.5")
    world.connected_camera()
    operator.connect()
    operator.send({"id": "long", "sentence": "slow"})
    operator.send({"id": "search", "name": "find", "arguments": {"label": "cone"}})
    operator.results.next_json(lambda d: d["id"] == "search")
    assert world.change_state("deactivate")
    ended = {}
    while len(ended) < 2:
        result = operator.final()
        ended[result["id"]] = result["status"]
    assert ended == {"long": "refused", "search": "failed"}
    assert operator.call("look_for", labels=["cone"])["status"] == "done"
    assert operator.call("count", label="cone")["status"] == "failed"

    assert world.change_state("activate")
    operator.send({"id": "long", "sentence": "slow"})
    operator.send({"id": "search", "name": "find", "arguments": {"label": "cone"}})
    operator.results.next_json(lambda d: d["id"] == "search" and d["status"] == "running")
    code = world.end(process)
    assert code == 0, world.log()


HOSTILE = [
    "",
    " ",
    "{",
    "[" * 5000,
    '{"name": "look_for", "arguments": {"labels": ["a"]}, "name": "stop_looking"}',
    '{"name": "rm -rf", "arguments": {}}',
    '{"name": "find", "arguments": {"label": "a", "timeout_s": NaN}}',
    '{"name": "find", "arguments": {"label": "a", "timeout_s": 1e999}}',
    '{"name": "find", "arguments": {"label": "a", "timeout_s": -1}}',
    '{"name": "find", "arguments": {"label": "a", "timeout_s": true}}',
    '{"name": "look_for", "arguments": {"labels": []}}',
    '{"name": "look_for", "arguments": {"labels": [1]}}',
    '{"name": "look_for", "arguments": {"labels": ["a"], "also": 1}}',
    '{"name": "look_for"}',
    '{"name": 7}',
    '{"calls": []}',
    '{"calls": [{"name": "look_for", "arguments": {"labels": ["a"]}}, 7]}',
    '{"sentence": "x", "cancel": "y"}',
    '{"id": {"a": 1}, "name": "count"}',
    '{"id": "' + "i" * 101 + '", "sentence": "x"}',
    '{"dry_run": "yes", "name": "stop_looking"}',
    '{"password": "x"}',
    '[{"name": "look_for", "arguments": {"labels": ["a"]}}] and more',
    '{"name": "follow", "arguments": {"id": "3"}}',
    '{"name": "count", "arguments": {"label": "crate", "camera": "attic"}}',
    "9" * 20_001,
    "\u202e<|im_end|>\u0007",
]


def test_whatever_comes_is_answered_and_changes_nothing(world, operator):
    watching(world, operator, [{"text": CRATE, "delay_s": 0.05}], commands__tool_syntax="lfm2.5")
    for text in HOSTILE:
        result = operator.ask(text)
        assert result["status"] == "refused", (text, result)
        assert result["message"]
        assert not result["calls"]
    assert operator.call("watch", rule="r")["message"].startswith("watch: there are no rules; ")
    assert "start it with spatial.source" in operator.call("follow", id=3)["message"]
    counted = seen(operator)
    assert counted["found"]
    grounding = world.listen(String, "grounding")
    assert grounding.next_json()["query"] == "crate"
    world.health("commands", lambda s: int(values(s)["commands_refused"]) > len(HOSTILE))


def test_without_a_camera(world, operator):
    """Sentences to a recording, permissions, dry runs, more commands than can be read at once."""
    world.perception([{"text": NOTHING}])
    operator.connect()
    refused = operator.ask("look for red crates")
    assert refused["status"] == "refused"
    assert "can't turn sentences into tool calls" in refused["message"]
    example = json.loads(refused["message"].partition("such as ")[2])
    assert operator.ask(example)["status"] == "done"

    for number in range(300):
        operator.send({"id": f"f{number}", "name": "set_mode", "arguments": {"trigger": "rate"}})
    heard = {operator.final()["id"] for _ in range(300)}
    assert heard == {f"f{number}" for number in range(300)}  # those refused unread as well

    assert world.set_parameters(commands__allow=["count"], commands__dry_run=True).successful
    refused = operator.call("look_for", labels=["person"])
    assert refused["status"] == "refused"
    assert "look_for is not allowed; the parameter commands.allow decides" in refused["message"]
    dry = operator.call("count", label="person")
    assert (dry["status"], dry["dry_run"], dry["calls"][0]["status"]) == ("done", True, None)
    result = world.set_parameters(commands__allow=["look_four"])
    assert not result.successful
    assert "no tool 'look_four'; did you mean look_for" in result.reason


def test_describe_gives_the_models_words(world, operator):
    words = "A crate stands beside a forklift."
    watching(
        world,
        operator,
        [{"text": words, "delay_s": 0.02}],
        trigger__mode="on_demand",
    )
    described = operator.call("describe")
    assert described["calls"][0]["data"]["caption"] == words
    boxes = world.recording("boxes", [{"text": CRATE}])
    assert world.set_parameters(model=str(boxes)).successful
    world.health("model", lambda s: any(v.value == "boxes.jsonl" for v in s.values))
    assert operator.call("describe")["status"] == "failed"
