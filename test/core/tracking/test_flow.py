# SPDX-License-Identifier: Apache-2.0
"""Movement of boxes from pixels: exact on known movements, silent where nothing can be known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lfmvl_ros.core.tracking import Intrinsics
from lfmvl_ros.core.tracking.flow import BoxMotion, box_motion, small_grey, transformed

from ...examples import examples

WH = (640, 360)
BOXES = np.array([[80.0, 80, 180, 220], [300, 100, 360, 190], [430, 60, 600, 300]])


def texture(seed: int, wh: tuple[int, int] = WH, blur_px: float = 2.0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (wh[1], wh[0]), np.uint8)
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), blur_px)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def warped(image: np.ndarray, matrix: list[list[float]]) -> np.ndarray:
    """The image moved by a 2x3 matrix that says where its points go."""
    size = image.shape[::-1]
    return cv2.warpAffine(
        image,
        np.array(matrix, float),
        size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )


def moved(
    before: np.ndarray, after: np.ndarray, boxes: np.ndarray = BOXES, **how: object
) -> BoxMotion:
    n = len(boxes)
    return box_motion(
        before,
        after,
        boxes,
        across=np.full(n, how.get("across", 4)),
        expected=np.repeat(how.get("expected", np.zeros((n, 2)))[:, None], 2, axis=1),
        likely=np.tile(how.get("likely", [0.5, 0.5]), (n, 1)),
        expected_sigma=np.full(n, how.get("sigma", 10.0)),
        solid=np.ones(n, bool),
        rotation=how.get("rotation"),
    )


@examples(15)
@example(10.0, 11.0, 26)
@given(st.floats(-12, 12), st.floats(-12, 12), st.integers(0, 50))
def test_translation_is_found_within_a_tenth_of_a_pixel(dx: float, dy: float, seed: int) -> None:
    """Beyond 12 px, one of the boxes may be lost, and then says so: no shift, no support."""
    image = texture(seed)
    motion = moved(image, warped(image, [[1, 0, dx], [0, 1, dy]]))
    found = motion.support > 0.5
    assert found.sum() >= (3 if np.hypot(dx, dy) < 12 else 2)
    np.testing.assert_allclose(motion.shift[found], np.tile([dx, dy], (found.sum(), 1)), atol=0.1)
    assert not motion.shift[~found].any()
    assert not motion.support[~found].any()
    np.testing.assert_allclose(motion.background, np.tile([dx, dy], (3, 1)), atol=0.1)


@pytest.mark.parametrize("zoom", [0.994, 1.0, 1.006])
def test_zoom_is_found_where_boxes_are_large(zoom: float) -> None:
    image = texture(3)
    shift = [(1 - zoom) * 320, (1 - zoom) * 180]
    motion = moved(image, warped(image, [[zoom, 0, shift[0]], [0, zoom, shift[1]]]))
    centres = (BOXES[:, :2] + BOXES[:, 2:]) / 2
    np.testing.assert_allclose(motion.shift, centres * zoom + shift - centres, atol=0.5)
    np.testing.assert_allclose(motion.background, centres * zoom + shift - centres, atol=0.3)
    np.testing.assert_allclose(motion.scale[[0, 2]], zoom, atol=0.01)


def test_object_moves_over_background_that_fills_half_of_its_box() -> None:
    """A round thing covers about half of its box's points; the scene behind stands still."""
    back, front = texture(1), texture(2)
    inside = np.zeros_like(back)
    cv2.ellipse(inside, (130, 150), (38, 60), 0, 0, 360, 1, -1)
    before = np.where(inside > 0, front, back)
    step = [[1.0, 0, 5], [0, 1, -2]]
    after = np.where(warped(inside * 255, step) > 127, warped(front, step), back)
    motion = moved(before, after, BOXES[:1])
    np.testing.assert_allclose(motion.shift, [[5, -2]], atol=0.3)
    np.testing.assert_allclose(motion.background, [[0, 0]], atol=0.1)


def test_expectation_decides_between_groups_of_equal_size() -> None:
    left, right = texture(5), texture(6)
    half = np.arange(WH[0])[None, :] < 130
    before = np.where(half, left, right)
    one, two = warped(left, [[1, 0, 0], [0, 1, 4]]), warped(right, [[1, 0, 0], [0, 1, -4]])
    after = np.where(half, one, two)
    for up in (4.0, -4.0):
        expected = np.array([[0.0, up]])  # relative to the image
        motion = moved(before, after, BOXES[:1], expected=expected, likely=[0, 1], sigma=1.0)
        np.testing.assert_allclose(motion.shift, [[0, up]], atol=0.2)


