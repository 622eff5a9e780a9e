# SPDX-License-Identifier: Apache-2.0
"""The heartbeat for Nav2's lifecycle manager: while active, if asked for, if bondpy is there."""

import json
import signal

import pytest
from std_msgs.msg import String

# bondpy is in no package index. This has its interface, and does to ROS what it does: a publisher
# of depth 1, a subscription, heartbeats from a thread, and a last message that says goodbye.
BONDPY = """
import json, threading, uuid
from std_msgs.msg import String

class Bond:
    def __init__(self, topic, id, node, on_broken=None, on_formed=None):
        self.id, self.topic, self.node = id, topic, node
        self.instance, self.is_shutdown = str(uuid.uuid4()), False
        self.condition = threading.Condition()
        self.pub = node.create_publisher(String, topic, 1)

    def set_heartbeat_period(self, period):
        self.period = period

    def set_heartbeat_timeout(self, timeout):
        self.timeout = timeout

    def start(self):
        self.sub = self.node.create_subscription(String, self.topic, lambda _: None, 1)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def tell(self, active):
        document = {"id": self.id, "active": active, "timeout": self.timeout}
        document["instance"] = self.instance
        self.pub.publish(String(data=json.dumps(document)))

    def run(self):
        with self.condition:
            while not self.is_shutdown:
                self.tell(True)
                self.condition.wait(self.period)

    def shutdown(self):
        if not self.is_shutdown:
            self.sub.destroy()
            with self.condition:
                self.is_shutdown = True
                self.tell(False)
                self.pub.destroy()
                self.condition.notify_all()

    def __del__(self):
        self.shutdown()
"""
REPLY = [{"text": "[]", "delay_s": 0.05}]


@pytest.fixture
def bondpy(world, monkeypatch):
    """Install bondpy for the processes of a test."""
    package = world.folder / "installed" / "bondpy"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "bondpy.py").write_text(BONDPY)
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=":")


def beat(message):
    """Return a heartbeat without the name of the bond's end."""
    document = json.loads(message.data)
    del document["instance"]
    return document


def test_a_bond_lasts_as_long_as_the_node_is_active(world, bondpy):
    beats = world.listen(String, "bond")
    world.perception(REPLY, bond_timeout=4.0)
    for _ in range(3):
        alive = {"id": "perception", "active": True, "timeout": 4.0}
        assert beat(beats.next()) == alive
        assert world.change_state("deactivate")
        beats.next(lambda m: not beat(m)["active"])
        assert beats.is_silent(0.5)
        assert world.change_state("activate")
    assert "Traceback" not in world.log()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay_s", [0.05, 60.0])  # between two answers, and inside of one
def test_a_bond_says_goodbye_when_the_process_is_told_to_end(world, bondpy, number, delay_s):
    beats = world.listen(String, "bond")
    process = world.perception([{"text": "[]", "delay_s": delay_s}], bond_timeout=4.0)
    camera, _ = world.connected_camera()
    camera.start()
    beats.next(lambda m: beat(m)["active"])
    code = world.end(process, number)
    assert code == 0, world.log()
    last = beats.next(lambda m: not beat(m)["active"])
    assert beat(last) == {"id": "perception", "active": False, "timeout": 4.0}
    assert beats.is_silent(0.5)
    assert "Traceback" not in world.log()


def test_without_bondpy_the_node_says_so_once_and_runs(world):
    beats = world.listen(String, "bond")
    world.perception(REPLY)
    assert "there is no bondpy" not in world.log()  # nobody asked
    assert world.set_parameters(bond_timeout=4.0).successful
    for _ in range(2):
        assert world.change_state("deactivate")
        assert world.change_state("activate")
    assert world.log().count("there is no bondpy") == 1
    assert "install ros-<distro>-bondpy" in world.log()
    assert beats.empty
