# SPDX-License-Identifier: Apache-2.0
"""Public trackers behind the same answers: those of ``trackers`` (Roboflow) and ``norfair``.

None of them takes a late answer, so each is updated with every answer as it arrives. Between
answers there are three ways (:data:`MODES`):

* ``held``: its boxes stay where they are;
* ``ticked``: it is updated with nothing at every frame, and says what its own filter predicts;
* ``extrapolated``: we extrapolate its boxes from the capture times of the answers in which an id
  was last seen. That is code of ours, which gives them more than they offer.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from needs import optional
from tracking_followers import Follow, delivered
from tracking_score import Said
from tracking_world import LABELS, Answer, World

Update = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
_ROBOFLOW = {
    "SORT": "SORTTracker",
    "ByteTrack": "ByteTrackTracker",
    "OC-SORT": "OCSORTTracker",
    "C-BIoU": "CBIoUTracker",
}
GLUE_LONGEST_S = 1.0
MODES = ("held", "ticked", "extrapolated")
# Frames from one answer to the next in regime B, about.
PERIOD = 7


def peers(*, slow: bool) -> Iterator[tuple[str, str, str, Callable[[], Update]]]:
    """Yield (peer, mode, settings as text, maker) of all that are installed, at each setting."""
    for mode in MODES if slow else MODES[:1]:
        for each in _settings(slow=slow, ticked=mode == "ticked"):
            yield each[0], mode, *each[1:]


def _settings(*, slow: bool, ticked: bool) -> Iterator[tuple[str, str, Callable[[], Update]]]:
    trackers = optional("trackers", f"trackers of Roboflow: {', '.join(_ROBOFLOW)}")
    if trackers and optional("supervision", "trackers of Roboflow, which take its boxes"):
        for name, kind in _ROBOFLOW.items():
            for first, buffer, extra in itertools.product(
                # Ticked, what is missing at the next frame would not live to be seen twice.
                (1,) if ticked else (1, 2) if slow else (2, 3),
                (30,) if ticked or not slow else (4,),
                _grid(name),
            ):
                chosen = {
                    "minimum_consecutive_frames": first,
                    "lost_track_buffer": buffer,
                    **extra,
                }
                text = " ".join(f"{k.split('_')[-2]}={v}" for k, v in chosen.items())
                yield name, text, _roboflow_maker(getattr(trackers, kind), chosen, ticked)
    if optional("norfair", "the tracker norfair"):
        period = PERIOD if ticked else 1
        for delay, life, far in itertools.product((0, 1), (4,) if slow else (15,), (0.7, 0.9)):
            yield (
                "norfair",
                f"delay={delay * period} life={life * period} far={far}",
                _norfair_maker(delay * period, life * period, far, period),
            )


def _grid(name: str) -> list[dict]:
    if name == "C-BIoU":
        return [{}, {"buffer_ratio_first": 0.5, "buffer_ratio_second": 0.8}]
    return [{"minimum_iou_threshold": iou} for iou in (0.1, 0.3)]


def _roboflow_maker(kind: type, chosen: dict, ticked: bool) -> Callable[[], Update]:
    import supervision

    def make() -> Update:
        tracker = kind(frame_rate=30.0, **chosen)

        def update(xyxy: np.ndarray, labels: np.ndarray, scores: np.ndarray):
            found = supervision.Detections(
                xyxy.astype(np.float32), confidence=scores, class_id=labels
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                told = tracker.update(found)
            if ticked:
                alive = [track for track in tracker.tracks if track.tracker_id >= 0]
                ids = np.array([track.tracker_id for track in alive], int)
                boxes = np.array([track.get_state_bbox() for track in alive], float)
                return ids, boxes.reshape(-1, 4)
            if told.tracker_id is None or not len(told):
                return np.zeros(0, int), np.zeros((0, 4))
            sure = told.tracker_id >= 0
            return told.tracker_id[sure].astype(int), told.xyxy[sure].astype(float)

        return update

    return make


def _norfair_maker(delay: int, life: int, far: float, period: int) -> Callable[[], Update]:
    import norfair

    def make() -> Update:
        tracker = norfair.Tracker(
            "iou", distance_threshold=far, hit_counter_max=life, initialization_delay=delay
        )

        def update(xyxy: np.ndarray, _labels: np.ndarray, scores: np.ndarray):
            found = [
                norfair.Detection(box.reshape(2, 2), scores=np.full(2, score))
                for box, score in zip(xyxy, scores, strict=True)
            ]
            told = tracker.update(found, period=period) if found else tracker.update()
            ids = np.array([item.id for item in told], int)
            boxes = np.array([item.estimate.ravel() for item in told]).reshape(-1, 4)
            good = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
            return ids[good], boxes[good]

        return update

    return make


def behind(make: Callable[[], Update], mode: str) -> Follow:
    """A peer updated with every answer, in one of :data:`MODES` between answers."""
    nothing = np.zeros((0, 4)), np.zeros(0, int), np.zeros(0)

    def follow(world: World, answers: list[Answer]) -> Said:
        update, said = make(), Said()
        ids, boxes, speeds, stamp_s = np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 4)), 0.0
        last: dict[int, tuple[float, np.ndarray]] = {}
        for i, new in delivered(world, answers):
            for answer in new:
                found = answer.grounding.detections
                labels = np.array([LABELS.index(k) for k in found.labels], int)
                ids, boxes = update(found.xyxy_px, labels, found.scores)
                stamp_s = answer.index / world.fps
                speeds = np.array(
                    [_speed(last, *row, stamp_s) for row in zip(ids, boxes, strict=True)]
                )
                last |= {int(k): (stamp_s, box) for k, box in zip(ids, boxes, strict=True)}
            if mode == "ticked" and not new:
                ids, boxes = update(*nothing)
            now = boxes
            if mode == "extrapolated" and len(boxes):
                now = boxes + speeds.reshape(-1, 4) * (i / world.fps - stamp_s)
            now = np.clip(now, 0, [*world.wh, *world.wh])
            good = (now[:, :2] < now[:, 2:]).all(axis=1)
            said.add(ids[good], now[good])
        return said

    return follow


def _speed(
    last: dict[int, tuple[float, np.ndarray]], key: int, box: np.ndarray, stamp_s: float
) -> np.ndarray:
    before = last.get(int(key))
    if before is None or not 0 < stamp_s - before[0] <= GLUE_LONGEST_S:
        return np.zeros(4)
    return (box - before[1]) / (stamp_s - before[0])