def test_a_camera_that_turned_far_is_followed_where_its_rotation_is_known() -> None:
    """4.6 degrees of yaw and some roll: 40 px and more, further than points are looked for."""
    lens, image = Intrinsics(500.0, 500.0, 320.0, 180.0), texture(9, blur_px=1.0)

    def turn(*angles: float) -> np.ndarray:
        rotation = Rotation.from_rotvec(angles).as_matrix()
        return lens.homography(rotation, np.ones(2))

    true, told = turn(0.0, -0.08, 0.02), turn(0.001, -0.079, 0.018)
    after = cv2.warpPerspective(image, true, WH, flags=cv2.INTER_CUBIC)
    lost, found = moved(image, after), moved(image, after, rotation=told)
    assert (lost.support < 0.5).all()
    centres = (BOXES[:, :2] + BOXES[:, 2:]) / 2
    wanted = transformed(centres, true) - centres
    assert np.hypot(*wanted.T).min() > 35
    np.testing.assert_allclose(found.shift, wanted, atol=1.0)
    np.testing.assert_allclose(found.background, wanted, atol=0.5)
    assert (found.support > 0.5).all()


def test_points_that_turn_out_of_sight_stay_and_the_others_go_as_opencv_says() -> None:
    lens = Intrinsics(500.0, 510.0, 320.0, 180.0)
    points = np.random.default_rng(1).uniform(0, 360, (20, 2))
    rotation = Rotation.from_rotvec([0.1, -0.2, 0.3]).as_matrix()
    matrix = lens.homography(rotation, np.ones(2))
    wanted = cv2.perspectiveTransform(points[:, None], matrix)[:, 0]
    np.testing.assert_allclose(transformed(points, matrix), wanted)
    half = lens.homography(rotation, np.array([0.5, 0.25]))
    np.testing.assert_allclose(transformed(points * [0.5, 0.25], half), wanted * [0.5, 0.25])
    behind = lens.homography(Rotation.from_rotvec([0, np.pi, 0]).as_matrix(), np.ones(2))
    np.testing.assert_array_equal(transformed(points, behind), points)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_image_tells_nothing(level: int) -> None:
    plain = np.full((WH[1], WH[0]), level, np.uint8)
    motion = moved(plain, plain)
    assert (motion.support == 0).all()
    assert motion.camera is None
    assert (motion.scale == 1).all()


def test_another_image_tells_nothing() -> None:
    motion = moved(texture(7), texture(8))
    assert (motion.support <= 0.25).all()
    assert motion.camera is None


def test_what_is_behind_is_not_moved_by_what_passes_in_front() -> None:
    """The nearer box reaches further down; the one behind it keeps its few free points."""
    back, front = texture(11), texture(12)
    boxes = np.array([[200.0, 100, 300, 220], [180, 120, 290, 300]])
    covered = np.zeros_like(back, bool)
    covered[120:300, 180:290] = True
    before = np.where(covered, front, back)
    after = np.where(np.roll(covered, 6, axis=1), np.roll(front, 6, axis=1), back)
    motion = moved(before, after, boxes)
    np.testing.assert_allclose(motion.shift[1], [6, 0], atol=0.2)
    assert np.abs(motion.shift[0]).max() < 0.5


def test_box_that_is_fully_covered_is_lost() -> None:
    image = texture(13)
    boxes = np.array([[220.0, 140, 260, 200], [180, 100, 300, 300]])
    motion = moved(image, warped(image, [[1, 0, 4], [0, 1, 0]]), boxes)
    assert motion.support[0] == 0
    assert motion.support[1] > 0.5
    np.testing.assert_allclose(motion.background[0], [4, 0], atol=0.1)


def test_order_of_boxes_changes_nothing() -> None:
    image = texture(14)
    after = warped(image, [[1, 0, 3.5], [0, 1, -1.5]])
    order = np.array([2, 0, 1])
    plain, shuffled = moved(image, after), moved(image, after, BOXES[order])
    np.testing.assert_array_equal(plain.shift[order], shuffled.shift)
    np.testing.assert_array_equal(plain.support[order], shuffled.support)


def test_no_boxes_and_boxes_outside() -> None:
    image = texture(15)
    assert moved(image, image, np.zeros((0, 4))).shift.shape == (0, 2)
    outside = np.array([[-300.0, 20, -200, 90], [700, 100, 800, 200]])
    motion = moved(image, image, outside)
    assert (motion.support == 0).all()
    assert np.isfinite(motion.shift).all()


@pytest.mark.parametrize(
    ("wh", "small"), [((640, 360), (640, 360)), ((1920, 1080), (640, 360)), ((3, 1000), (1, 360))]
)
def test_small_copy(wh: tuple[int, int], small: tuple[int, int]) -> None:
    grey = small_grey(np.full((wh[1], wh[0], 3), 77, np.uint8))
    assert grey.shape == small[::-1]
    assert (grey == 77).all()
