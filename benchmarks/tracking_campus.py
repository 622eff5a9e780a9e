# SPDX-License-Identifier: Apache-2.0
"""What limits HOTA on TUD-Campus with public detections at every frame: boxes, ids, or both.

    python benchmarks/tracking_campus.py --mot15 DIR

HOTA of our tracker without pixels, and its parts by `trackeval`: DetA (which objects have a box),
AssA (whether ids stay) and LocA (how well boxes fit), each with its recall and precision. Beside
it, oracles that use the truth for one part and leave the rest:

- the detections as they are, each with the id of the true box that it overlaps most (IoU of at
  least 0.3), the others with ids of their own: perfect association of the given detections;
- the same without the detections that overlap no true box;
- our boxes with perfect ids; our ids with true boxes; our ids with the detections' boxes.

The last line is one JSON object. Takes some seconds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from needs import needed_packages, require, run_command

with needed_packages():
    import numpy as np
    from scipy.optimize import linear_sum_assignment
    from tracking_followers import ours
    from tracking_score import Said, score
    from tracking_world import Answer, World, mot15_from_environment, tud_campus

    from lfmvl_ros.core.boxes import iou_matrix
    from lfmvl_ros.core.config import TrackerSettings

SAME_IOU = 0.3
# Ids of boxes that are of no true object start here, so many apart from one frame to the next.
FIRST_OTHER, OTHERS_PER_FRAME = 10_000, 100
PARTS = ("HOTA", "DetA", "DetRe", "DetPr", "AssA", "AssRe", "AssPr", "LocA")


def paired(boxes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of boxes ``(N, 4)`` and of others ``(M, 4)`` that overlap, one to one."""
    overlap = iou_matrix(boxes, others)
    rows, columns = linear_sum_assignment(-overlap)
    same = overlap[rows, columns] >= SAME_IOU
    return rows[same], columns[same]


def with_true_ids(world: World, boxes: list[np.ndarray], *, only_true: bool = False) -> Said:
    """Boxes of each frame with perfect ids; ``only_true``: without those of no true object."""
    said = Said()
    for i, here in enumerate(boxes):
        ids = FIRST_OTHER + OTHERS_PER_FRAME * i + np.arange(len(here))
        rows, columns = paired(here, world.xyxy_px[i])
        ids[rows] = world.ids[i][columns]
        kept = np.sort(rows) if only_true else np.arange(len(here))
        said.add(ids[kept], here[kept])
    return said


def with_boxes_of(tracked: Said, others: list[np.ndarray]) -> Said:
    """Tracks with other boxes of each frame, where they overlap."""
    said = Said()
    for ids, boxes, here in zip(tracked.ids, tracked.xyxy_px, others, strict=True):
        rows, columns = paired(boxes, here)
        moved = boxes.copy()
        moved[rows] = here[columns]
        said.add(ids, moved)
    return said


def figures(world: World, said: Said) -> dict[str, float]:
    """HOTA and its parts in percent, and counts."""
    metrics = score(world, said).metrics
    row: dict[str, float] = {
        part: round(100 * float(np.mean(metrics.hota[part])), 1) for part in PARTS
    }
    counts = {"switches": "IDSW", "missing": "CLR_FN", "false": "CLR_FP"}
    return row | {name: int(metrics.clear[key]) for name, key in counts.items()}


def recall_and_precision(world: World, boxes: list[np.ndarray], least: float) -> dict[str, float]:
    """Of detections, for an IoU of at least ``least``."""
    found = 0
    for here, truth in zip(boxes, world.xyxy_px, strict=True):
        overlap = iou_matrix(here, truth)
        rows, columns = linear_sum_assignment(-(overlap >= least).astype(float))
        found += int((overlap[rows, columns] >= least).sum())
    total = sum(map(len, boxes)), sum(map(len, world.xyxy_px))
    return {"recall": round(found / total[1], 3), "precision": round(found / total[0], 3)}


def everybody(world: World, prompt: list[Answer]) -> dict[str, Callable[[], Said]]:
    """Our tracker and the oracles by name."""
    tracked = ours(TrackerSettings(bridge_budget_ms=100.0), "predict")(world, prompt)
    detected = [answer.grounding.detections.xyxy_px for answer in prompt]
    return {
        "ours": lambda: tracked,
        "detections, perfect ids": lambda: with_true_ids(world, detected),
        "true detections, perfect ids": lambda: with_true_ids(world, detected, only_true=True),
        "our boxes, perfect ids": lambda: with_true_ids(world, tracked.xyxy_px),
        "our ids, true boxes": lambda: with_boxes_of(tracked, list(world.xyxy_px)),
        "our ids, boxes of detections": lambda: with_boxes_of(tracked, detected),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--mot15", type=Path, default=mot15_from_environment(), help="folder; or $LFMVL_MOT15"
    )
    args = parser.parse_args()
    require("trackeval")
    campus = tud_campus(args.mot15)
    if campus is None:
        return
    world, prompt = campus
    detected = [answer.grounding.detections.xyxy_px for answer in prompt]
    result: dict[str, dict[str, float]] = {
        f"detections, IoU {least}": recall_and_precision(world, detected, least)
        for least in (0.3, 0.5, 0.7)
    }
    for name, said in everybody(world, prompt).items():
        result[name] = figures(world, said())
        print(f"{name:30}", result[name], flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
