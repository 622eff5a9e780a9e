# SPDX-License-Identifier: Apache-2.0
"""Video: any frame on request, the same objects throughout, truth that follows from the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_warehouse.scenes import VIDEO, SceneVideo
from lfmvl_warehouse.scenes.rooms import Camera, Room
from lfmvl_warehouse.scenes.walks import Schedule, plan_walk

WH = (320, 240)
CLEAR = replace(
    VIDEO, objects=(10, 10), brightness=0.0, noise=0.0, shadows=False, motion_blur_probability=0.0
)


@pytest.fixture(scope="module")
def video() -> SceneVideo:
    return SceneVideo(3, wh=WH, options=CLEAR, camera="pan")


def test_frames_in_any_order_are_the_same(video):
    other = SceneVideo(3, wh=WH, options=CLEAR, camera="pan")
    other.frame(200)
    other.prepare(80, 90)
    for index in (90, 30):
        first, second = video.frame(index), other.frame(index)
        assert np.array_equal(first.pixels, second.pixels)
        assert np.array_equal(first.depth_m, second.depth_m)
        assert [o.id for o in first.objects] == [o.id for o in second.objects]
    assert not np.array_equal(video.frame(30).pixels, video.frame(90).pixels)
    assert not np.array_equal(SceneVideo(4, wh=WH).frame(30).pixels, video.frame(30).pixels)


def test_ids_keep_their_objects_and_things_come_and_go(video):
    seen: dict[int, tuple] = {}
    present = []
    for index in range(0, 2400, 60):
        scene = video.frame(index)
        ids = [item.id for item in scene.objects]
        assert len(set(ids)) == len(ids)
        present.append(frozenset(ids))
        for item in scene.objects:
            known = seen.setdefault(item.id, (item.kind, item.colour, item.attributes))
            assert known == (item.kind, item.colour, item.attributes)
            assert 0 <= item.visibility <= 1
            assert item.depth_m > 0
    assert len(set(present)) > 1
    # Someone left the image and came back under the same id.
    for item_id in seen:
        there = [item_id in ids for ids in present]
        left = (
            there.index(False, there.index(True)) if False in there[there.index(True) :] else None
        )
        if left is not None and True in there[left:]:
            return
    pytest.fail("nobody left and came back within the 80 s looked at")


def test_boxes_move_smoothly(video):
    centres: dict[int, np.ndarray] = {}
    moved: dict[int, float] = {}
    for index in range(120, 160):
        for item in video.frame(index).objects:
            box = item.full_xyxy_px
            centre = (box[:2] + box[2:]) / 2
            if item.id in centres:
                step = float(np.abs(centre - centres[item.id]).max())
                assert step < 0.04 * WH[0] + 0.2 * (box[2:] - box[:2]).max()
                moved[item.id] = moved.get(item.id, 0.0) + step
            centres[item.id] = centre
    assert max(moved.values()) > 5


@pytest.mark.parametrize("index", [0, 150, 400])
def test_taking_an_object_away_changes_its_box_alone(index):
    whole = SceneVideo(3, wh=WH, options=CLEAR, camera="static")
    scene, everyone, checked = whole.frame(index), whole._actors, 0
    for item in scene.objects:
        if item.visibility == 0:
            continue
        whole._actors = [a for a in everyone if a.id != item.id]
        changed = (whole.frame(index).pixels != scene.pixels).any(-1)
        x0, y0, x1, y1 = np.clip(item.full_xyxy_px, 0, [*WH, *WH]).astype(int)
        outside = changed.copy()
        outside[y0:y1, x0:x1] = False
        assert not outside.any()
        if item.visibility == 1:
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            assert np.abs(found - item.visible_xyxy_px).max() <= 1
            checked += 1
    assert checked


@pytest.mark.parametrize("index", [0, 210, 420])
def test_visibility_agrees_with_painting_from_back_to_front(video, index):
    """Front to back with an occupancy map must equal an id buffer painted back to front."""
    drawn = video._visible(index / video.fps, video.camera_at(index))
    ids = np.zeros((WH[1], WH[0]), int)
    for item in reversed(drawn):
        rows, columns, patch_rows, patch_columns = item.window
        ids[rows, columns][item.patch.mask[patch_rows, patch_columns] > 0] = item.actor.id
    scene = video.frame(index)
    assert [o.id for o in scene.objects] == [d.actor.id for d in drawn]
    for item, truth in zip(drawn, scene.objects, strict=True):
        mine = ids == truth.id
        assert truth.visibility == mine.sum() / item.patch.area_px
        if mine.any():
            rows, columns = np.flatnonzero(mine.any(1)), np.flatnonzero(mine.any(0))
            box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert truth.visible_xyxy_px.tolist() == box
            assert np.allclose(scene.depth_m[mine], truth.depth_m)
    depths = [o.depth_m for o in scene.objects]
    assert depths == sorted(depths)
    assert (scene.depth_m > 0).all()


@pytest.mark.parametrize("camera", ["static", "pan", "drive"])
def test_cameras(camera):
    video = SceneVideo(1, wh=WH, camera=camera)
    still = all(video.camera_at(i) == video.camera_at(0) for i in range(0, 300, 30))
    assert still == (camera == "static")
    first, later = video.frame(0), video.frame(100)
    assert first.wh == later.wh == WH
    assert later.stamp_ns == round(100e9 / 30)
    assert (later.depth_m > 0).all()
    # A frame is the caller's own: writing into it leaves the next one alone.
    again = first.pixels.copy()
    first.pixels[:] = 0
    first.depth_m[:] = 0
    assert np.array_equal(video.frame(0).pixels, again)


def test_kinds_and_counts_are_followed():
    only = SceneVideo(2, wh=WH, options=replace(VIDEO, kinds=("barrel",), objects=(14, 14)))
    assert {o.kind for o in only.frame(0).objects} == {"barrel"}
    assert len(only._actors) == 14
    nobody = SceneVideo(2, wh=WH, options=replace(VIDEO, objects=(0, 0)))
    assert nobody.frame(0).objects == ()
    crowd = SceneVideo(2, wh=WH, options=replace(VIDEO, kinds=("person",), objects=(3, 3)))
    assert len(crowd._actors) == 3


@pytest.mark.parametrize(
    ("change", "word"),
    [({"wh": (10, 10)}, "wh"), ({"fps": 0.0}, "fps"), ({"camera": "drone"}, "camera")],
)
def test_bad_arguments_are_refused(change, word):
    with pytest.raises(ValueError, match=word):
        SceneVideo(1, **change)
    with pytest.raises(ValueError, match="index"):
        SceneVideo(1, wh=WH).frame(-1)


def test_floor_depth_is_that_of_a_plane():
    room, camera = Room(1), Camera(200.0, 160.0, 80.0, (6.0, 4.0, 1.5))
    _, depth = room.render(camera, WH)
    row = 230
    expected = 1.5 * 200.0 / (row + 0.5 - 80.0)
    assert np.allclose(depth[row, 140:180], expected, rtol=1e-5)
    u, v, distance = camera.project(6.0, 4.0 + expected)
    assert (u, distance) == pytest.approx((160.0, expected))
    assert v == pytest.approx(row + 0.5)


@given(time_s=st.floats(-1e4, 1e4), seed=st.integers(0, 50))
def test_schedules_are_continuous_and_stay_in_their_area(time_s, seed):
    rng = np.random.default_rng(seed)
    obstacles = np.array([[5.0, 5.0, 0.6], [7.0, 8.0, 0.8]])
    plan = plan_walk(
        rng,
        (1, 4, 12, 12),
        obstacles,
        speed_m_s=(0.8, 1.4),
        wait_s=(0.5, 4.0),
        clearance_m=0.4,
        corners=5,
    )
    now, next_ = plan.at(time_s), plan.at(time_s + 0.02)
    assert np.hypot(next_.x - now.x, next_.y - now.y) <= 0.02 * 1.4 * 1.3 + 1e-6
    assert next_.walked_m >= now.walked_m - 1e-6
    assert 1 - 1e-9 <= now.x <= 12 + 1e-9
    assert 4 - 1e-9 <= now.y <= 12 + 1e-9
    assert np.hypot(now.x - 5.0, now.y - 5.0) > 0.6


def test_schedules_refuse_uneven_parts():
    with pytest.raises(ValueError, match="corners"):
        Schedule(np.zeros((2, 2)), np.zeros(1), np.zeros(2))
