# SPDX-License-Identifier: Apache-2.0
"""A node warns of labels that the checkpoint's card does not list, as long as it is asked."""

from std_msgs.msg import String

from lfmvl_ros.core.query import Query
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.diagnostics.health import WARN
from lfmvl_ros.ros.diagnostics.label_check import LabelCheck

from ...waiting import until


class Log:
    def __init__(self):
        self.lines = []

    def warning(self, text):
        self.lines.append(text)


def test_a_warning_is_logged_once_for_each_query_and_model():
    check = LabelCheck(log := Log())
    for _ in range(3):
        check.check("bundled", Query.parse("totes, person"))
    assert len(log.lines) == 1
    assert "does not list 'totes' (nearest: tote)" in log.lines[0]
    (health,) = check.health()
    assert (health.level, health.part, health.message) == (WARN, "labels", log.lines[0])
    check.check("bundled", Query.parse("tote, person"))
    assert check.health() == []
    check.check("LiquidAI/LFM2.5-VL-450M", Query.parse("totes"))  # its card lists no labels
    assert check.health() == []
    assert len(log.lines) == 1


def test_log_and_diagnostics_of_a_node(world):
    world.start("perception_node", parameters={"model": "bundled", "query": "submarine"})
    status = world.health("labels")
    assert status.level == bytes([WARN])
    assert "the card of bundled does not list 'submarine'" in status.message
    world.until_logged("the card of bundled does not list 'submarine'")
    ask = world.node.create_publisher(String, "query", qos.RESULTS)
    until(ask.get_subscription_count)
    ask.publish(String(data="totes"))
    world.health("labels", lambda s: "'totes' (nearest: tote)" in s.message)
