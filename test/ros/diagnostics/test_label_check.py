# SPDX-License-Identifier: Apache-2.0
"""A node warns of labels that the checkpoint's card does not list, as long as it is asked."""

import pytest
from std_msgs.msg import String

from lfmvl_ros.core.config import PerceptionSettings
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
    (health,) = check.health(PerceptionSettings())
    assert (health.level, health.part, health.message) == (WARN, "labels", log.lines[0])
    check.check("bundled", Query.parse("tote, person"))
    assert check.health(PerceptionSettings()) == []
    check.check("LiquidAI/LFM2.5-VL-450M", Query.parse("totes"))  # its card lists no labels
    assert check.health(PerceptionSettings()) == []
    assert len(log.lines) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"zoom.share": 0.5}, ""),
        ({"zoom.labels": ("tote", "crate")}, ""),  # zoom is off
        ({"zoom.share": 0.5, "zoom.labels": ("a Tote", "person")}, ""),
        (
            {"zoom.share": 0.5, "zoom.labels": ("tote", "crate", "drum")},
            "the query does not name crate, drum of zoom.labels",
        ),
        ({"spatial.select": "label:crate"}, ""),  # there are no positions
        (
            {"spatial.source": "size", "spatial.select": "label:crate"},
            "the query does not name crate of spatial.select",
        ),
        (
            {"spatial.source": "size", "spatial.sizes": ("drum=1x1x1", "tote=1x1x1")},
            "",  # known sizes of more than is looked for
        ),
    ],
)
def test_labels_of_settings_that_the_query_lacks_are_named(changes, says):
    settings = PerceptionSettings(query="tote, person").updated(changes)
    healths = LabelCheck(Log()).health(settings)
    assert [each.message for each in healths] == [says] * bool(says)


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
