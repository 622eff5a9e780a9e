# SPDX-License-Identifier: Apache-2.0
"""What the tracker is for: boxes at camera rate from answers that are rare, late and noisy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.stats import chi2

from lfmvl_ros.core.boxes import cxcywh_to_xyxy, iou_matrix
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.tracking import Tracker, Tracks

MakeAnswer = Callable[..., Grounding]
CAMERA_HZ = 25
Truth = Callable[[float], np.ndarray]


def ns(time_s: float) -> int:
    return round(time_s * 1e9)


def follow(
    answer: MakeAnswer,
    truth: Truth,
    *,
    seconds: float,
    seed: int,
    interval_s: float = 0.25,
    delay_s: float = 0.25,
    miss: float = 0.0,
) -> Iterator[tuple[float, Tracks, np.ndarray]]:
    """Yield (time, tracks, newest answered boxes) at each camera frame, by what had arrived."""
    rng, tracker = np.random.default_rng(seed), Tracker()
    on_the_way: list[tuple[float, Grounding, np.ndarray]] = []
    held, due = np.zeros((0, 4)), 0.0
    for i in range(int(seconds * CAMERA_HZ)):
        now = i / CAMERA_HZ
        while on_the_way and on_the_way[0][0] <= now + 1e-9:
            _, grounding, held = on_the_way.pop(0)
            tracker.apply(grounding)
        if now >= due - 1e-9:
            due += interval_s
            boxes = truth(now)[rng.random(len(truth(now))) >= miss]
            centre = rng.normal(size=(len(boxes), 2)) * 0.02 * boxes[:, 2:]
            size = 1 + rng.normal(size=(len(boxes), 2)) * 0.05
            boxes = np.concatenate([boxes[:, :2] + centre, boxes[:, 2:] * size], axis=1)
            found = answer(now, boxes, sigma_px=1.0, delay_s=delay_s)
            on_the_way.append((now + delay_s, found, boxes))
        yield now, tracker.at(ns(now)), held


def centres(tracks: Tracks) -> np.ndarray:
    return (tracks.xyxy_px[:, :2] + tracks.xyxy_px[:, 2:]) / 2


@pytest.mark.parametrize("seed", range(3))
def test_moving_object_is_met_where_it_is_now(answer: MakeAnswer, seed: int) -> None:
    def truth(time: float) -> np.ndarray:
        return np.array([[150 + 120 * time, 300 + 25 * time, 60, 120]])

    ours, holding, overlap, speed = [], [], [], []
    for now, tracks, held in follow(answer, truth, seconds=8, seed=seed):
        if now < 2.0:
            continue
        target = truth(now)
        assert tracks.ids.tolist() == [1]
        ours.append(np.hypot(*(centres(tracks)[0] - target[0, :2])))
        holding.append(np.hypot(*(held[0, :2] - target[0, :2])))
        overlap.append(iou_matrix(tracks.xyxy_px, cxcywh_to_xyxy(target))[0, 0])
        speed.append(tracks.velocity_px_s[0])
    assert np.mean(ours) < 7
    assert np.mean(ours) < np.mean(holding) / 5
    assert np.mean(overlap) > 0.75
    np.testing.assert_allclose(np.mean(speed, axis=0), [120, 25], atol=10)


def test_object_at_rest_does_not_drift_with_the_noise_of_its_boxes(answer: MakeAnswer) -> None:
    rest = np.array([[640.0, 360, 60, 120]])
    speeds = [
        np.hypot(*tracks.velocity_px_s[0])
        for seed in range(3)
        for now, tracks, _ in follow(answer, lambda _: rest, seconds=8, seed=seed)
        if now > 1.0
    ]
    assert np.median(speeds) < 2.0


@pytest.mark.parametrize("seed", range(3))
def test_crossing_objects_keep_their_ids(answer: MakeAnswer, seed: int) -> None:
    def truth(time: float) -> np.ndarray:
        return np.array([[200 + 80 * time, 300, 60, 120], [840 - 80 * time, 330, 60, 120]])

    owner: dict[int, int] = {}
    apart = 0
    for now, tracks, _ in follow(answer, truth, seconds=8, seed=seed, miss=0.05):
        target = truth(now)[:, :2]
        if now < 2.0 or abs(target[0, 0] - target[1, 0]) < 120:
            continue
        apart += 1
        for key, place in zip(tracks.ids.tolist(), centres(tracks), strict=True):
            nearest = int(np.hypot(*(target - place).T).argmin())
            assert owner.setdefault(key, nearest) == nearest
    assert sorted(owner) == [1, 2]
    assert apart > 100


def stop_and_go(seed: int, count: int = 8, seconds: float = 24.0) -> Truth:
    """People and carts that start, walk and stop at random; positions from a table."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(60, 160, count)
    place = np.column_stack([rng.uniform(350, 930, count), np.linspace(100, 620, count)])
    velocity, goal, table = np.zeros((count, 2)), np.zeros((count, 2)), []
    for _ in range(int(seconds * CAMERA_HZ) + 1):
        change = rng.random(count) < 0.6 / CAMERA_HZ
        side = np.where(place[:, 0] > 640, -1, 1) * rng.uniform(0.3, 1.0, count) * height
        moving = rng.random(count) < 0.6
        goal[change] = np.column_stack([side * moving, 0.1 * side * moving])[change]
        velocity += (goal - velocity) * 3 / CAMERA_HZ
        place = place + velocity / CAMERA_HZ
        table.append(np.column_stack([place, height * 0.5, height]))
    return lambda time: table[round(time * CAMERA_HZ)]


