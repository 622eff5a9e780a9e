# SPDX-License-Identifier: Apache-2.0
"""Small objects with and without zoom, behind the bundled model, with the same time per answer.

Rendered videos (640x480, 25 frames a second) of seeds that nothing else uses. All variants see the
same frames and get an answer every 0.24 s of video: with zoom, some of these answers are about a
part of the image. Scored are the tracks that a subscriber of ``tracks`` gets, at every camera frame
after the first three seconds.

    python benchmarks/zoom.py              # 4 videos of 12 s, all variants; 6 minutes
    python benchmarks/zoom.py --quick      # one of 8 s, without and with zoom; under a minute
    python benchmarks/zoom.py --image out/zoom.png    # draws the frame where zoom adds most
    python benchmarks/zoom.py --keep runs/zoom        # keep what was counted; go on after a stop

An object counts as found where a track of its label has an IoU of at least 0.5 with it, as in the
model's card. By visible area, as a share of the image: tiny (0.15 to 0.4 %), small (0.4 to 1 %),
medium (1 to 4 %), large. Objects less than a quarter visible, and smaller ones, count neither way.
``wrong``: tracks on no object, of a hundred. ``hota``: of all objects of 0.4 % and more.
``answer_ms``: what the model took here, median; ``forwards``: its passes through the language
model, mean. ``ece``: calibration error of the confidences in answers. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import pickle
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from needs import needed_packages, optional, run_command

with needed_packages():
    import numpy as np
    from tqdm import tqdm

    from lfmvl_ros.core.boxes import iou_matrix
    from lfmvl_ros.core.calibration.reliability import expected_calibration_error
    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
    from lfmvl_ros.core.reply import Reply
    from lfmvl_ros.core.report import Answer
    from lfmvl_ros.core.timeline import Verdict
    from lfmvl_ros.core.tracking import Tracks
    from lfmvl_ros.core.tracking.tracks import confirmed
    from lfmvl_ros.datasets.questions import FOUND_IOU, MIN_VISIBILITY
    from lfmvl_ros.evaluate.track_metrics import TrackMetrics, combined, measured
    from lfmvl_ros.models.load import load_model
    from lfmvl_ros.viz.drawing import draw_marks, marks_of_tracks
    from lfmvl_ros.viz.video import write_image
    from lfmvl_warehouse.scenes import SceneVideo
    from lfmvl_warehouse.scenes.options import VIDEO
trackeval = optional("trackeval", "HOTA")

WH, FPS = (640, 480), 25.0
ANSWER_S, SKIP_S = 0.24, 3.0
KINDS = ("person", "forklift", "crate", "traffic cone")
SEEDS = (3_200_001, 3_200_002, 3_200_003, 3_200_004)
SIZES = {
    "tiny": (0.0015, 0.004),
    "small": (0.004, 0.01),
    "medium": (0.01, 0.04),
    "large": (0.04, 1),
}
VARIANTS = {
    "plain": {},
    "zoom": {"zoom.share": 0.5},
    "zoom_more": {"zoom.share": 0.67},
    "zoom_less": {"zoom.share": 0.33},
    "zoom_2": {"zoom.share": 0.5, "zoom.magnification": 2.0},
    "zoom_tracks": {"zoom.share": 0.5, "zoom.sweep": False},
}


@dataclass
class Counts:
    """What is counted of one variant."""

    found: Counter = field(default_factory=Counter)
    there: Counter = field(default_factory=Counter)
    right: int = 0
    wrong: int = 0
    answer_ms: dict = field(default_factory=lambda: {"whole": [], "region": []})
    forwards: dict = field(default_factory=lambda: {"whole": [], "region": []})
    scores: dict = field(default_factory=lambda: {"whole": ([], []), "region": ([], [])})
    metrics: list[TrackMetrics] = field(default_factory=list)

    def add(self, other: Counts) -> None:
        """Add what was counted on another video."""
        self.found.update(other.found)
        self.there.update(other.there)
        self.right += other.right
        self.wrong += other.wrong
        self.metrics += other.metrics
        for kind in ("whole", "region"):
            self.answer_ms[kind] += other.answer_ms[kind]
            self.forwards[kind] += other.forwards[kind]
            for mine, theirs in zip(self.scores[kind], other.scores[kind], strict=True):
                mine.extend(theirs)

    def figures(self) -> dict[str, object]:
        """The figures of the table."""
        recall = {size: rate(self.found[size], self.there[size]) for size in SIZES}
        row: dict[str, object] = {f"recall_{size}": value for size, value in recall.items()}
        row["recall_all"] = rate(sum(self.found.values()), sum(self.there.values()))
        row["wrong"] = round(100 * self.wrong / max(1, self.wrong + self.right), 1)
        if self.metrics:
            row["hota"] = round(100 * float(combined(self.metrics).hota["HOTA"].mean()), 1)
        for kind, (scores, right) in self.scores.items():
            if scores:
                row[f"{kind}_answers"] = len(self.answer_ms[kind])
                row[f"{kind}_answer_ms"] = round(float(np.median(self.answer_ms[kind])))
                row[f"{kind}_forwards"] = round(float(np.mean(self.forwards[kind])), 1)
                row[f"{kind}_ece"] = round(expected_calibration_error(scores, right), 3)
        return row


def rate(part: int, whole: int) -> float | None:
    """A share; None of nothing."""
    return round(part / whole, 3) if whole else None


class Truth:
    """The objects of a frame that are asked for: boxes, labels, ids, shares of the image."""

    def __init__(self, scene) -> None:
        here = [item for item in scene.objects if item.kind in KINDS and item.visibility > 0]
        self.xyxy = np.array([item.visible_xyxy_px for item in here], float).reshape(-1, 4)
        self.labels = np.array([item.kind for item in here], object)
        self.ids = [item.id for item in here]
        sides = self.xyxy[:, 2:] - self.xyxy[:, :2]
        self.share = sides.prod(axis=1) / (WH[0] * WH[1])
        self.seen = np.array([item.visibility >= MIN_VISIBILITY for item in here], bool)

    def overlaps(self, xyxy: np.ndarray, labels: tuple[str, ...]) -> np.ndarray:
        """IoU of every object with every box; 0 where the labels differ."""
        iou = iou_matrix(self.xyxy, xyxy)
        return np.where(self.labels[:, None] == np.array(labels, object)[None], iou, 0.0)


class Variant:
    """A pipeline with its own settings, and what is counted of it."""

    def __init__(self, model, settings: PerceptionSettings, counts: Counts) -> None:
        self.counts, self.truths = counts, {}
        self.pipeline = SimulatedPipeline(model, settings, self.took, self.answered)
        self.rows: tuple[list, list, list] = ([], [], [])
        self.model_s = 0.0

    def frame(self, frame: Frame, truth: Truth) -> Tracks:
        """Submit a frame and count the tracks at it."""
        self.truths[frame.stamp_ns] = truth
        tracks = confirmed(self.pipeline.submit(frame, Verdict.NEWER, frame.stamp_ns))
        if frame.stamp_ns >= SKIP_S * 1e9:
            self.count(tracks, truth)
        return tracks

    def count(self, tracks: Tracks, truth: Truth) -> None:
        """Count what is found, and what is wrong."""
        overlaps = truth.overlaps(tracks.xyxy_px, tracks.labels)
        found = overlaps.max(axis=1, initial=0.0) >= FOUND_IOU
        for size, (low, high) in SIZES.items():
            rows = truth.seen & (truth.share >= low) & (truth.share < high)
            self.counts.there[size] += int(rows.sum())
            self.counts.found[size] += int((rows & found).sum())
        right = overlaps.max(axis=0, initial=0.0) >= FOUND_IOU
        self.counts.right += int(right.sum())
        self.counts.wrong += int((~right).sum())
        rows = np.flatnonzero(truth.seen & (truth.share >= SIZES["small"][0]))
        # A track about what does not count is neither asked for nor blamed.
        kept = ~right | (overlaps[rows].max(axis=0, initial=0.0) >= FOUND_IOU)
        self.rows[0].append([truth.ids[row] for row in rows])
        self.rows[1].append(tracks.ids[kept].tolist())
        self.rows[2].append(overlaps[np.ix_(rows, np.flatnonzero(kept))])

    def answered(self, answer: Answer, _done_ns: int) -> None:
        """Count an answer: its time, and which of its boxes are right."""
        grounding = answer.grounding
        kind = "whole" if grounding.region is None else "region"
        self.counts.answer_ms[kind].append(1e3 * self.model_s)
        self.counts.forwards[kind].append(grounding.reply.forwards)
        found, truth = grounding.detections, self.truths[grounding.stamp_ns]
        right = truth.overlaps(found.xyxy_px, found.labels).max(axis=0, initial=0.0) >= FOUND_IOU
        self.counts.scores[kind][0].extend(found.scores.tolist())
        self.counts.scores[kind][1].extend(right.tolist())

    def took(self, reply: Reply) -> float:
        """The time that an answer takes in the simulation; keep the true one."""
        self.model_s = reply.times.total_s
        return ANSWER_S

    def done(self) -> None:
        """Score the ids of this video."""
        self.pipeline.finish()
        if trackeval is not None:
            self.counts.metrics.append(measured(*self.rows))


class Drawn:
    """The frame in which the second of two variants finds most more than the first."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names, self.most, self.best = names, 0, None

    def add(self, frame: Frame, truth: Truth, shown: dict[str, Tracks]) -> None:
        """Draw a frame, if it is better than those before."""
        found = [
            int((truth.overlaps(one.xyxy_px, one.labels).max(axis=1, initial=0) >= FOUND_IOU).sum())
            for one in (shown[name] for name in self.names)
        ]
        if found[-1] - found[0] > self.most:
            self.most = found[-1] - found[0]
            marks = [marks_of_tracks(shown[name]).values() for name in self.names]
            self.best = np.concatenate([draw_marks(frame.pixels, each) for each in marks], axis=1)


