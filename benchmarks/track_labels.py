# SPDX-License-Identifier: Apache-2.0
"""Labels of tracks: how soon they follow when goods are exchanged, and how often they flip.

    python benchmarks/track_labels.py             # a minute on a quiet core
    python benchmarks/track_labels.py --quick     # a quarter of the worlds
    python benchmarks/track_labels.py --pixels    # with rendered frames and optical flow

Six objects of five labels stand still for 20 s and are answered 4 times a second; 8 % of the boxes
are missing, and boxes vary as in `benchmarks/tracking_world.py`. In half of the worlds all objects
are exchanged in place after 10 s: at once (gap 0), or after a second with nothing there (gap 4
answers). Labels are confused with probability 0, 5 and 15 % an answer: `any`, with any other label,
independently; `twin`, always with the same other label and for 2 answers on average, as models
repeat their errors. Confidences are lower where the label is wrong, and calibrated with
`--scores calibrated`; with `constant` they are all 1.

* delay: answers after the first one about the new object until its track, matched by IoU, is
  published under its label: median and 90th percentile. `never`: not within 10 s.
* new id: share of the exchanges after which the object has another id than the one before.
* flips: how often a minute a track's label changes although nothing was exchanged, after 1 s.
  `ids`: the same of new ids.
* wrong: share of published tracks with a wrong label, nothing exchanged.
* brier, ece: of the published score against whether the label is right; `after`: in the 2.5 s
  after an exchange.

Tracks are published when they are confirmed. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from needs import needed_packages, run_command

with needed_packages():
    import cv2
    import numpy as np

    from lfmvl_ros.core.boxes import iou_matrix
    from lfmvl_ros.core.calibration.reliability import expected_calibration_error
    from lfmvl_ros.core.config import TrackerSettings
    from lfmvl_ros.core.detections import Detections
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.grounding import Grounding, Outcome
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.core.reply import Reply, StageTimes
    from lfmvl_ros.core.tracking import Tracker, Tracks

LABELS = ("red tote", "blue tote", "crate", "cardboard box", "barrel")
COLOURS = ((200, 30, 30), (30, 60, 200), (150, 110, 60), (190, 150, 100), (40, 140, 60))
WH, RATE_HZ, ANSWERS, EXCHANGE = (640, 480), 4.0, 80, 40
FRAMES_AN_ANSWER = 6  # with pixels
MISS, AFTER, SETTLE = 0.08, 10, 4
BOXES = np.array([[x, y, 90.0, 70.0] for y in (130.0, 340.0) for x in (110.0, 320.0, 530.0)])
CONFUSIONS = (0.0, 0.05, 0.15)


@dataclass(frozen=True)
class Case:
    """One row of the table: how labels are confused, and what is exchanged."""

    confusion: float
    twin: bool
    gap: int | None  # answers with nothing there; None: nothing is exchanged

    @property
    def name(self) -> str:
        """As the table has it."""
        kind = "twin" if self.twin else "any"
        return f"{self.confusion:.2f} {kind}" if self.confusion else "0"


class Named:
    """The labels that a detector gives to objects over time."""

    def __init__(self, case: Case, rng: np.random.Generator) -> None:
        self._case, self._rng = case, rng
        self._wrong = np.zeros(len(BOXES), bool)

    def label(self, row: int, truth: int) -> int:
        """Return what an object is called in the next answer."""
        rng, p = self._rng, self._case.confusion
        if not self._case.twin:
            return int((truth + rng.integers(1, len(LABELS))) % 5) if rng.random() < p else truth
        stay = 0.5  # of an error: two answers on average
        start = p * (1 - stay) / (1 - p)
        self._wrong[row] = rng.random() < (stay if self._wrong[row] else start)
        return (truth + 1) % len(LABELS) if self._wrong[row] else truth


@dataclass
class World:
    """Truth ``(ANSWERS, objects)``, -1 where nothing is, and the answers."""

    truth: np.ndarray
    answers: list[Grounding] = field(default_factory=list)


def world(case: Case, seed: int, scores: str) -> World:
    """Return what stands there and what a detector says."""
    rng = np.random.default_rng((21, seed))
    first = rng.integers(len(LABELS), size=len(BOXES))
    truth = np.tile(first, (ANSWERS, 1))
    if case.gap is not None:
        truth[EXCHANGE:] = (first + rng.integers(1, len(LABELS), size=len(BOXES))) % len(LABELS)
        truth[EXCHANGE : EXCHANGE + case.gap] = -1
    made, named = World(truth), Named(case, rng)
    for i in range(ANSWERS):
        made.answers.append(_answer(i, truth[i], named, rng, case, scores))
    return made


def _answer(
    index: int, truth: np.ndarray, named: Named, rng: np.random.Generator, case: Case, scores: str
) -> Grounding:
    boxes, labels, said = [], [], []
    for row, (box, label) in enumerate(zip(BOXES, truth.tolist(), strict=True)):
        called = named.label(row, label)
        if label < 0 or rng.random() < MISS:
            continue
        centre = box[:2] + rng.normal(size=2) * 0.02 * box[2:]
        half = box[2:] * np.exp(rng.normal(size=2) * 0.05) / 2
        boxes.append([*(centre - half), *(centre + half)])
        labels.append(LABELS[called])
        said.append(_score(called == label, case.confusion, rng) if scores == "calibrated" else 1.0)
    n = len(boxes)
    found = Detections(
        np.array(boxes).reshape(-1, 4), tuple(labels), np.array(said), np.full((n, 4), 1.0)
    )
    return Grounding(
        outcome=Outcome.OK if n else Outcome.EMPTY, detections=found,
        stamp_ns=round((index + 1) * 1e9 / RATE_HZ), frame_id="camera", camera="", wh=WH,
        query=Query(LABELS), reply=Reply("", times=StageTimes(decode_s=1 / RATE_HZ)),
        confidence_kind=scores,
    )  # fmt: skip


def _score(right: bool, confusion: float, rng: np.random.Generator) -> float:
    """Of a right label from Beta(6, 2), of a wrong one from Beta(2, 6); then calibrated."""
    raw = float(np.clip(rng.beta(6, 2) if right else rng.beta(2, 6), 1e-3, 1 - 1e-3))
    odds = (raw / (1 - raw)) ** 4 * (1 - confusion) / max(confusion, 1e-3)
    return min(odds / (1 + odds), 0.99)


@dataclass
class Seen:
    """What was published at one answer of one object: id (0: nothing), label right, score."""

    id: np.ndarray
    right: np.ndarray
    score: np.ndarray
    label: np.ndarray


def followed(made: World, pixels: bool) -> Seen:
    """Track a world; return what is published of each object, arrays ``(ANSWERS, objects)``."""
    tracker = Tracker(TrackerSettings(bridge="flow" if pixels else "predict"), point_s=1e-6)
    shape = made.truth.shape
    seen = Seen(np.zeros(shape, int), np.zeros(shape, bool), np.zeros(shape), np.full(shape, -1))
    for i, grounding in enumerate(made.answers):
        if pixels:
            for frame in _frames(made.truth, i):
                tracker.observe(frame)
        tracker.apply(grounding)
        _write(seen, i, tracker.at(grounding.stamp_ns), made.truth[i])
    return seen


def _frames(truth: np.ndarray, index: int) -> Iterator[Frame]:
    """The frames up to and with the one of an answer: coloured boxes before a grey wall."""
    for k in range(1, FRAMES_AN_ANSWER + 1):
        last = k == FRAMES_AN_ANSWER
        rng = np.random.default_rng(3)
        image = np.repeat(rng.integers(90, 130, (*WH[::-1], 1), dtype=np.uint8), 3, axis=2)
        shown = truth[index if last else max(index - 1, 0)]
        for (cx, cy, w, h), label in zip(BOXES.tolist(), shown.tolist(), strict=True):
            if label < 0:
                continue
            a = (round(cx - w / 2), round(cy - h / 2))
            b = (round(cx + w / 2), round(cy + h / 2))
            cv2.rectangle(image, a, b, COLOURS[label], -1)
            cv2.putText(image, LABELS[label][:5], (a[0] + 8, b[1] - 20), 0, 0.8, (240, 240, 240), 2)
        stamp_ns = round((index + k / FRAMES_AN_ANSWER) * 1e9 / RATE_HZ)
        yield Frame(image, stamp_ns)


def _write(seen: Seen, index: int, tracks: Tracks, truth: np.ndarray) -> None:
    """The published track of each object: of several at its place, the most confident one."""
    rows = np.array(tracks.established, int)
    if not rows.size:
        return
    half = BOXES[:, 2:] / 2
    places = np.concatenate([BOXES[:, :2] - half, BOXES[:, :2] + half], axis=1)
    near = iou_matrix(places, tracks.xyxy_px[rows]) >= 0.4
    for place, here in enumerate(near):
        if here.any():
            row = rows[here][tracks.scores[rows[here]].argmax()]
            label = LABELS.index(tracks.labels[row])
            seen.id[index, place], seen.label[index, place] = tracks.ids[row], label
            seen.score[index, place] = tracks.scores[row]
            seen.right[index, place] = label == truth[place]


@dataclass
class Figures:
    """What the worlds of one case add up to."""

    delays: list[float] = field(default_factory=list)
    new_id: list[bool] = field(default_factory=list)
    flips: int = 0
    ids: int = 0
    minutes: float = 0.0
    score: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    score_after: list[float] = field(default_factory=list)
    right_after: list[bool] = field(default_factory=list)

    def add(self, made: World, seen: Seen, case: Case) -> None:
        """Add one world."""
        start = EXCHANGE + (case.gap or 0)
        rows = range(SETTLE, ANSWERS)
        for i in rows:
            there = (seen.id[i] > 0) & (made.truth[i] >= 0)
            self.score += seen.score[i, there].tolist()
            self.right += seen.right[i, there].tolist()
            if case.gap is not None and start <= i < start + AFTER:
                self.score_after += seen.score[i, there].tolist()
                self.right_after += seen.right[i, there].tolist()
        for place in range(len(BOXES)):
            if case.gap is None:
                self._steady(seen, place)
            else:
                self._exchanged(seen, place, start)

    def _steady(self, seen: Seen, place: int) -> None:
        shown = np.flatnonzero(seen.id[:, place] > 0)
        shown = shown[shown >= SETTLE]
        self.flips += int((np.diff(seen.label[shown, place]) != 0).sum())
        self.ids += int((np.diff(seen.id[shown, place]) != 0).sum())
        self.minutes += len(shown) / RATE_HZ / 60

    def _exchanged(self, seen: Seen, place: int, start: int) -> None:
        right = np.flatnonzero(seen.right[start:, place])
        self.delays.append(float(right[0] + 1) if right.size else np.inf)
        before, after = seen.id[EXCHANGE - 1, place], seen.id[-1, place]
        if before and after:
            self.new_id.append(bool(before != after))

    def table(self, case: Case) -> dict[str, Any]:
        """Return the row of the table."""
        score, right = np.array(self.score), np.array(self.right)
        row: dict[str, Any] = {"confusion": case.name, "gap": case.gap}
        if case.gap is None:
            row["flips_min"] = round(self.flips / self.minutes, 2)
            row["ids_min"] = round(self.ids / self.minutes, 2)
            row["wrong"] = round(float(1 - right.mean()), 4)
        else:
            delays = np.array(self.delays)
            row["delay"], row["delay_90"] = (
                float(np.quantile(delays, q, method="higher")) for q in (0.5, 0.9)
            )
            row["never"] = round(float(np.isinf(delays).mean()), 3)
            row["new_id"] = round(float(np.mean(self.new_id)), 2)
            after = np.array(self.score_after) - np.array(self.right_after)
            row["brier_after"] = round(float((after**2).mean()), 3)
        row["brier"] = round(float(((score - right) ** 2).mean()), 4)
        row["ece"] = round(expected_calibration_error(score, right), 3)
        return row


def cases() -> Iterator[Case]:
    """Every row of the table."""
    for gap in (None, 0, 4):
        for confusion in CONFUSIONS:
            for twin in (False, True) if confusion else (False,):
                yield Case(confusion, twin, gap)


def main() -> None:
    """Follow every world and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=40, help="of each kind")
    parser.add_argument("--quick", action="store_true", help="10 worlds of each kind")
    parser.add_argument("--pixels", action="store_true", help="render frames, use optical flow")
    parser.add_argument("--scores", choices=("calibrated", "constant"), default="calibrated")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    result = []
    for case in cases():
        figures = Figures()
        for seed in range(10 if args.quick else args.worlds):
            made = world(case, seed, args.scores)
            figures.add(made, followed(made, args.pixels), case)
        result.append(figures.table(case))
        print(*(f"{key} {value}" for key, value in result[-1].items()), flush=True)
    print(json.dumps({"scores": args.scores, "pixels": args.pixels, "rows": result}))


if __name__ == "__main__":
    run_command(main)
