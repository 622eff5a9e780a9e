# SPDX-License-Identifier: Apache-2.0
"""What is compared: our tracker, the last answer held, and oracles that see the truth."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from tracking_score import Said
from tracking_world import Answer, World

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.tracking import EgoMotion, Tracker

Follow = Callable[[World, list[Answer]], Said]


def delivered(world: World, answers: list[Answer]):
    """Yield each frame's index with the answers that arrived since the frame before."""
    waiting = deque(sorted(answers, key=lambda a: a.arrives_s))
    for i in range(len(world)):
        new = []
        while waiting and waiting[0].arrives_s <= i / world.fps + 1e-9:
            new.append(waiting.popleft())
        yield i, new


def ours(settings: TrackerSettings, bridge: str, *, gyro: bool = False) -> Follow:
    """Our tracker, scored on what is confirmed or coasts."""

    def follow(world: World, answers: list[Answer]) -> Said:
        tracker, said = Tracker(replace(settings, bridge=bridge)), Said()
        ego = EgoMotion(world.lens) if gyro and world.lens is not None else None
        rates = deque(world.gyro)
        for i, new in delivered(world, answers):
            frame = world.frame(i)
            while ego is not None and rates and rates[0][0] <= frame.stamp_ns:
                ego = ego.with_rate(*rates.popleft())
            tracker.set_ego_motion(ego)
            observe_first = bool(new) and new[-1].index == i
            if observe_first:  # regime A: the answer is about this very frame
                tracker.observe(frame)
            for answer in new:
                tracker.apply(answer.grounding)
            tracks = tracker.observe(frame)
            sure = tracks.established
            said.add(tracks.ids[sure], tracks.xyxy_px[sure], tracks.covariance[sure, :2, :2])
        return said

    return follow


def held(world: World, answers: list[Answer]) -> Said:
    """The newest answer's boxes where they were; the ids are the truth's, so only place counts."""
    from scipy.optimize import linear_sum_assignment

    from lfmvl_ros.core.boxes import iou_matrix

    said, ids, boxes = Said(), np.zeros(0, int), np.zeros((0, 4))
    for _, new in delivered(world, answers):
        for answer in new:
            boxes = answer.grounding.detections.xyxy_px
            iou = iou_matrix(boxes, world.xyxy_px[answer.index])
            a, b = linear_sum_assignment(-iou)
            ids = 10_000 + 100 * answer.index + np.arange(len(boxes))
            good = iou[a, b] > 0.3
            ids[a[good]] = world.ids[answer.index][b[good]]
        said.add(ids, boxes)
    return said


def last_two_true(world: World, answers: list[Answer]) -> Said:
    """Oracle: the true boxes of the last two answered frames, extrapolated in a straight line."""
    said, known = Said(), deque(maxlen=2)
    for i, new in delivered(world, answers):
        known.extend(answer.index for answer in new)
        if not known:
            said.add(np.zeros(0, int), np.zeros((0, 4)))
            continue
        last = dict(zip(world.ids[known[-1]].tolist(), world.xyxy_px[known[-1]], strict=True))
        first = dict(zip(world.ids[known[0]].tolist(), world.xyxy_px[known[0]], strict=True))
        ahead = (i - known[-1]) / max(known[-1] - known[0], 1)
        boxes = [box + (box - first.get(key, box)) * ahead for key, box in last.items()]
        said.add(np.array(list(last), int), _proper(np.array(boxes), world.wh))
    return said


def true_motion(world: World, answers: list[Answer]) -> Said:
    """Oracle: the boxes of the newest answer, each carried by its object's true motion."""
    from scipy.optimize import linear_sum_assignment

    from lfmvl_ros.core.boxes import iou_matrix

    truth = [dict(zip(k.tolist(), b, strict=True)) for k, b in
             zip(world.ids, world.xyxy_px, strict=True)]  # fmt: skip
    said, held_boxes = Said(), {}
    for i, new in delivered(world, answers):
        for answer in new:
            boxes = answer.grounding.detections.xyxy_px
            ids, true = world.ids[answer.index], world.xyxy_px[answer.index]
            iou = iou_matrix(boxes, true)
            a, b = linear_sum_assignment(-iou)
            held_boxes = {
                int(ids[y]): (boxes[x], true[y])
                for x, y in zip(a, b, strict=True)
                if iou[x, y] > 0.3
            }
        here = {k: v for k, v in held_boxes.items() if k in truth[i]}
        moved = [_carried(box, then, truth[i][k]) for k, (box, then) in here.items()]
        said.add(np.array(list(here), int), _proper(np.array(moved), world.wh))
    return said


def _carried(box: np.ndarray, then: np.ndarray, now: np.ndarray) -> np.ndarray:
    scale = (now[2:] - now[:2]) / (then[2:] - then[:2])
    centre = (now[2:] + now[:2]) / 2 + ((box[2:] + box[:2]) / 2 - (then[2:] + then[:2]) / 2) * scale
    half = (box[2:] - box[:2]) / 2 * scale
    return np.concatenate([centre - half, centre + half])


def _proper(boxes: np.ndarray, wh: tuple[int, int]) -> np.ndarray:
    limit = np.array([*wh, *wh], float)
    return np.clip(boxes.reshape(-1, 4), 0, limit)
