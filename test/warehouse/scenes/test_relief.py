# SPDX-License-Identifier: Apache-2.0
"""The hall in three dimensions: depth with relief, true boxes, a stereo camera's depth."""

from __future__ import annotations

import numpy as np
import pytest

from lfmvl_warehouse.scenes import SceneVideo
from lfmvl_warehouse.scenes.depth_sensor import StereoSensor

WH = (320, 240)


@pytest.fixture(scope="module")
def hall() -> SceneVideo:
    return SceneVideo(5, wh=WH, camera="drive")


def own_axes(points: np.ndarray, solid) -> np.ndarray:
    """Return points of the world as shares of a box's half sides, from its middle."""
    c, s = np.cos(solid.yaw_rad), np.sin(solid.yaw_rad)
    axes = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    return (points - solid.centre_m) @ axes.T / (solid.size_m / 2)


def corners(solid) -> np.ndarray:
    c, s = np.cos(solid.yaw_rad), np.sin(solid.yaw_rad)
    axes = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    signs = np.array([[a, b, d] for a in (-1, 1) for b in (-1, 1) for d in (-1, 1)])
    return solid.centre_m + signs * solid.size_m / 2 @ axes


def test_relief_changes_no_pixel_and_only_the_depth_of_objects(hall: SceneVideo) -> None:
    plain, deep = hall.frame(40), hall.frame(40, relief=True)
    assert np.array_equal(plain.pixels, deep.pixels)
    assert [o.id for o in plain.objects] == [o.id for o in deep.objects]
    assert all(o.solid is None for o in plain.objects)
    changed = np.abs(plain.depth_m - deep.depth_m)
    assert 0.05 < changed.max() < 3.0  # half a forklift
    assert (changed > 0.01).mean() < 0.5


def test_what_depth_shows_of_an_object_is_within_its_true_box(hall: SceneVideo) -> None:
    for index in (0, 70):
        scene, camera = hall.frame(index, relief=True), hall.camera_at(index)
        depth = scene.depth_m
        flat = hall.frame(index).depth_m
        checked = 0
        for item in scene.objects:
            x0, y0, x1, y1 = item.visible_xyxy_px.astype(int)
            rows, columns = np.mgrid[y0:y1, x0:x1]
            mine = flat[y0:y1, x0:x1] == np.float32(item.depth_m)
            if item.visibility < 0.5 or mine.sum() < 60:
                continue
            points = camera.unproject(
                columns[mine] + 0.5, rows[mine] + 0.5, depth[y0:y1, x0:x1][mine]
            )
            inside = np.abs(own_axes(points, item.solid)).max(axis=1)
            assert np.quantile(inside, 0.9) < 1.25, item
            assert item.solid.centre_m[2] - item.solid.size_m[2] / 2 == pytest.approx(0, abs=0.15)
            checked += 1
        assert checked >= 3


def test_a_true_box_seen_by_the_camera_is_about_the_box_in_the_image(hall: SceneVideo) -> None:
    scene, camera = hall.frame(20, relief=True), hall.camera_at(20)
    pose = camera.pose
    for item in scene.objects:
        at = np.array([camera.project(*corner) for corner in corners(item.solid)])
        seen = np.concatenate([at[:, :2].min(axis=0), at[:, :2].max(axis=0)])
        # The silhouette touches the hull of the corners of a box, or lies within it.
        slack = 0.06 * (item.full_xyxy_px[2:] - item.full_xyxy_px[:2]).max() + 2
        assert (seen[:2] < item.full_xyxy_px[:2] + slack).all()
        assert (seen[2:] > item.full_xyxy_px[2:] - slack).all()
        # The pose that is published is that of the camera that draws.
        forward = pose.inverse().apply(item.solid.centre_m[None])[0]
        u = forward[0] / forward[2] * camera.focal_px + camera.centre_px
        assert u == pytest.approx(camera.project(*item.solid.centre_m)[0], abs=1e-6)


def test_noise_of_stereo_grows_with_the_square_of_the_distance() -> None:
    sensor, rng = StereoSensor(holes=0.0), np.random.default_rng(0)
    sigma = {}
    for distance in (1.0, 2.0, 4.0):
        exact = np.full((120, 160), distance, np.float32)
        depth = sensor.measure(exact, 500.0, rng) / 1000.0
        assert abs(np.median(depth) - distance) < 0.01 * distance
        sigma[distance] = depth.std()
    assert sigma[2.0] / sigma[1.0] == pytest.approx(4, rel=0.3)
    assert sigma[4.0] / sigma[2.0] == pytest.approx(4, rel=0.3)


def test_a_near_thing_hides_what_is_left_of_it_from_the_second_camera() -> None:
    exact = np.full((60, 200), 4.0, np.float32)
    exact[:, 100:140] = 1.0
    sensor = StereoSensor(noise_px=0.0, holes=0.0)
    depth = sensor.measure(exact, 500.0, np.random.default_rng(0))
    missing = np.flatnonzero((depth == 0).all(axis=0))
    shadow_px = 500 * sensor.baseline_m * (1 / 1.0 - 1 / 4.0)
    assert missing.max() in (98, 99)
    assert len(missing) == pytest.approx(shadow_px, abs=3)
    assert (depth[:, 102:138] == 1000).all()


def test_holes_and_range_and_what_is_no_sensor() -> None:
    exact = np.full((240, 320), 2.0, np.float32)
    exact[:50] = 30.0
    depth = StereoSensor(holes=0.1).measure(exact, 500.0, np.random.default_rng(1))
    assert (depth[:48] == 0).all()
    assert 0.03 < (depth[50:] == 0).mean() < 0.2
    for wrong in ({"baseline_m": 0}, {"window_px": 2}, {"holes": 0.9}, {"range_m": (2, 1)}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            StereoSensor(**wrong)
