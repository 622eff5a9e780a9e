# SPDX-License-Identifier: Apache-2.0
"""Quality of service: each endpoint has a profile of its own."""

from rclpy.qos import HistoryPolicy, ReliabilityPolicy

from lfmvl_ros.ros import qos


def test_what_rclpy_writes_into_a_profile_stays_with_its_endpoint():
    mine = qos.own(qos.NEWEST)
    assert mine.history == HistoryPolicy.KEEP_LAST
    assert (mine.depth, mine.reliability, mine.durability) == (
        qos.NEWEST.depth,
        qos.NEWEST.reliability,
        qos.NEWEST.durability,
    )
    mine.reliability, mine.depth = ReliabilityPolicy.RELIABLE, 7  # as an override does
    assert qos.NEWEST.reliability == ReliabilityPolicy.BEST_EFFORT
    assert qos.NEWEST.depth == 1
