# SPDX-License-Identifier: Apache-2.0
"""CPU time of the tracker: per camera frame, and per late answer.

    python benchmarks/tracking_cost.py [--rounds N] [--budget-ms MS] [--save FILE] [--compare FILE]

A rendered VGA video at 30 Hz with about ten tracks is played to the tracker, with the answers of a
simulated model that takes the newest frame when it is free and answers 0.3 s late, with the defects
of a small model. Three figures, each as the median and the 95th percentile over all calls of all
rounds, in ms of CPU time of the calling thread:

- ``observe_ms``: ``Tracker.observe``, once a frame;
- ``apply_ms``: ``Tracker.apply`` without catching up, once an answer;
- ``catch_up_ms``: ``Tracker.catch_up`` over the frames since the answer's, once an answer.

``core_percent`` is all three together, in percent of one core. By default every point is followed
that boxes want (``tracker.bridge_budget_ms`` at its highest), so that the tracks don't depend on
how busy the machine is; ``--budget-ms 4`` is the default of the node. ``--save`` writes the tracks
at every frame, ``--compare`` prints the largest differences from saved ones: a change that only
saves time leaves them at 0, or near it where sums are taken in another order. Takes half a minute.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import cv2
    import numpy as np
    from measuring import machine, percentile
    from tracking_followers import delivered
    from tracking_world import FPS, Answer, World, rendered, slow_answers
    from tracking_world import WH as SMALL_WH

    from lfmvl_ros.core.config import TrackerSettings
    from lfmvl_ros.core.detections import Detections
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.tracking import Tracker, Tracks

WH, RATE_HZ, LATENCY_S = (640, 480), 30.0, 0.3
SCENE, SEED = "pan", 3
WARM_UP_S = 2.0
UNLIMITED_MS = 100.0


class Clock:
    """CPU time of calls by name, ms; calls before ``WARM_UP_S`` of video are not kept."""

    def __init__(self) -> None:
        self.spent_ms: dict[str, list[float]] = {}
        self.counts = False

    def __call__(self, name: str, call: Callable[[], Tracks | object]) -> Tracks | object:
        """Make a call and return its result."""
        began = time.thread_time()
        result = call()
        spent = time.thread_time() - began
        if self.counts:
            self.spent_ms.setdefault(name, []).append(spent * 1e3)
        return result


def play(
    world: World, answers: list[Answer], settings: TrackerSettings, clock: Clock
) -> list[Tracks]:
    """Play a video and its answers to a new tracker; return its tracks at each frame."""
    tracker, said = Tracker(settings), []
    for index, new in delivered(world, answers):
        clock.counts = index >= WARM_UP_S * world.fps
        for answer in new:
            grounding = answer.grounding
            clock("apply_ms", lambda: tracker.apply(grounding, catch_up=False))  # noqa: B023
            clock("catch_up_ms", tracker.catch_up)
        frame = world.frame(index)
        said.append(clock("observe_ms", lambda: tracker.observe(frame)))  # noqa: B023
    return said


def as_rows(said: list[Tracks]) -> np.ndarray:
    """Frame, id, box, velocity, score and covariance of each track at each frame."""
    rows = [
        np.column_stack(
            [
                np.full(len(tracks), index),
                tracks.ids,
                tracks.xyxy_px,
                tracks.velocity_px_s,
                tracks.scores,
                tracks.covariance.reshape(len(tracks), 16),
            ]
        )
        for index, tracks in enumerate(said)
    ]
    return np.concatenate(rows)


def difference(rows: np.ndarray, saved: np.ndarray) -> dict[str, object]:
    """How far tracks are from the saved ones: px, px/s, and relative for the covariance."""
    if rows.shape != saved.shape or not np.array_equal(rows[:, :2], saved[:, :2]):
        return {"same_ids": False}
    off = np.abs(rows - saved)
    spread = np.abs(saved[:, 9:]).max(axis=1, keepdims=True)
    return {
        "same_ids": True,
        "box_px": float(off[:, 2:6].max()),
        "velocity_px_s": float(off[:, 6:8].max()),
        "score": float(off[:, 8].max()),
        "covariance_share": float((off[:, 9:] / spread).max()),
    }


def moving_boxes(count: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Boxes ``(N, 4)`` over an image of 640x360 and their velocity ``(N, 2)``, px/s."""
    rng = np.random.default_rng(seed)
    size = rng.uniform([20, 30], [60, 90], (count, 2))
    low = rng.uniform(0, 1, (count, 2)) * (np.array(SMALL_WH) - size)
    return np.concatenate([low, low + size], axis=1), rng.normal(size=(count, 2)) * 20


