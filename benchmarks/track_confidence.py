# SPDX-License-Identifier: Apache-2.0
"""Does the confidence of a track hold: of tracks that say 0.9, are nine in ten right?

    python benchmarks/track_confidence.py --keep DIR         # 80 videos; 10 minutes on a quiet core
    python benchmarks/track_confidence.py --quick            # 4 videos, a minute; too few to judge

Rendered videos of 6 s that no training uses, answered 4 times a second by the bundled checkpoint;
half of them are asked about with the demo's query, the others with kinds drawn at random, some of
them absent. A track is right in a frame where it has the label of an object and an IoU of at least
0.5 with it, one track an object; things that are mostly covered or tiny count neither way. Judged
are confirmed tracks at the frames that were answered. Per track: its mean confidence, and whether
it was right in at least half of its frames. Intervals of 90 % are bootstrapped over videos, since
a model makes the same error in all frames of one. First without the tracker's threshold
`confirm_confidence`, then with it. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    import torch
    from track_films import Film, Object, films

    from lfmvl_ros.core.boxes import iou_matrix
    from lfmvl_ros.core.calibration.reliability import (
        error_interval,
        expected_calibration_error,
        ranking,
    )
    from lfmvl_ros.core.config import TrackerSettings
    from lfmvl_ros.core.tracking import Tracker

FIRST_SEED = 3_300_001  # of videos that nothing else uses
SAME_IOU, UNCOUNTED_IOU = 0.5, 0.4
EDGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


def judged(boxes: np.ndarray, labels: Sequence[str], truth: Sequence[Object]) -> np.ndarray:
    """``(N,)`` 1 where a box is right, 0 where it is not, -1 where it counts neither way."""
    verdict = np.zeros(len(boxes), int)
    expected = [item for item in truth if item.counts]
    if len(boxes) and expected:
        iou = iou_matrix(boxes, np.array([item.xyxy_px for item in expected]))
        called = np.array([[label in item.names for item in expected] for label in labels])
        iou = np.where(called, iou, 0.0)
        while iou.max() >= SAME_IOU:
            row, column = np.unravel_index(iou.argmax(), iou.shape)
            verdict[row] = 1
            iou[row, :] = iou[:, column] = 0.0
    for row in np.flatnonzero(verdict == 0).tolist():
        small = [t.xyxy_px for t in truth if not t.counts and labels[row] in t.names]
        if small and iou_matrix(boxes[[row]], np.array(small)).max() >= UNCOUNTED_IOU:
            verdict[row] = -1
    return verdict


@dataclass(frozen=True, eq=False)
class Judged:
    """N confirmed tracks in frames: video, id, confidence, and whether they are right."""

    film: np.ndarray
    id: np.ndarray
    confidence: np.ndarray
    right: np.ndarray

    def per_track(self) -> Judged:
        """One row a track: means, and whether it was right in at least half of its frames."""
        key = self.film.astype(np.int64) * 10**6 + self.id
        tracks, row = np.unique(key, return_inverse=True)
        count = np.bincount(row)

        def mean(values: np.ndarray) -> np.ndarray:
            return np.bincount(row, weights=values) / count

        film, number = tracks // 10**6, tracks % 10**6
        return Judged(film, number, mean(self.confidence), mean(self.right) >= 0.5)


def followed(every: Sequence[Film], settings: TrackerSettings) -> Judged:
    """Track every video, and judge its confirmed tracks at each answered frame."""
    rows: list[tuple[int, int, float, int]] = []
    for film in every:
        tracker = Tracker(settings)
        for grounding, truth in zip(film.answers, film.truth, strict=True):
            tracker.apply(grounding)
            tracks = tracker.at(grounding.stamp_ns)
            verdicts = judged(tracks.xyxy_px, tracks.labels, truth)
            rows += [
                (film.seed, int(tracks.ids[i]), float(tracks.scores[i]), int(verdicts[i]))
                for i in tracks.established
                if verdicts[i] >= 0
            ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Judged(*table[:, :2].astype(int).T, table[:, 2], table[:, 3] > 0)


def figures(all_rows: Judged) -> dict[str, Any]:
    """How well confidences hold, with 90 % intervals; and by range of confidence."""
    given, right = all_rows.confidence, all_rows.right
    low, high = error_interval(given, right, all_rows.film)
    rows = []
    for a, b in itertools.pairwise(EDGES):
        here = (given >= a) & ((given < b) | (b == 1.0))
        if here.any():
            rows.append({"from": a, "to": b, "n": int(here.sum()), **_share(all_rows, here)})
    sure = given >= 0.9
    return {
        "n": len(given),
        "confidence": round(float(given.mean()), 3),
        "right": round(float(right.mean()), 3),
        "ece": round(expected_calibration_error(given, right), 3),
        "ece_90_percent": [round(low, 3), round(high, 3)],
        "brier": round(float(((given - right) ** 2).mean()), 3),
        "ranking": round(ranking(given, right), 3),
        "at_least_0.9": {"n": int(sure.sum()), **_share(all_rows, sure)},
        "by_confidence": rows,
    }


def _share(rows: Judged, here: np.ndarray) -> dict[str, Any]:
    """Mean confidence and share right of some rows, with the interval over videos."""
    films_of, member = np.unique(rows.film[here], return_inverse=True)
    count = np.bincount(member, minlength=len(films_of))
    hits = np.bincount(member, weights=rows.right[here], minlength=len(films_of))
    drawn = np.random.default_rng(0).integers(len(count), size=(1000, len(count)))
    low, high = np.quantile(hits[drawn].sum(1) / count[drawn].sum(1), (0.05, 0.95))
    return {
        "confidence": round(float(rows.confidence[here].mean()), 3),
        "right": round(float(rows.right[here].mean()), 3),
        "right_90_percent": [round(float(low), 3), round(float(high), 3)],
    }


def tell(name: str, result: dict[str, Any]) -> None:
    """Print a table for people, which a document can take over."""
    names = ("n", "confidence", "right", "ece", "brier", "ranking")
    print(f"\n{name}:", ", ".join(f"{key} {result[key]}" for key in names))
    print("| confidence | n | mean | right | 90 % interval |\n|---|---|---|---|---|")
    whole = {"from": 0.9, "to": 1.0, **result["at_least_0.9"]}
    for row in [*result["by_confidence"], whole]:
        low, high = row["right_90_percent"]
        print(f"| {row['from']:.2f} to {row['to']:.2f} | {row['n']} | {row['confidence']:.3f} "
              f"| {row['right']:.3f} | {low:.2f} to {high:.2f} |")  # fmt: skip


def main() -> None:
    """Film, track, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=80)
    parser.add_argument("--quick", action="store_true", help="4 videos")
    parser.add_argument("--keep", type=Path, help="folder to keep and find answers in")
    args = parser.parse_args()
    torch.set_num_threads(1)
    count = 4 if args.quick else args.videos
    every = list(films(FIRST_SEED, count, args.keep))
    result: dict[str, Any] = {}
    for least in (0.0, TrackerSettings().confirm_confidence):
        rows = followed(every, TrackerSettings(bridge="predict", confirm_confidence=least))
        found = {"frames": figures(rows), "tracks": figures(rows.per_track())}
        for name, part in found.items():
            tell(f"confirm_confidence {least}: {name}", part)
        result[f"confirm_confidence_{least}"] = found
    print(json.dumps({"videos": count, **result}))


if __name__ == "__main__":
    run_command(main)
