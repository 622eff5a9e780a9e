# SPDX-License-Identifier: Apache-2.0
"""The heartbeat for Nav2's lifecycle manager: while active, if asked for, if bondpy is there."""

import json

from std_msgs.msg import String

# Has bondpy's interface and a message that needs no ROS installation.
BONDPY = """
import json, threading
from std_msgs.msg import String

class Bond:
    def __init__(self, topic, id, node, on_broken=None, on_formed=None):
        self.id, self.ended = id, threading.Event()
        self.publisher = node.create_publisher(String, topic, 1)

    def set_heartbeat_period(self, period):
        self.period = period

    def set_heartbeat_timeout(self, timeout):
        self.timeout = timeout

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def tell(self, active):
        document = {"id": self.id, "active": active, "timeout": self.timeout}
        self.publisher.publish(String(data=json.dumps(document)))

    def run(self):
        while not self.ended.wait(self.period):
            self.tell(True)

    def shutdown(self):
        self.ended.set()
        self.thread.join()
        self.tell(False)
"""
REPLY = [{"text": "[]", "delay_s": 0.05}]


def test_a_bond_lasts_as_long_as_the_node_is_active(world, monkeypatch):
    package = world.folder / "installed" / "bondpy"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "bondpy.py").write_text(BONDPY)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    beats = world.listen(String, "bond")
    process = world.perception(REPLY, bond_timeout=4.0)
    for _ in range(2):
        alive = {"id": "perception", "active": True, "timeout": 4.0}
        assert json.loads(beats.next().data) == alive
        assert world.change_state("deactivate")
        beats.next(lambda m: not json.loads(m.data)["active"])
        assert beats.is_silent(0.5)
        assert world.change_state("activate")
    beats.next(lambda m: json.loads(m.data)["active"])
    code, _ = world.end(process)
    assert code == 0, world.log()
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
