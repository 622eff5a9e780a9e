# SPDX-License-Identifier: Apache-2.0
"""``lfmvl say`` as a process, with a real node over real topics."""

import json
import os
import signal
import subprocess
import sys

import pytest
from std_msgs.msg import String

from lfmvl_ros.ros import qos

from ..domains import next_domain
from ..schemas import check
from ..terminal_signals import default_signals
from ..waiting import PATIENCE_S, until

CRATE = json.dumps([{"label": "crate", "bbox": [0.25, 0.25, 0.50, 0.75]}])
COMMAND = [sys.executable, "-m", "lfmvl_ros.cli.main", "say"]


def started(world, *words, timeout_s=PATIENCE_S):
    return subprocess.Popen(
        [*COMMAND, "--namespace", world.namespace, "--timeout", f"{timeout_s:g}", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=default_signals,  # noqa: PLW1509 (only system calls)
    )


def ended(process):
    """Return exit code, lines of output and lines of errors of a command."""
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in errors
    return process.returncode, output.splitlines(), errors.splitlines()


def said(world, *words, **options):
    return ended(started(world, *words, **options))


def call(name, **arguments):
    return json.dumps({"name": name, "arguments": arguments})


@pytest.fixture
def node(world):
    """A node that sees a crate, with a camera that sends images."""
    process = world.perception([{"text": CRATE, "delay_s": 0.05}], query="crate")
    camera, _ = world.connected_camera()
    camera.start(10.0)
    return process


def test_what_was_done_and_refused(world, node):
    code, lines, _ = said(world, call("look_for", labels=["crate", "cone"]), "--json")
    assert (code, lines[:2]) == (
        0,
        ['understood: look_for(labels=["crate", "cone"])', "done: looking for: crate, cone"],
    )
    result = check(json.loads(lines[2]))
    assert result["status"] == "done"
    assert result["id"].startswith("say-")
    assert len(lines) == 3

    code, lines, _ = said(world, '{"id": 7, "name": "set_mode", "arguments": {"trigger": "x"}}')
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("refused, nothing was done: ")
    assert "got 'x'" in lines[0]

    code, lines, _ = said(world, '{"id": "", "name": "stop_looking"}', "--json")
    assert code == 0
    assert json.loads(lines[-1])["id"].startswith("say-")

    code, lines, _ = said(world, "count", "the", "crates", "--json")  # a replay reads no sentences
    assert code == 1
    assert "can't turn sentences into tool calls" in lines[0]
    assert json.loads(lines[-1])["kind"] == "sentence"

    code, lines, _ = said(world, call("stop_looking"), "--dry-run")
    assert (code, lines) == (
        0,
        ["understood: stop_looking()", "dry run: understood; nothing was done"],
    )

    code, lines, _ = said(world, call("count", label="ladder"))
    assert code == 1
    assert lines[-1].startswith("failed: ")
    assert "'ladder' is not in the query" in lines[-1]


def test_results_of_others_are_not_taken_for_its_own(world, node):
    results = world.listen(String, "command_result", qos.REQUESTS)
    others = world.node.create_publisher(String, "command", qos.own(qos.REQUESTS))
    foreign = world.node.create_publisher(String, "command_result", qos.own(qos.REQUESTS))
    process = started(world, call("find", label="cone", timeout_s=8), "--json")
    id_ = results.next_json(lambda d: d["status"] == "running")["id"]
    for other in ({"id": "another"}, {}):
        others.publish(String(data=json.dumps(other | json.loads(call("count", label="crate")))))
        results.next_json(lambda d: d["id"] != id_ and d["status"] == "done")
    until(lambda: foreign.get_subscription_count() > 1)  # this process and the command
    for text in ("nonsense", "[1]", json.dumps({"id": id_, "status": "done"})):
        foreign.publish(String(data=text))
    code, lines, errors = ended(process)
    final = json.loads(lines[-1])
    assert (final["id"], final["calls"][0]["name"]) == (id_, "find")
    assert (code, final["status"]) == (0, "done")
    assert lines[1].startswith("done: no cone was confirmed within ")
    assert any("looking for cone" in line for line in errors)
    told = [line for line in errors if "a message of command_result can't be used" in line]
    assert len(told) == 3


def test_ctrl_c_cancels_the_command(world, node):
    results = world.listen(String, "command_result", qos.REQUESTS)
    process = started(world, call("find", label="cone", timeout_s=500))
    id_ = results.next_json(lambda d: d["status"] == "running")["id"]
    process.stderr.readline()  # it has heard of it, too
    process.send_signal(signal.SIGINT)
    code, lines, errors = ended(process)
    assert (code, lines, errors[-1]) == (130, [], "lfmvl say: interrupted")
    results.next_json(lambda d: d["id"] == id_ and d["status"] == "cancelled")


def test_ctrl_c_while_it_waits_for_a_node(world):
    process = started(world, "look for crates")
    topic = f"{world.namespace}/command"
    until(lambda: world.node.count_publishers(topic))
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, [], ["lfmvl say: interrupted"])


