# SPDX-License-Identifier: Apache-2.0
"""Tracks carried by pixels between answers: late answers, lost pixels, odd frames, two threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.tracking import EgoMotion, Intrinsics, Tracker, Tracks

MakeAnswer = Callable[..., Grounding]
WH = (640, 360)
HZ = 25
FLOW = TrackerSettings(bridge="flow", bridge_budget_ms=100.0)


def ns(time_s: float) -> int:
    return round(time_s * 1e9)


class Panorama:
    """A wall far away, seen by a camera that stands still for 1 s and then turns right."""

    LENS = Intrinsics(900.0, 900.0, 320.0, 180.0)
    RATE_RAD_S = 1.2  # 43 px from one frame to the next

    def __init__(self) -> None:
        wall = np.random.default_rng(6).integers(0, 256, (WH[1], 1600), np.uint8)
        blurred = cv2.GaussianBlur(wall, (0, 0), 1.0)  # nothing that a small copy shows
        self.wall = cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX)

    def view(self, time_s: float) -> np.ndarray:
        yaw = self.RATE_RAD_S * max(time_s - 1.0, 0.0)
        turn = Rotation.from_rotvec([0, -yaw, 0]).as_matrix()
        shift = np.array([[1.0, 0, -480], [0, 1, 0], [0, 0, 1]])
        return self.LENS.homography(turn, np.ones(2)) @ shift

    def box(self, time_s: float) -> np.ndarray:
        corners = np.array([[[890.0, 130]], [[950, 130]], [[890, 230]], [[950, 230]]])
        x, y, wide, high = cv2.boundingRect(
            cv2.perspectiveTransform(corners, self.view(time_s)).astype(np.float32)
        )
        return np.array([x + wide / 2, y + high / 2, wide, high], float)

    def frame(self, time_s: float) -> Frame:
        view = cv2.warpPerspective(self.wall, self.view(time_s), WH, flags=cv2.INTER_CUBIC)
        return Frame(cv2.cvtColor(view, cv2.COLOR_GRAY2RGB), ns(time_s))


class Scene:
    """A textured card of 80x100 px that moves over a textured wall; camera and card are given."""

    def __init__(self, path: Callable[[float], tuple[float, float]], camera: float = 0.0) -> None:
        rng = np.random.default_rng(4)
        wall = cv2.GaussianBlur(rng.integers(0, 256, (500, 1400), np.uint8), (0, 0), 2.0)
        self.wall = cv2.normalize(wall, None, 0, 255, cv2.NORM_MINMAX)
        card = cv2.GaussianBlur(rng.integers(0, 256, (100, 80), np.uint8), (0, 0), 1.5)
        self.card = cv2.normalize(card, None, 0, 255, cv2.NORM_MINMAX)
        self.path, self.camera = path, camera

    def box(self, time_s: float) -> np.ndarray:
        x, y = self.path(time_s)
        return np.array([x - self.camera * time_s, y, 80.0, 100.0])

    def frame(self, time_s: float, *, plain: bool = False) -> Frame:
        if plain:
            return Frame(np.full((WH[1], WH[0], 3), 90, np.uint8), ns(time_s))
        shift = np.array([[1, 0, -self.camera * time_s], [0, 1, 0]], float)
        view = cv2.warpAffine(self.wall, shift, WH, borderMode=cv2.BORDER_REFLECT)
        x, y = self.box(time_s)[:2] - [40, 50]
        place = np.array([[1, 0, x], [0, 1, y]], float)
        card = cv2.warpAffine(self.card, place, WH)
        mask = cv2.warpAffine(np.full_like(self.card, 255), place, WH)
        view = np.where(mask > 127, card, view)
        return Frame(cv2.cvtColor(view, cv2.COLOR_GRAY2RGB), ns(time_s))


def stop_and_go(time_s: float) -> tuple[float, float]:
    """Walks, stops dead at 1.0 s, turns back at 1.6 s: nothing a velocity could foretell."""
    x = 200 + 150 * min(time_s, 1.0) - 200 * max(time_s - 1.6, 0.0)
    return x, 180.0


def centre(tracks: Tracks, row: int = 0) -> np.ndarray:
    return (tracks.xyxy_px[row, :2] + tracks.xyxy_px[row, 2:]) / 2


def follow(
    answer: MakeAnswer,
    scene: Scene,
    settings: TrackerSettings,
    *,
    seconds: float = 2.4,
    every: int = 6,
    delay: int = 6,
) -> list[tuple[float, Tracks]]:
    """Every 6th frame is answered, 6 frames late."""
    tracker, told, waiting = Tracker(settings), [], []
    for i in range(int(seconds * HZ)):
        now = i / HZ
        if i % every == 0:
            box = scene.box(now)
            waiting.append((i + delay, answer(now, [box], wh=WH, sigma_px=2.0, delay_s=delay / HZ)))
        while waiting and waiting[0][0] <= i:
            tracker.apply(waiting.pop(0)[1])
        told.append((now, tracker.observe(scene.frame(now))))
    return told


def worst(told: list[tuple[float, Tracks]], scene: Scene, start_s: float = 0.6) -> float:
    errors = []
    for now, tracks in told:
        if now >= start_s:
            assert tracks.ids.tolist() == [1]
            errors.append(float(np.hypot(*(centre(tracks) - scene.box(now)[:2]))))
    return max(errors)


@pytest.mark.parametrize("late", [False, True])
def test_a_gyroscope_says_where_the_pixels_are_when_the_camera_turns_fast(
    answer: MakeAnswer, late: bool
) -> None:
    """While it turns there is no answer, or one that is about the frame before it did."""
    scene, found = Panorama(), {}
    for known in (False, True):
        tracker, ego = Tracker(FLOW), EgoMotion(scene.LENS)
        for i in range(32):
            now = i / HZ
            for part in range(4):
                begin = now - (3 - part) / (4 * HZ)
                rate = scene.RATE_RAD_S * (begin > 1.0) + 0.01  # a gyroscope has a bias
                ego = ego.with_rate(ns(begin + 1), [0.002, rate, -0.003])
            tracker.set_ego_motion(replace(ego, stamps_ns=ego.stamps_ns - ns(1)) if known else None)
            if i in (0, 6, 12, 18):
                tracker.apply(answer(now, [scene.box(now)], wh=WH, sigma_px=2.0))
            if late and i == 30:
                tracker.apply(answer(1.0, [scene.box(1.0)], wh=WH, sigma_px=2.0))
            tracks = tracker.observe(scene.frame(now))
        assert tracks.ids.tolist() == [1]
        found[known] = float(np.hypot(*(centre(tracks) - scene.box(now)[:2])))
    assert found[True] < 8.0
    if not late:  # carried on from a fresh answer, flow finds it by itself
        assert found[False] > 2 * found[True]


def test_box_sticks_to_what_stops_and_turns(answer: MakeAnswer) -> None:
    scene = Scene(stop_and_go)
    looking = worst(follow(answer, scene, FLOW), scene)
    guessing = worst(follow(answer, scene, replace(FLOW, bridge="predict")), scene)
    assert looking < 4.0
    assert guessing > 20.0


def test_camera_that_starts_to_turn_takes_the_box_along(answer: MakeAnswer) -> None:
    scene = Scene(lambda time: (400.0 + 60 * max(time - 1, 0), 150.0), camera=120.0)
    assert worst(follow(answer, scene, FLOW), scene) < 4.0


def test_velocity_is_that_of_the_pixels(answer: MakeAnswer) -> None:
    told = follow(answer, Scene(stop_and_go), FLOW)
    speeds = {round(now, 2): tracks.velocity_px_s for now, tracks in told}
    np.testing.assert_allclose(speeds[0.92][0], [150, 0], atol=10)
    np.testing.assert_allclose(speeds[1.52][0], [0, 0], atol=10)
    np.testing.assert_allclose(speeds[2.2][0], [-200, 0], atol=15)


def test_without_texture_it_predicts(answer: MakeAnswer) -> None:
    looking, plain = Tracker(FLOW), Tracker(replace(FLOW, bridge="predict"))
    scene = Scene(lambda time: (200 + 100 * time, 180.0))
    for i in range(40):
        now = i / HZ
        if i % 5 == 0:
            for tracker in (looking, plain):
                tracker.apply(answer(now, [scene.box(now)], wh=WH))
        seen, foretold = (t.observe(scene.frame(now, plain=True)) for t in (looking, plain))
        assert seen.ids.tolist() == foretold.ids.tolist()
        if now > 1.0:
            np.testing.assert_allclose(centre(seen), centre(foretold), atol=3.0)


def test_lost_box_moves_with_the_camera(answer: MakeAnswer) -> None:
    """The card has no texture of its own; the wall tells what the camera does."""
    scene = Scene(lambda _: (300.0, 180.0), camera=0.0)
    scene.card[:] = 128
    tracker = Tracker(FLOW)
    box = scene.box(0)
    for i in range(4):
        tracker.apply(answer(i / HZ * 5, [box], wh=WH))
        for k in range(5):
            tracker.observe(scene.frame((5 * i + k) / HZ))
    shaken = Scene(lambda _: (300.0, 180.0), camera=0.0)
    shaken.card[:] = 128
    shaken.wall = np.roll(shaken.wall, 9, axis=1)
    shaken.path = lambda _: (309.0, 180.0)
    tracks = tracker.observe(shaken.frame(20 / HZ))
    np.testing.assert_allclose(centre(tracks), [309, 180], atol=1.5)


def test_late_answer_starts_a_track_where_its_object_is_now(answer: MakeAnswer) -> None:
    scene, tracker = Scene(lambda time: (200 + 150 * time, 180.0)), Tracker(FLOW)
    for i in range(21):
        tracker.observe(scene.frame(i / HZ))
    tracker.apply(answer(0.4, [scene.box(0.4)], wh=WH, delay_s=0.4))
    tracks = tracker.observe(scene.frame(0.8))
    np.testing.assert_allclose(centre(tracks), scene.box(0.8)[:2], atol=1.5)
    np.testing.assert_allclose(tracks.velocity_px_s[0], [150, 0], atol=20)


def test_answer_out_of_order_takes_its_place(answer: MakeAnswer) -> None:
    scene, tracker = Scene(stop_and_go), Tracker(FLOW)
    for i in range(31):
        tracker.observe(scene.frame(i / HZ))
    for now in (0.2, 0.4, 1.0, 0.6):
        applied = tracker.apply(answer(now, [scene.box(now)], wh=WH))
        assert applied.ids == (1,)
    assert applied.reordered
    tracks = tracker.observe(scene.frame(1.24))
    np.testing.assert_allclose(centre(tracks), scene.box(1.24)[:2], atol=2.0)


def test_frame_out_of_order_is_not_looked_at(answer: MakeAnswer) -> None:
    scene, tracker = Scene(stop_and_go), Tracker(FLOW)
    for i in range(11):
        tracker.observe(scene.frame(i / HZ))
    tracker.apply(answer(0.2, [scene.box(0.2)], wh=WH))
    before = tracker.observe(scene.frame(0.44))
    tracker.observe(scene.frame(0.30))
    late = tracker.observe(scene.frame(0.31))
    assert late.stamp_ns == ns(0.31)
    again = tracker.observe(scene.frame(0.44))
    np.testing.assert_array_equal(before.xyxy_px, again.xyxy_px)


def test_other_image_size_starts_the_memory_anew(answer: MakeAnswer) -> None:
    scene, tracker = Scene(stop_and_go), Tracker(FLOW)
    for i in range(6):
        tracker.observe(scene.frame(i / HZ))
    tracker.apply(answer(0.2, [scene.box(0.2)], wh=WH))
    half = Frame(np.zeros((180, 320, 3), np.uint8), ns(0.24))
    tracks = tracker.observe(half)
    assert tracks.ids.tolist() == [1]
    applied = tracker.apply(answer(0.24, [scene.box(0.24) / 2], wh=(320, 180)))
    assert applied.restarted is not None
    assert tracker.observe(Frame(half.pixels, ns(0.28))).wh == (320, 180)


def test_memory_is_bounded() -> None:
    tracker = Tracker(replace(FLOW, bridge_memory_s=0.5))
    pixels = np.zeros((36, 64, 3), np.uint8)
    for i in range(60):
        tracker.observe(Frame(pixels, ns(i / HZ)))
    assert len(tracker._bridge) <= 14
    fast = Tracker(replace(FLOW, bridge_memory_s=10.0))
    for i in range(300):
        fast.observe(Frame(pixels, ns(i / 240)))
    assert len(fast._bridge) <= 96
    fast.reset()
    assert len(fast._bridge) == 0


def test_frames_far_apart_are_predicted(answer: MakeAnswer) -> None:
    scene, tracker = Scene(stop_and_go), Tracker(FLOW)
    tracker.observe(scene.frame(0.0))
    tracker.apply(answer(0.0, [scene.box(0.0)], wh=WH))
    tracks = tracker.observe(scene.frame(0.8))
    np.testing.assert_allclose(centre(tracks), scene.box(0.0)[:2], atol=1.0)


def test_covariance_is_definite_and_grows_with_time_since_the_answer(answer: MakeAnswer) -> None:
    scene = Scene(stop_and_go)
    spread = []
    for now, tracks in follow(answer, scene, FLOW, seconds=2.0, every=12, delay=2):
        if now > 0.6:
            np.testing.assert_array_equal(tracks.covariance, tracks.covariance.transpose(0, 2, 1))
            assert np.linalg.eigvalsh(tracks.covariance).min() > 0
            spread.append((round(now * HZ) % 12, float(np.trace(tracks.covariance[0, :2, :2]))))
    just_before = np.mean([s for k, s in spread if k == 1])
    just_after = np.mean([s for k, s in spread if k == 2])
    assert just_before > just_after


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.UNPARSEABLE])
def test_answers_that_say_nothing_do_not_disturb(answer: MakeAnswer, outcome: Outcome) -> None:
    scene, tracker = Scene(stop_and_go), Tracker(FLOW)
    for i in range(6):
        tracker.observe(scene.frame(i / HZ))
    tracker.apply(answer(0.0, [scene.box(0.0)], wh=WH))
    tracker.apply(answer(0.1, [scene.box(0.1)], wh=WH))
    tracker.apply(answer(0.2, outcome=outcome, wh=WH))
    tracks = tracker.observe(scene.frame(0.24))
    np.testing.assert_allclose(centre(tracks), scene.box(0.24)[:2], atol=1.5)


def test_answers_and_frames_from_two_threads(answer: MakeAnswer) -> None:
    """No frame is lost to a replay, and what is told in the end is where the object is."""
    scene, tracker = Scene(lambda time: (150 + 100 * time, 180.0)), Tracker(FLOW)
    frames = [scene.frame(i / HZ) for i in range(36)]
    seen, done = threading.Semaphore(0), threading.Event()

    def watch() -> None:
        for frame in frames:
            tracker.observe(frame)
            seen.release()
        done.set()

    def answers() -> None:
        for i in range(0, 36, 3):
            for _ in range(3):
                seen.acquire()
            now = i / HZ
            tracker.apply(answer(now, [scene.box(now)], wh=WH), catch_up=False)
            tracker.catch_up()

    threads = [threading.Thread(target=work) for work in (watch, answers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done.is_set()
    assert len(tracker._bridge) == 36
    tracks = tracker.observe(frames[-1])
    assert tracks.ids.tolist() == [1]
    np.testing.assert_allclose(centre(tracks), scene.box(35 / HZ)[:2], atol=2.0)


def test_reset_during_a_replay_leaves_nothing_behind(answer: MakeAnswer) -> None:
    scene, tracker = Scene(stop_and_go), Tracker(FLOW)
    for i in range(8):
        tracker.observe(scene.frame(i / HZ))
    tracker.apply(answer(0.0, [scene.box(0.0)], wh=WH), catch_up=False)
    tracker.reset()
    tracker.catch_up()
    assert len(tracker.observe(scene.frame(0.5))) == 0
    assert len(tracker.observe(scene.frame(0.54))) == 0


@pytest.mark.parametrize("gap_s", [0.4, 0.9, 3.0])
def test_a_box_that_shrank_fast_does_not_turn_inside_out_over_a_gap(
    answer: MakeAnswer, gap_s: float
) -> None:
    """A width below zero would make every later covariance NaN, and end the node's tracks."""
    tracker = Tracker(FLOW)
    scene = Scene(stop_and_go)
    for i, (width, height) in enumerate([(300, 100), (200, 100), (110, 100), (30, 100)]):
        time_s = i * 0.2
        tracker.observe(scene.frame(time_s))
        tracker.apply(answer(time_s, [[320, 180, width, height]], wh=WH))
    for i in range(4):
        tracks = tracker.observe(scene.frame(0.6 + gap_s + i * 0.04))
        assert np.isfinite(tracks.covariance).all()
        assert np.isfinite(tracks.xyxy_px).all()
    assert len(tracks) == (gap_s < 1.0)
