# SPDX-License-Identifier: Apache-2.0
"""One test body over both transform buffers: our own, and tf2_ros where it can be imported.

tf2_ros comes with a ROS 2 installation, not from PyPI: without one, only our own is tested.
"""

import importlib.util
import math

import numpy as np
import pytest
from rclpy.duration import Duration
from rclpy.time import Time

from lfmvl_ros.core.spatial.transforms import (
    DisconnectedError,
    ExtrapolationError,
    TransformBuffer,
    UnknownFrameError,
)

from .rig import NS, transform, yaw

STAMP_NS = 1_700_000_000 * NS
KEEP_S = 2.0
STILL = (0.0, 0.0, 0.0, 1.0)


class Own:
    """Our buffer."""

    unknown, disconnected, extrapolation = UnknownFrameError, DisconnectedError, ExtrapolationError

    def __init__(self):
        self.buffer = TransformBuffer(keep_s=KEEP_S)

    def add(self, parent, child, stamp_ns, move, turn=STILL, *, static=False):
        self.buffer.add(parent, child, stamp_ns, move, turn, static=static)

    def lookup(self, target, source, stamp_ns):
        """Return where the origin of ``source`` is, and where its x axis points."""
        found = self.buffer.lookup(target, source, stamp_ns)
        return found.translation_m, found.rotation[:, 0]


class Tf2:
    """The buffer of tf2_ros, behind the same methods."""

    def __init__(self):
        import tf2_ros

        self.unknown = tf2_ros.LookupException
        self.disconnected = tf2_ros.ConnectivityException
        self.extrapolation = tf2_ros.ExtrapolationException
        self.buffer = tf2_ros.Buffer(cache_time=Duration(seconds=KEEP_S))

    def add(self, parent, child, stamp_ns, move, turn=STILL, *, static=False):
        made = transform(parent, child, stamp_ns, move, turn)
        (self.buffer.set_transform_static if static else self.buffer.set_transform)(made, "test")

    def lookup(self, target, source, stamp_ns):
        found = self.buffer.lookup_transform_core(target, source, Time(nanoseconds=stamp_ns))
        move, q = found.transform.translation, found.transform.rotation
        ahead = [
            1 - 2 * (q.y * q.y + q.z * q.z),
            2 * (q.x * q.y + q.z * q.w),
            2 * (q.x * q.z - q.y * q.w),
        ]
        return np.array([move.x, move.y, move.z]), np.array(ahead)


LACKS_TF2 = importlib.util.find_spec("tf2_ros") is None


@pytest.fixture(
    params=[
        Own,
        pytest.param(Tf2, marks=pytest.mark.skipif(LACKS_TF2, reason="tf2_ros is not installed")),
    ]
)
def buffer(request):
    return request.param()


def test_between_samples_position_is_linear_and_rotation_is_slerp(buffer):
    buffer.add("map", "base", STAMP_NS, (0, 0, 0), yaw(0.0))
    buffer.add("map", "base", STAMP_NS + NS, (4, 0, 2), yaw(1.0))
    at, ahead = buffer.lookup("map", "base", STAMP_NS + NS // 4)
    assert at == pytest.approx((1, 0, 0.5), abs=1e-6)
    assert ahead == pytest.approx((math.cos(0.25), math.sin(0.25), 0), abs=1e-6)


def test_a_chain_with_a_static_edge_and_its_inverse(buffer):
    buffer.add("map", "base", STAMP_NS, (1, 2, 0), yaw(math.pi / 2))
    buffer.add("base", "camera", 0, (0.5, 0, 1), static=True)
    at, ahead = buffer.lookup("map", "camera", STAMP_NS)
    assert at == pytest.approx((1, 2.5, 1), abs=1e-9)
    assert ahead == pytest.approx((0, 1, 0), abs=1e-9)
    back, _ = buffer.lookup("camera", "map", STAMP_NS)
    assert back == pytest.approx((-2.5, 1, -1), abs=1e-9)


@pytest.mark.parametrize("beyond_ns", [1, NS])
def test_nothing_is_extrapolated(buffer, beyond_ns):
    for k in (0, 1):
        buffer.add("map", "base", STAMP_NS + k * NS, (k, 0, 0))
    for stamp_ns in (STAMP_NS - beyond_ns, STAMP_NS + NS + beyond_ns):
        with pytest.raises(buffer.extrapolation):
            buffer.lookup("map", "base", stamp_ns)
    assert buffer.lookup("map", "base", STAMP_NS)[0] == pytest.approx((0, 0, 0))
    assert buffer.lookup("map", "base", STAMP_NS + NS)[0] == pytest.approx((1, 0, 0))


def test_a_single_sample_holds_at_its_own_stamp_only(buffer):
    buffer.add("map", "base", STAMP_NS, (1, 0, 0))
    assert buffer.lookup("map", "base", STAMP_NS)[0] == pytest.approx((1, 0, 0))
    with pytest.raises(buffer.extrapolation):
        buffer.lookup("map", "base", STAMP_NS + 1)


def test_edges_off_the_path_do_not_count(buffer):
    buffer.add("map", "base", STAMP_NS, (5, 0, 0))
    buffer.add("base", "left", 0, (0, 1, 0), static=True)
    buffer.add("base", "right", 0, (0, -1, 0), static=True)
    at, _ = buffer.lookup("left", "right", STAMP_NS + 99 * NS)
    assert at == pytest.approx((0, -2, 0))


def test_unknown_and_unconnected_frames_are_different_errors(buffer):
    buffer.add("map", "base", STAMP_NS, (0, 0, 0))
    buffer.add("island", "hut", STAMP_NS, (0, 0, 0))
    with pytest.raises(buffer.unknown):
        buffer.lookup("map", "camera", STAMP_NS)
    with pytest.raises(buffer.disconnected):
        buffer.lookup("map", "hut", STAMP_NS)


def test_samples_may_come_in_any_order_and_leave_after_a_time(buffer):
    for k in (0, 2, 1, 3, 5, 4):
        buffer.add("map", "base", STAMP_NS + k * NS, (k * k, 0, 0))
    buffer.add("map", "base", STAMP_NS + 6 * NS, (36, 0, 0))
    at, _ = buffer.lookup("map", "base", STAMP_NS + 4 * NS + NS // 2)
    assert at == pytest.approx((20.5, 0, 0))
    with pytest.raises(buffer.extrapolation):
        buffer.lookup("map", "base", STAMP_NS + NS)


def test_between_samples_of_two_parents_the_earlier_one_holds(buffer):
    buffer.add("map", "hand", 0, (0, 0, 9), static=True)
    buffer.add("map", "cup", STAMP_NS, (1, 0, 0))
    buffer.add("hand", "cup", STAMP_NS + NS, (0, 0, 0))
    assert buffer.lookup("map", "cup", STAMP_NS + NS // 2)[0] == pytest.approx((1, 0, 0))
    assert buffer.lookup("map", "cup", STAMP_NS + NS)[0] == pytest.approx((0, 0, 9))