def update_ms(world: World, count: int) -> float:
    """CPU time of one answer with ``count`` objects, without replay."""
    boxes, velocity = moving_boxes(count)
    template = slow_answers(world, 0)[0].grounding
    tracker, rng, spent = Tracker(TrackerSettings(bridge="predict")), np.random.default_rng(1), []
    for step in range(40):
        moved = boxes + np.tile(velocity, 2) * step / 4 * (step < 8) + rng.normal(size=boxes.shape)
        found = Detections(moved, ("person",) * count, np.ones(count), np.full((count, 4), 2.0))
        grounding = replace(template, detections=found, stamp_ns=round(step * 0.25e9))
        start = time.thread_time()
        tracker.apply(grounding)
        spent.append((time.thread_time() - start) * 1e3)
    return round(float(np.median(spent[5:])), 2)


def bridge_ms(count: int = 20) -> dict[str, float]:
    """CPU time of a frame at 640x360 with ``count`` tracks, and of a replay of 250 ms."""
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.integers(0, 255, (420, 760), np.uint8), (0, 0), 2.0)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    boxes, _ = moving_boxes(count)
    world = World("texture", image[None], (), (), (), ())
    template = slow_answers(replace(world, ids=(np.zeros(0, int),), labels=((),),
                                    xyxy_px=(np.zeros((0, 4)),)), 0)[0].grounding  # fmt: skip
    tracker, index = Tracker(), [0]

    def frame() -> Frame:
        index[0] += 1
        x, y = 30 + index[0] % 60, 20 + index[0] % 30
        view = np.ascontiguousarray(image[y : y + SMALL_WH[1], x : x + SMALL_WH[0]])
        return Frame(cv2.cvtColor(view, cv2.COLOR_GRAY2RGB), round(index[0] * 1e9 / FPS))

    def answer(stamp_ns: int) -> None:
        found = Detections(boxes, ("person",) * count, np.ones(count), np.full((count, 4), 2.0))
        tracker.apply(replace(template, detections=found, stamp_ns=stamp_ns))

    replays = []
    per_frame = []
    for _ in range(8):
        frames = [frame() for _ in range(8)]
        for each in frames:
            start = time.thread_time()
            tracker.observe(each)
            per_frame.append((time.thread_time() - start) * 1e3)
        start = time.thread_time()
        answer(frames[1].stamp_ns)
        replays.append((time.thread_time() - start) * 1e3)
    return {
        "bridge_ms_per_frame": round(float(np.median(per_frame[16:])), 2),
        "replay_ms": round(float(np.median(replays[2:])), 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=12.0, help="length of the video")
    parser.add_argument("--rounds", type=int, default=3, help="how often it is played")
    parser.add_argument("--budget-ms", type=float, default=UNLIMITED_MS, help="bridge_budget_ms")
    parser.add_argument("--out", type=Path, default=Path("out/tracking"), help="frame cache")
    parser.add_argument("--save", type=Path, help="write the tracks to this .npy file")
    parser.add_argument("--compare", type=Path, help="compare the tracks with such a file")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    world = rendered(SCENE, SEED, args.seconds, args.out / "cache", wh=WH, fps=RATE_HZ)
    answers = slow_answers(world, SEED, latency_s=LATENCY_S)
    settings = replace(TrackerSettings(), bridge_budget_ms=args.budget_ms)
    clock = Clock()
    result: dict[str, object] = {**machine(), "budget_ms": args.budget_ms}
    for _ in range(args.rounds):
        said = play(world, answers, settings, clock)
    for name, spent in clock.spent_ms.items():
        result[name] = {"p50": percentile(spent, 50), "p95": percentile(spent, 95)}
    counted_s = args.rounds * (args.seconds - WARM_UP_S)
    result["core_percent"] = round(sum(map(sum, clock.spent_ms.values())) / counted_s / 10, 1)
    result["tracks"] = round(float(np.mean([len(tracks) for tracks in said])), 1)
    result["answers_hz"] = round(len(clock.spent_ms["apply_ms"]) / counted_s, 1)
    rows = as_rows(said)
    if args.save:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        np.save(args.save, rows)
    if args.compare:
        result["difference"] = difference(rows, np.load(args.compare))
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
