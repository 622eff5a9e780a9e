# SPDX-License-Identifier: Apache-2.0
"""One test body over all transform buffers: our own, ROS 2's tf2_ros and ROS 1's tf2.

tf2_ros comes with a ROS 2 installation, not from PyPI. Debian has ROS 1's tf2, which has the same
rules: `apt install python3-tf2`.
"""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ...examples import examples
from .buffers import ALL, Own, Tf2OfDebian, has_tf2_of_debian
from .rig import NS, yaw

STAMP_NS = 1_000 * NS  # see `Tf2OfDebian`; today's stamps are in test_transforms.py
FRAMES = ("map", "base", "arm", "camera", "island")


@pytest.fixture(params=ALL)
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
    assert buffer.lookup("camera", "camera", STAMP_NS)[0] == pytest.approx((0, 0, 0))
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


frames = st.sampled_from(FRAMES)
# A fifth of a second, so that stamps lie on and between others, within the time that is kept.
stamps = st.integers(0, 10).map(lambda k: STAMP_NS + k * NS // 5)
lengths = st.floats(-5, 5, allow_subnormal=False)
# A parent comes before its child, so that there are no loops, and may change. Stamps of a child
# differ: of equal ones, ROS 1 keeps the first.
transforms = st.lists(
    st.tuples(
        st.sampled_from(list(itertools.combinations(FRAMES, 2))),
        stamps,
        st.tuples(lengths, lengths, lengths),
        st.floats(-3, 3).map(yaw),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda made: (made[0][1], made[1]),
)


def outcome(buffer, *request):
    try:
        return buffer.lookup(*request)
    except buffer.unknown:
        return "unknown"
    except buffer.disconnected:
        return "disconnected"
    except buffer.extrapolation:
        return "extrapolation"


@has_tf2_of_debian
@given(
    transforms,
    st.sets(frames),
    st.lists(st.tuples(frames, frames, stamps), min_size=1, max_size=8),
)
@examples(150)
def test_any_transforms_in_any_order_give_what_tf2_gives(added, static, asked):
    own, tf2 = Own(), Tf2OfDebian()
    for (parent, child), stamp_ns, move, turn in added:
        for buffer in (own, tf2):
            buffer.add(parent, child, stamp_ns, move, turn, static=child in static)
    for request in asked:
        ours, theirs = outcome(own, *request), outcome(tf2, *request)
        if isinstance(theirs, str):
            assert ours == theirs, request
        else:
            assert not isinstance(ours, str), (request, ours, theirs)
            assert ours[0] == pytest.approx(theirs[0], abs=1e-6), request
            assert ours[1] == pytest.approx(theirs[1], abs=1e-6), request
