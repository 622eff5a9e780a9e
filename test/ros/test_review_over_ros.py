# SPDX-License-Identifier: Apache-2.0
"""The review gate over DDS: events wait for an answer of the page, or for their time to be up."""

import http.client
import json
import re
import signal
import subprocess
import sys

from std_msgs.msg import Bool, String

from lfmvl_ros.ros import qos

from ..domains import next_port
from ..waiting import PATIENCE_S, until
from .conftest import Process
from .test_rules_over_ros import of, start

ZONE = "zones: {left: {image: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}\nrules:\n"
ASKS = "{when: enter, label: red tote, zone: left, topic: true, review: true%s}\n"
YES = {"schema": "lfmvl/review_answer/1", "verdict": "yes"}


class Page:
    """``lfmvl review`` as a process of its own."""

    def __init__(self, world, port):
        command = [sys.executable, "-m", "lfmvl_ros.cli.main", "review", "--out"]
        command += [str(world.folder / "review"), "--topic", f"{world.namespace}/review"]
        self.process = Process(
            [*command, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        world.processes.append(self.process)
        line = self.process.stdout.readline().decode()
        match = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w-]+/)", line)
        assert match, line + self.process.stdout.read().decode()
        self.port, self.path = int(match[1]), match[2]

    def ask(self, path, document=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        body = None if document is None else json.dumps(document)
        connection.request("GET" if body is None else "POST", self.path + path, body)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
        assert answer.status == 200, found
        return found

    def items(self, count=1):
        """Wait until so many items wait; return them."""
        return until(lambda: found if len(found := self.ask("items")["items"]) == count else None)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()


def test_an_event_waits_for_the_answer_of_the_page(world):
    start(world, ZONE + "  tote_left: " + ASKS % "", review__timeout_s=600.0)
    events, settled = world.listen(String, "events"), world.listen(String, "review", qos.REVIEW)
    flag = world.listen(Bool, "rules/tote_left", qos.LATCHED)
    world.camera(wh=(160, 120)).start(5.0)
    asked = settled.next_json(lambda d: d["state"] == "asked")
    assert (asked["rule"], asked["label"], asked["unanswered"]) == ("tote_left", "red tote", "drop")

    page = Page(world, next_port())  # started after it was asked
    (item,) = page.items()
    assert item["id"] == asked["id"]
    page.kill()
    again = Page(world, page.port)
    assert again.path == page.path
    (item,) = again.items()
    assert events.empty
    assert flag.next().data is False

    again.ask("answer", {**YES, "id": item["id"]})
    begun = events.next_json()
    assert (begun["state"], begun["rule"]) == ("begin", "tote_left")
    assert flag.next().data is True
    told = settled.next_json(lambda d: d["state"] == "settled")
    assert (told["id"], told["outcome"], told["published"]) == (item["id"], "yes", True)
    labels = world.folder / "review" / "labels" / "annotations" / "instances.json"
    until(lambda: labels.exists() and json.loads(labels.read_text())["annotations"])
    again.kill()
    assert "Traceback" not in world.log()


def test_without_an_answer_the_rule_decides(world):
    rules = ZONE + "  doubtful: " + ASKS % "" + "  urgent: " + ASKS % ", unanswered: publish"
    start(world, rules, review__timeout_s=1.0)
    events, review = world.listen(String, "events"), world.listen(String, "review", qos.REVIEW)
    answers = world.node.create_publisher(String, "review_answers", qos.EVENTS)
    world.camera().start()
    answers.publish(String(data="no answer at all"))
    told = [review.next_json(lambda d: d["state"] == "settled") for _ in range(2)]
    assert {(d["rule"], d["outcome"], d["published"]) for d in told} == {
        ("doubtful", "timeout", False),
        ("urgent", "timeout", True),
    }
    assert events.next_json(of("urgent", "begin"))
    assert world.change_state("deactivate")
    assert events.next_json(lambda d: d["state"] == "end")["rule"] == "urgent"
    assert "Traceback" not in world.log()
