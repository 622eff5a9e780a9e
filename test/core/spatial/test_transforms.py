# SPDX-License-Identifier: Apache-2.0
"""The transform buffer: interpolation, chains, and what it refuses, as tf2 has it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from lfmvl_ros.core.spatial.rigid import RigidTransform, quaternion, rotation_matrix
from lfmvl_ros.core.spatial.transforms import (
    DisconnectedError,
    ExtrapolationError,
    TransformBuffer,
    TransformError,
    UnknownFrameError,
)

S = 1_000_000_000
BIG = 1_700_000_000 * S  # stamps as robots have them: a float of seconds would lose digits
STILL = [0.0, 0.0, 0.0, 1.0]
seeds = st.integers(0, 2**32 - 1)


def pose(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    q = rng.normal(size=4)
    return rng.normal(size=3) * 3, q / np.linalg.norm(q)


def same(a: RigidTransform, b: RigidTransform) -> bool:
    return np.allclose(a.rotation, b.rotation, atol=1e-9) and np.allclose(
        a.translation_m, b.translation_m, atol=1e-9
    )


@given(seeds)
def test_a_quaternion_and_its_matrix_are_the_same_rotation(seed: int) -> None:
    _, q = pose(np.random.default_rng(seed))
    matrix = rotation_matrix(q)
    assert np.allclose(matrix, Rotation.from_quat(q).as_matrix(), atol=1e-12)
    assert abs(abs(float(quaternion(matrix) @ q)) - 1) < 1e-9


@given(seeds)
def test_inverse_and_product_agree_with_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (RigidTransform.from_quaternion(*pose(rng)) for _ in range(2))
    points = rng.normal(size=(5, 3))
    assert np.allclose((a @ b).apply(points), a.apply(b.apply(points)))
    assert np.allclose(a.inverse().apply(a.apply(points)), points)


@given(seeds, st.integers(0, 10**9))
def test_between_two_samples_it_is_linear_and_slerp(seed: int, after_ns: int) -> None:
    rng = np.random.default_rng(seed)
    (t0, q0), (t1, q1) = pose(rng), pose(rng)
    buffer = TransformBuffer()
    buffer.add("map", "camera", BIG, t0, q0)
    buffer.add("map", "camera", BIG + S, t1, q1)
    got = buffer.lookup("map", "camera", BIG + after_ns)
    share = after_ns / S
    expected = Slerp([0, 1], Rotation.from_quat([q0, q1]))(share).as_matrix()
    assert np.allclose(got.translation_m, t0 + share * (t1 - t0), atol=1e-9)
    assert np.allclose(got.rotation, expected, atol=2e-4)  # near 0 the chord replaces the arc


def random_tree(rng: np.random.Generator, size: int) -> tuple[TransformBuffer, dict[str, str]]:
    """Return a buffer over a random tree of frames, static and moving, and each one's parent."""
    buffer, parents = TransformBuffer(), {}
    for i in range(1, size):
        parents[f"f{i}"] = f"f{rng.integers(0, i)}"
        static = bool(rng.random() < 0.4)
        for stamp in (BIG,) if static else (BIG, BIG + S // 3, BIG + S):
            buffer.add(parents[f"f{i}"], f"f{i}", stamp, *pose(rng), static=static)
    return buffer, parents


@given(seeds, st.integers(2, 9), st.integers(0, 10**9))
def test_a_chain_is_the_product_of_its_edges_by_any_way(seed: int, size: int, after: int) -> None:
    rng = np.random.default_rng(seed)
    buffer, parents = random_tree(rng, size)
    stamp = BIG + after
    for child, parent in parents.items():
        assert same(
            buffer.lookup("f0", child, stamp),
            buffer.lookup("f0", parent, stamp) @ buffer.lookup(parent, child, stamp),
        )
    a, b, c = (f"f{i}" for i in rng.integers(0, size, 3))
    assert same(buffer.lookup(a, b, stamp), buffer.lookup(b, a, stamp).inverse())
    assert same(buffer.lookup(a, c, stamp), buffer.lookup(a, b, stamp) @ buffer.lookup(b, c, stamp))
    assert same(buffer.lookup(a, a, stamp), RigidTransform.identity())


@given(seeds, st.integers(1, 10**12))
def test_nothing_is_extrapolated_not_by_a_nanosecond(seed: int, beyond_ns: int) -> None:
    rng = np.random.default_rng(seed)
    buffer = TransformBuffer()
    for stamp in (BIG, BIG + S):
        buffer.add("map", "base", stamp, *pose(rng))
    buffer.add("base", "camera", 0, *pose(rng), static=True)
    for stamp in (BIG, BIG + S):
        buffer.lookup("map", "camera", stamp)
    with pytest.raises(ExtrapolationError, match="'base' in 'map' ends") as late:
        buffer.lookup("map", "camera", BIG + S + beyond_ns)
    with pytest.raises(ExtrapolationError, match="'base' in 'map' begins") as early:
        buffer.lookup("camera", "map", BIG - beyond_ns)
    assert late.value.late
    assert not early.value.late
    assert "map" in str(late.value)
    # Only edges on the path count: this one is static.
    buffer.lookup("base", "camera", BIG + S + beyond_ns)


def test_one_sample_holds_at_its_own_stamp_only() -> None:
    buffer = TransformBuffer()
    buffer.add("map", "camera", BIG, [1, 0, 0], STILL)
    assert buffer.lookup("map", "camera", BIG).translation_m[0] == 1
    for stamp in (BIG - 1, BIG + 1, 0):
        with pytest.raises(ExtrapolationError):
            buffer.lookup("map", "camera", stamp)


def test_siblings_below_an_edge_that_ended_still_find_each_other() -> None:
    buffer = TransformBuffer()
    buffer.add("map", "base", BIG, [5, 0, 0], STILL)
    buffer.add("base", "left", 0, [0, 1, 0], STILL, static=True)
    buffer.add("base", "right", 0, [0, -1, 0], STILL, static=True)
    assert buffer.lookup("left", "right", BIG + 99 * S).translation_m.tolist() == [0, -2, 0]


@given(st.permutations(range(6)))
def test_the_order_of_arrival_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(0)
    poses = [pose(rng) for _ in range(6)]
    buffers = [TransformBuffer(), TransformBuffer()]
    for buffer, arrival in zip(buffers, (range(6), order), strict=True):
        for i in arrival:
            assert buffer.add("map", "camera", BIG + i * S, *poses[i])
    stamp = BIG + 2 * S + S // 7
    assert same(*(buffer.lookup("map", "camera", stamp) for buffer in buffers))


def test_samples_leave_after_keep_s_and_older_ones_are_dropped() -> None:
    buffer = TransformBuffer(keep_s=2.0)
    for i in range(6):
        buffer.add("map", "camera", BIG + i * S, [i, 0, 0], STILL)
    assert not buffer.add("map", "camera", BIG, [0, 0, 0], STILL)
    assert buffer.lookup("map", "camera", BIG + 3 * S).translation_m[0] == 3
    with pytest.raises(ExtrapolationError):
        buffer.lookup("map", "camera", BIG + S)


def test_edges_slower_than_keep_s_are_interpolated_all_the_same() -> None:
    buffer = TransformBuffer(keep_s=2.0)
    for i in (0, 5, 10):
        buffer.add("map", "camera", BIG + i * S, [i, 0, 0], STILL)
    assert buffer.lookup("map", "camera", BIG + 7 * S).translation_m[0] == pytest.approx(7)


def test_an_equal_stamp_replaces() -> None:
    buffer = TransformBuffer()
    buffer.add("map", "camera", BIG, [1, 0, 0], STILL)
    buffer.add("map", "camera", BIG, [2, 0, 0], STILL)
    assert buffer.lookup("map", "camera", BIG).translation_m[0] == 2


def test_a_new_parent_holds_from_its_own_stamp() -> None:
    buffer = TransformBuffer()
    buffer.add("map", "hand", 0, [0, 0, 9], STILL, static=True)
    buffer.add("map", "cup", BIG, [1, 0, 0], STILL)
    buffer.add("hand", "cup", BIG + S, [0, 0, 0], STILL)
    assert buffer.lookup("map", "cup", BIG + S - 1).translation_m.tolist() == [1, 0, 0]
    assert buffer.lookup("map", "cup", BIG + S).translation_m.tolist() == [0, 0, 9]


def test_a_child_that_becomes_static_holds_always_and_back() -> None:
    buffer = TransformBuffer()
    buffer.add("map", "camera", BIG, [1, 0, 0], STILL)
    buffer.add("map", "camera", BIG, [2, 0, 0], STILL, static=True)
    assert buffer.lookup("map", "camera", 7).translation_m[0] == 2
    buffer.add("map", "camera", BIG, [3, 0, 0], STILL)
    with pytest.raises(ExtrapolationError):
        buffer.lookup("map", "camera", 7)


def test_between_a_frame_and_itself_no_transform_has_to_come() -> None:
    buffer = TransformBuffer()
    found = buffer.lookup("camera", "/camera", BIG)
    assert np.array_equal(found.apply(np.arange(3.0)), np.arange(3.0))
    assert buffer.latest("camera", "camera") is None


def test_frames_that_are_unknown_or_not_connected_are_named() -> None:
    buffer = TransformBuffer()
    with pytest.raises(UnknownFrameError, match="'map' is unknown: no frame is known so far"):
        buffer.lookup("map", "camera", BIG)
    buffer.add("map", "base", BIG, [0, 0, 0], STILL)
    buffer.add("other", "camera", BIG, [0, 0, 0], STILL)
    with pytest.raises(
        UnknownFrameError, match=r"'camra' is unknown; of 4 frames, the nearest names: 'camera'"
    ):
        buffer.lookup("map", "camra", BIG)
    with pytest.raises(DisconnectedError, match="'camera' is in the tree of 'other'"):
        buffer.lookup("map", "camera", BIG)
    with pytest.raises(DisconnectedError):
        buffer.latest("map", "camera")


def test_among_many_frames_only_the_nearest_names_are_listed() -> None:
    buffer = TransformBuffer()
    for i in range(500):
        buffer.add("map", f"shelf_{i}", BIG, [0, 0, 0], STILL, static=True)
    buffer.add("map", "camera_front_optical", BIG, [0, 0, 0], STILL, static=True)
    with pytest.raises(UnknownFrameError, match="of 502 frames") as error:
        buffer.lookup("map", "camera_front_optcal", BIG)
    assert "'camera_front_optical'" in str(error.value)
    assert len(str(error.value)) < 300
    with pytest.raises(UnknownFrameError) as error:
        buffer.lookup("map", "x" * 100_000, BIG)
    assert len(str(error.value)) < 400


def chain(*frames: str) -> TransformBuffer:
    """Return a buffer in which each frame is 1 m from the one before it, its child."""
    buffer = TransformBuffer()
    for child, parent in pairwise(frames):
        buffer.add(parent, child, BIG, [1, 0, 0], STILL, static=True)
    return buffer


@given(st.integers(2, 30), st.integers(0, 30))
def test_a_loop_of_frames_is_named_by_its_frames_and_no_others(size: int, below: int) -> None:
    loop, tail = [f"loop{i}" for i in range(size)], [f"tail{i}" for i in range(below)]
    buffer = chain(*tail, *loop, loop[0])
    buffer.add("c", "d", BIG, [0, 0, 0], STILL, static=True)
    with pytest.raises(TransformError, match=f"^{size} frames form a loop: 'loop0' in") as error:
        buffer.lookup("d", (tail + loop)[0], BIG)
    assert "tail" not in str(error.value)
    assert all(f"'{name}'" in str(error.value) for name in loop[:8])
    with pytest.raises(TransformError, match="form a loop"):
        buffer.latest("d", (tail + loop)[0])


def test_a_loop_of_two_frames_in_words() -> None:
    with pytest.raises(TransformError, match=r"^2 frames form a loop: 'a' in 'b' in 'a'$"):
        chain("a", "b", "a").lookup("b", "a", BIG)


@pytest.mark.parametrize("size", [1000, 1005, 3000])
def test_a_long_chain_is_no_loop(size: int) -> None:
    frames = [f"link{i}" for i in range(size)]
    found = chain(*frames).lookup(frames[-1], frames[0], BIG)
    assert found.translation_m.tolist() == [size - 1, 0, 0]


def test_after_a_restart_of_time_static_transforms_stay() -> None:
    buffer = TransformBuffer()
    buffer.add("map", "base", BIG, [0, 0, 0], STILL)
    buffer.add("base", "camera", BIG, [0, 0, 1], STILL, static=True)
    buffer.clear()
    assert buffer.lookup("base", "camera", 5).translation_m[2] == 1
    with pytest.raises(ExtrapolationError, match="since time started again") as error:
        buffer.lookup("map", "camera", BIG)
    assert error.value.late
    assert buffer.add("map", "base", 5, [0, 0, 0], STILL)  # older than all before: a new time
    assert buffer.lookup("map", "camera", 5).translation_m[2] == 1


def test_latest_is_the_newest_stamp_that_all_edges_reach() -> None:
    buffer = TransformBuffer()
    buffer.add("map", "odom", BIG, [0, 0, 0], STILL)
    buffer.add("map", "odom", BIG + 2 * S, [0, 0, 0], STILL)
    buffer.add("odom", "base", BIG, [0, 0, 0], STILL)
    buffer.add("odom", "base", BIG + S, [0, 0, 0], STILL)
    buffer.add("base", "camera", 0, [0, 0, 0], STILL, static=True)
    assert buffer.latest("map", "camera") == BIG + S
    assert buffer.latest("base", "camera") is None
    buffer.lookup("map", "camera", BIG + S)


@pytest.mark.parametrize(
    ("parent", "child", "translation", "rotation", "says"),
    [
        ("", "camera", [0, 0, 0], STILL, "two frames"),
        ("map", "", [0, 0, 0], STILL, "two frames"),
        ("map", "/map", [0, 0, 0], STILL, "its own parent"),
        ("map", "camera", [0, 0, float("nan")], STILL, "three finite numbers"),
        ("map", "camera", [0, 0], STILL, "three finite numbers"),
        ("map", "camera", [0, 0, 0], [0, 0, 0, 0], "length 0, expected 1"),
        ("map", "camera", [0, 0, 0], [0, 0, 0.2, 1.0], "length"),
        ("map", "camera", [0, 0, 0], [0, 0, float("inf"), 1.0], "four finite numbers"),
    ],
)
def test_what_is_no_transform_is_refused(
    parent: str, child: str, translation: list[float], rotation: list[float], says: str
) -> None:
    buffer = TransformBuffer()
    with pytest.raises(ValueError, match=says):
        buffer.add(parent, child, BIG, translation, rotation)
    assert not buffer.frames


def test_a_leading_slash_is_the_same_frame() -> None:
    buffer = TransformBuffer()
    buffer.add("/map", "/camera", BIG, [1, 0, 0], STILL)
    assert buffer.lookup("map", "/camera", BIG).translation_m[0] == 1


def test_a_late_transform_of_a_turning_camera_is_refused_not_wrong() -> None:
    """0.2 s at 30 degrees a second is 31 cm at 3 m: silence is better."""
    buffer = TransformBuffer()
    for i in range(31):
        turn = Rotation.from_euler("z", 30 * i * 0.01, degrees=True).as_quat()
        buffer.add("map", "camera", BIG + i * S // 100, [0, 0, 0], turn)
    point = np.array([3.0, 0.0, 0.0])
    newest = BIG + 30 * S // 100
    with pytest.raises(ExtrapolationError):
        buffer.lookup("map", "camera", newest + S // 5)
    stale = buffer.lookup("map", "camera", newest - S // 5).apply(point)
    assert np.linalg.norm(stale - buffer.lookup("map", "camera", newest).apply(point)) > 0.3