def filmed(seed: int, seconds: float, names: tuple[str, ...], drawn: Drawn) -> dict[str, Counts]:
    """All variants beside each other on one video."""
    base = PerceptionSettings(model="bundled", query=", ".join(KINDS))
    model, counts = load_model(base), {name: Counts() for name in names}
    variants = {name: Variant(model, base.updated(VARIANTS[name]), counts[name]) for name in names}
    video = SceneVideo(seed, wh=WH, fps=FPS, options=replace(VIDEO, kinds=KINDS))
    for i in tqdm(range(round(seconds * FPS)), desc=f"video {seed}", disable=None):
        scene = video.frame(i)
        frame, truth = Frame(scene.pixels, round(i * 1e9 / FPS)), Truth(scene)
        drawn.add(frame, truth, {n: one.frame(frame, truth) for n, one in variants.items()})
    for one in variants.values():
        one.done()
    return counts


def run(args: argparse.Namespace) -> dict[str, dict[str, object]]:
    """All variants on all videos."""
    names = ("plain", "zoom") if args.quick else tuple(VARIANTS)
    seeds, seconds = (SEEDS[:1], 8.0) if args.quick else (SEEDS, 12.0)
    if args.variants:
        names = tuple(args.variants.split(","))
    if args.video is not None:
        seeds = (SEEDS[args.video - 1],)
    drawn, counts = Drawn(names[:2]), {name: Counts() for name in names}
    for seed in seeds:
        file = args.keep and args.keep / f"{seed}-{seconds:g}-{'-'.join(names)}.pickle"
        if file and file.exists():
            found = pickle.loads(file.read_bytes())  # our own, from a run before
        else:
            found = filmed(seed, seconds, names, drawn)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(found))
        for name in names:
            counts[name].add(found[name])
    if args.image is not None and drawn.best is not None:
        write_image(args.image, drawn.best)
    return {name: one.figures() for name, one in counts.items()}


def main() -> None:
    """Film, ask, track, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two videos of 8 s")
    parser.add_argument("--variants", help="only these, separated by commas")
    parser.add_argument("--video", type=int, choices=(1, 2, 3, 4), help="only this one")
    parser.add_argument("--keep", type=Path, help="folder to keep and find counts of videos in")
    parser.add_argument("--image", type=Path, help="draw the last frame of the first video")
    result = run(parser.parse_args())
    for name, row in result.items():
        print(f"{name:18}", *(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
