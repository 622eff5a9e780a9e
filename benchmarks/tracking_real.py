# SPDX-License-Identifier: Apache-2.0
"""Mean IoU on real videos behind a slow, late detector, with ablations.

    python benchmarks/tracking_real.py [--real DIR] [--seeds N] [--ablations] [--draw DIR]
        [--budget-ms MS] [--follower DIR]

Each sequence of ``DIR`` (``NAME/NNNN.jpg`` and ``NAME/boxes.csv``) shows one object. A simulated
detector takes the newest frame when it is free and answers 250 or 500 ms late (12 % jitter, 5 % of
answers 1.3 to 2 times slower) with the true box: its centre off by 4 % and its sides by 8 %
(standard deviations, in box sizes), coordinates rounded to 0.01, 8 % misses, 0.15 false boxes an
answer. Every frame from the first answer on is scored, causally, by the IoU of one box: of the
confirmed track with the highest score, else of the best tentative one, 0 without any. ``hold``
leaves the box of the last answer where it was.

``--ablations`` switches parts of the tracker off, one at a time. ``--draw`` writes a contact sheet
of each sequence (green: truth, red: tracks); keep those out of the repository, as the images are
not ours. ``--follower`` adds a row with tracker.follower set to a folder with ONNX files, or to
``nano``. Unless ``--budget-ms`` says otherwise, every point is followed, so that a busy machine
gives the same figures. The last line is one JSON object. Two minutes on two cores; with
``--ablations`` a quarter of an hour. Without sequences, the benchmark says so and ends.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import cv2
    import numpy as np
    from scipy.stats import chi2
    from tracking_followers import delivered
    from tracking_real_world import Sequence, late_answers, overlap, read_sequences
    from tracking_score import Said
    from tracking_world import Answer

    from lfmvl_ros.core.config import TrackerSettings
    from lfmvl_ros.core.tracking import (
        Tracker,
        TrackState,
        colour,
        consensus,
        flow,
        hypotheses,
        points,
    )

SHARED = Path(__file__).parents[2] / "shared/data/real_sequences"
LATENCIES_S = (0.25, 0.5)
NINETY = float(chi2.ppf(0.9, 2))
SHEET_EVERY, SHEET_COLUMNS, CELL = 6, 5, (320, 180)
Follow = Callable[[Sequence, list[Answer]], Said]
# What is switched off, as constants of modules.
ABLATIONS: dict[str, dict[tuple[object, str], object]] = {
    "all parts": {},
    "at most 4x4 points a box": {(points, "MOST_ACROSS"): 4},
    "kernel of 0.5 px at any size": {
        (consensus, "WIDE_KERNEL"): 0.0,
        (consensus, "NARROW_KERNEL"): 0.0,
    },
    "no growth": {(consensus, "MOST_GROWTH"): 0.0},
    "no shrinkage of growth": {(consensus, "GROWTH_PRIOR"): 1e-3},
    "no guard against the background's flow": {(flow, "BACKGROUND_VOTE"): 1.0},
    "no colours": {(colour, "LEAST"): 1.0, (colour, "MOST_LIKENESS"): 0.0},
    "colours not in the association": {(colour, "MOST_LIKENESS"): 0.0},
    "flow does not heed the other hypotheses": {(consensus, "UNEXPECTED"): 1e3},
    "flow only": {(hypotheses, "PRIOR"): np.array([50.0, 0.0, 0.0])},
}


@contextmanager
def switched(off: dict[tuple[object, str], object]) -> Iterator[None]:
    """Set constants of modules for a while."""
    before = {(module, name): getattr(module, name) for module, name in off}
    try:
        for (module, name), value in off.items():
            setattr(module, name, value)
        yield
    finally:
        for (module, name), value in before.items():
            setattr(module, name, value)


def hold(sequence: Sequence, answers: list[Answer]) -> Said:
    """The first box of the last answer that named anything, where it was."""
    said, box = Said(), np.zeros((0, 4))
    for _, new in delivered(sequence, answers):
        for answer in new:
            named = answer.grounding.detections.xyxy_px
            box = named[:1] if len(named) else box
        said.add(np.zeros(len(box)), box)
    return said


def tracked(settings: TrackerSettings) -> Follow:
    """Our tracker: its tracks at each frame, the best one first."""

    def follow(sequence: Sequence, answers: list[Answer]) -> Said:
        tracker, said = Tracker(settings), Said()
        for i, new in delivered(sequence, answers):
            for answer in new:
                tracker.apply(answer.grounding)
            tracks = tracker.observe(sequence.frame(i))
            tentative = [state is TrackState.TENTATIVE for state in tracks.state]
            order = np.lexsort((-tracks.scores, tentative))
            said.add(tracks.ids[order], tracks.xyxy_px[order], tracks.covariance[order][:, :2, :2])
        return said

    return follow


def covered(sequence: Sequence, said: Said, iou: np.ndarray) -> list[bool]:
    """Whether the true centre lies in the stated 90 % region, where the box is on its object."""
    inside = []
    for i in np.flatnonzero(iou > 0.1).tolist():
        truth = sequence.xyxy_px[i]
        if (truth[:2] > 1).all() and (truth[2:] < np.array(sequence.wh) - 1).all():
            apart = (truth.reshape(2, 2) - said.xyxy_px[i][0].reshape(2, 2)).mean(axis=0)
            inside.append(bool(apart @ np.linalg.solve(said.covariance[i][0], apart) < NINETY))
    return inside


def figures(
    sequences: list[Sequence], follow: Follow, latency_s: float, seeds: int
) -> dict[str, float]:
    """Mean IoU of each sequence over ``seeds`` and of all; share of centres in 90 % regions."""
    rows: dict[str, float] = {}
    inside: list[bool] = []
    for sequence in sequences:
        means = []
        for seed in range(seeds):
            said = follow(sequence, late_answers(sequence, seed, latency_s))
            iou = overlap(sequence, said)
            means.append(float(np.nanmean(iou)))
            if said.covariance:
                inside += covered(sequence, said, iou)
        rows[sequence.name] = round(float(np.mean(means)), 3)
    rows["mean"] = round(float(np.mean(list(rows.values()))), 3)
    if inside:
        rows["coverage90"] = round(float(np.mean(inside)), 3)
    return rows


def draw(sequence: Sequence, folder: Path, latency_s: float, settings: TrackerSettings) -> None:
    """Write a contact sheet: truth in green, tracks in red, the best one thick."""
    said = tracked(settings)(sequence, late_answers(sequence, 0, latency_s))
    cells = []
    for i in range(0, len(sequence), SHEET_EVERY):
        view = cv2.cvtColor(sequence.pixels[i], cv2.COLOR_RGB2BGR)
        marks = [(sequence.xyxy_px[i], (0, 255, 0), 2)]
        marks += [(box, (0, 0, 255), 2 if k == 0 else 1) for k, box in enumerate(said.xyxy_px[i])]
        for box, tint, width in marks:
            x1, y1, x2, y2 = np.rint(box).astype(int).tolist()
            cv2.rectangle(view, (x1, y1), (x2, y2), tint, width)
        cells.append(cv2.resize(view, CELL))
    cells += [np.zeros_like(cells[0])] * (-len(cells) % SHEET_COLUMNS)
    starts = range(0, len(cells), SHEET_COLUMNS)
    sheet = np.vstack([np.hstack(cells[k : k + SHEET_COLUMNS]) for k in starts])
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{sequence.name}-{round(1e3 * latency_s)}ms.png"), sheet)


def main() -> None:
    """Read, score, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--real", type=Path, default=SHARED, help="folder of sequences")
    parser.add_argument("--seeds", type=int, default=3, help="how often answers are drawn anew")
    parser.add_argument("--ablations", action="store_true", help="also without each part")
    parser.add_argument("--draw", type=Path, help="folder for contact sheets")
    parser.add_argument("--budget-ms", type=float, default=100.0, help="bridge_budget_ms")
    parser.add_argument("--follower", help="also with this tracker.follower: nano, or a folder")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    sequences = read_sequences(args.real)
    if not sequences:
        return
    settings = replace(TrackerSettings(), bridge_budget_ms=args.budget_ms)
    predict = replace(settings, bridge="predict")
    everybody: dict[str, tuple[Follow, dict]] = {
        "hold": (hold, {}),
        "prediction only": (tracked(predict), {}),
    }
    for name, off in ABLATIONS.items():
        if args.ablations or not off:
            everybody[name] = (tracked(settings), off)
    if args.follower:
        learned = replace(settings, follower=args.follower)
        everybody["with the follower"] = (tracked(learned), {})
    result: dict[str, dict[str, dict[str, float]]] = {}
    for name, (follow, off) in everybody.items():
        for latency_s in LATENCIES_S:
            with switched(off):
                row = figures(sequences, follow, latency_s, args.seeds)
            result.setdefault(name, {})[f"{1e3 * latency_s:g} ms"] = row
            print(f"{name:40} {1e3 * latency_s:3g} ms", row, flush=True)
    if args.draw:
        for sequence in sequences:
            for latency_s in LATENCIES_S:
                draw(sequence, args.draw, latency_s, settings)
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