def test_nobody_listens(ros):
    domain, other = os.environ["ROS_DOMAIN_ID"], next_domain()
    words = [*COMMAND, "look for crates", "--timeout", "1"]
    alone = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (alone.returncode, alone.stdout, alone.stderr) == (
        2,
        "",
        f"lfmvl say: no perception node answers commands in /lfmvl of ROS domain {domain} within "
        "1 s; start it, or compare --namespace and ROS_DOMAIN_ID with the node's; "
        "`lfmvl demo` is in domain 77: add --domain 77\n",
    )
    for more, why in (
        (["--domain", other], f"of ROS domain {other} within 1 s; "),
        (["--namespace", "/no spaces"], "'/no spaces' is not a namespace"),
        (["--namespace", "/a" * 120], "of at most 180 letters, digits and underscores"),
        (["--namespace", "\udced\udca0\udc80"], "is not a namespace; give one such as /lfmvl"),
    ):
        done = subprocess.run([*words, *more], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert why in done.stderr


@pytest.mark.parametrize("domain", ["300", "1e3", "0x1"])
def test_a_domain_that_cannot_be_is_one_line(ros, monkeypatch, domain):
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    done = subprocess.run([*COMMAND, "hello"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        f"lfmvl say: ROS can't start: ROS_DOMAIN_ID is '{domain}'; it is to be a plain whole "
        "number from 0 to 232, such as 7\n",
    )


class Impostor:
    """Takes commands as a node does, answers greetings if it is to, and nothing else."""

    def __init__(self, world, greets):
        self._results = world.node.create_publisher(String, "command_result", qos.own(qos.REQUESTS))
        self._greets, self.heard = greets, []
        world.node.create_subscription(String, "command", self._take, qos.own(qos.REQUESTS))

    def _take(self, message):
        command = json.loads(message.data)
        self.heard.append(command)
        if self._greets and command.get("dry_run"):
            parts = {"id": command["id"], "status": "done", "message": "", "calls": []}
            self._results.publish(String(data=json.dumps(parts)))


def test_a_node_that_does_not_answer(world):
    Impostor(world, greets=False)
    code, lines, errors = said(world, "look for crates", timeout_s=5)
    assert (code, lines, len(errors)) == (2, [], 1)
    assert "something takes commands in " in errors[0]
    assert "but did not answer within 5 s; is the node overloaded, or stopped?" in errors[0]

    done = subprocess.run(
        [*COMMAND, "hello", "--timeout", "5"], capture_output=True, text=True, check=False
    )
    assert f"nodes answer in {world.namespace}: name one with --namespace" in done.stderr
    assert "domain 77" not in done.stderr


def test_a_command_without_a_result_is_cancelled(world):
    node = Impostor(world, greets=True)
    code, lines, errors = said(world, "look for crates", timeout_s=5)
    assert (code, lines, len(errors)) == (2, [], 1)
    assert "no result of this command came for 5 s, so it is cancelled; raise " in errors[0]
    (sent,) = [command for command in node.heard if "sentence" in command]
    until(lambda: any(command.get("cancel") == sent["id"] for command in node.heard))