@pytest.mark.parametrize(("interval_s", "delay_s"), [(0.24, 0.24), (0.04, 0.0), (0.8, 0.8)])
def test_stated_regions_hold_the_truth(
    answer: MakeAnswer, interval_s: float, delay_s: float
) -> None:
    """The 90 % ellipse of the centre holds 80 to 99 % of true centres, at any rate and delay."""
    inside = []
    for seed in range(3):
        world = stop_and_go(seed)
        frames = follow(
            answer, world, seconds=16, seed=seed, interval_s=interval_s, delay_s=delay_s, miss=0.05
        )
        for now, tracks, _ in frames:
            if now < 3.0 or not len(tracks):
                continue
            apart = centres(tracks)[:, None, :] - world(now)[None, :, :2]
            nearest = apart[np.arange(len(tracks)), np.hypot(*apart.T).T.argmin(axis=1)]
            solved = np.linalg.solve(tracks.covariance[:, :2, :2], nearest[:, :, None])
            inside += ((nearest * solved[:, :, 0]).sum(axis=1) < chi2.ppf(0.9, 2)).tolist()
    assert len(inside) > 5000
    assert 0.80 < np.mean(inside) < 0.99


@pytest.mark.parametrize("repeats", [0.0, 0.75])
@pytest.mark.parametrize("interval_s", [0.12, 0.3])
def test_errors_that_a_model_repeats_are_not_averaged_away(
    answer: MakeAnswer, interval_s: float, repeats: float
) -> None:
    """A model that is wrong by 8 px is often wrong by the same 8 px in the next answer."""
    rng, sigma_px = np.random.default_rng(8), 8.0
    truth = np.array([[200.0 + 180 * i, 300, 100, 100] for i in range(5)])
    tracker, inside, sure = Tracker(TrackerSettings(bridge="predict")), [], []
    same, keeps = rng.normal(size=(5, 2, 2)), np.exp(-interval_s / 1.5)
    for i in range(round(60 / interval_s)):
        same = keeps * same + np.sqrt(1 - keeps**2) * rng.normal(size=same.shape)
        fresh = rng.normal(size=same.shape)
        corners = sigma_px * (np.sqrt(repeats) * same + np.sqrt(1 - repeats) * fresh)
        low, high = corners[:, 0], corners[:, 1]
        error = np.concatenate([(low + high) / 2, high - low], axis=1)
        tracker.apply(answer(i * interval_s, truth + error, sigma_px=sigma_px))
        tracks = tracker.at(ns(i * interval_s))
        if i * interval_s < 10:
            continue
        for middle, spread in zip(centres(tracks), tracks.covariance, strict=True):
            apart = (truth[:, :2] - middle)[np.abs(truth[:, :2] - middle).sum(axis=1).argmin()]
            inside.append(apart @ np.linalg.solve(spread[:2, :2], apart) < chi2.ppf(0.9, 2))
            sure.append(np.sqrt(spread[0, 0]))
    assert 0.85 < np.mean(inside) < 0.99
    assert np.median(sure) < sigma_px


@pytest.mark.parametrize("adaptation", [0.0, 0.2])
def test_jitter_of_another_detector_is_learnt(answer: MakeAnswer, adaptation: float) -> None:
    """Boxes waver more than twice as much as the settings say: only what learns states it."""
    rng = np.random.default_rng(5)
    truth = np.array([[200.0 + 180 * i, 300, 100, 100] for i in range(5)])
    tracker = Tracker(TrackerSettings(bridge="predict", noise_adaptation=adaptation))
    inside = []
    for i in range(200):
        noise = rng.normal(size=truth.shape) * [12, 12, 24, 24]
        tracker.apply(answer(i / 10, truth + noise, sigma_px=1.0))
        tracks = tracker.at(ns(i / 10))
        if i >= 100:
            for middle, spread in zip(centres(tracks), tracks.covariance, strict=True):
                apart = (truth[:, :2] - middle)[np.abs(truth[:, :2] - middle).sum(axis=1).argmin()]
                inside.append(apart @ np.linalg.solve(spread[:2, :2], apart) < chi2.ppf(0.9, 2))
    assert len(inside) > 380
    if adaptation:
        assert 0.75 < np.mean(inside) <= 1.0
    else:
        assert np.mean(inside) < 0.6
