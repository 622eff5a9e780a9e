# SPDX-License-Identifier: Apache-2.0
"""``lfmvl calibrate``: make a checkpoint's confidences mean what they say, on rendered scenes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from lfmvl_ros.core.boxes import FloatArray, iou_matrix, normalise
from lfmvl_ros.core.calibration import (
    LEAST_BLOCK,
    expected_calibration_error,
    fit_isotonic,
    reliability,
)
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError

if TYPE_CHECKING:
    from lfmvl_ros.core.grounding import Grounding
    from lfmvl_ros.core.model import VisionLanguageModel
    from lfmvl_ros.training.evaluation import Asked

HELP = (
    "Fit calibration.json for a checkpoint on held-out warehouse scenes, and measure it on others. "
    "It holds for pictures like these: for your own domain, fit it on your own labelled images."
)
IOU = 0.5
_SEED = 7_700  # of the scenes; benchmarks and training use others


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--model", default="bundled", help="directory, or name in the catalogue")
    parser.add_argument("--scenes", type=int, default=400, help="half to fit, half to measure")
    parser.add_argument(
        "--write", action="store_true", help="write calibration.json beside the weights"
    )


def run(args: argparse.Namespace) -> int:
    """Print what was measured as one JSON line; exit code 1 when the fit does not help."""
    if not 20 <= args.scenes <= 100_000:
        raise UserError(f"--scenes must be between 20 and 100000, got {args.scenes}")
    from lfmvl_ros.models.base import load_model
    from lfmvl_ros.models.calibration_file import write_calibration

    settings = PerceptionSettings().updated({"model": args.model})
    folder = _folder(args.model)
    scores, right, groups = collect(load_model(settings), settings, args.scenes)
    fitting = groups % 2 == 0
    if min(fitting.sum(), (~fitting).sum()) < LEAST_BLOCK:
        raise UserError(
            f"only {len(scores)} boxes with token probabilities came of {args.scenes} scenes; "
            "take more scenes, or a checkpoint that finds something"
        )
    found = fit_isotonic(scores[fitting], right[fitting])
    before, held = scores[~fitting], right[~fitting]
    after = found.apply(before)
    facts = {
        "iou": IOU,
        "boxes_fitted": int(fitting.sum()),
        "boxes_measured": len(held),
        "ece_before": round(expected_calibration_error(before, held), 4),
        "ece_after": round(expected_calibration_error(after, held), 4),
        "reliability_before": reliability(before, held),
        "reliability_after": reliability(after, held),
    }
    better = facts["ece_after"] < facts["ece_before"]
    if args.write and better:
        facts["file"] = str(write_calibration(folder, found, facts))
    print(json.dumps(facts))
    return 0 if better else 1


def _folder(model: str) -> Path:
    """Return the directory of the weights."""
    from lfmvl_ros.models.catalog import find

    entry = find(model)
    folder = Path(entry.source if entry and entry.directory else model).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"{model} is no directory on this machine; give that of a downloaded checkpoint"
        )
    return folder


def collect(
    model: VisionLanguageModel, settings: PerceptionSettings, scenes: int
) -> tuple[FloatArray, np.ndarray, np.ndarray]:
    """Ask about held-out scenes.

    Returns:
        ``(N,)`` token scores of all boxes, ``(N,)`` bool whether each is right, and ``(N,)`` the
        number of the scene each came from. Boxes on things too small or hidden to be expected
        count neither way and are left out.
    """
    from dataclasses import replace

    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.parsing import parse_reply
    from lfmvl_ros.core.pipeline import template_for
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.training.evaluation import held_out
    from lfmvl_ros.training.sources import WarehouseScenes, views

    template = template_for(settings, model)
    rows: list[tuple[float, bool, int]] = []
    source = WarehouseScenes(appearances=24, video_frames=max(8, scenes // 6))
    asked = held_out(source, views(), scenes, seed=_SEED)
    for number, item in enumerate(tqdm(asked, desc="asking", unit="scene", disable=None)):
        frame = Frame(np.ascontiguousarray(item.scene.pixels), 0)
        prompt = template.render(Query(tuple(item.question.labels)))
        (reply,) = model.ground(
            [frame], [prompt], generation=settings.generation, image=settings.image
        )
        grounding = parse_reply(replace(reply, calibration=None), frame=frame, prompt=prompt)
        if grounding.confidence_kind == "token":
            rows += [(score, hit, number) for score, hit in verdicts(grounding, item)]
    scores, right, groups = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(scores, float), np.array(right, bool), np.array(groups, int)


def verdicts(grounding: Grounding, item: Asked) -> Sequence[tuple[float, bool]]:
    """Return score and truth of each box that counts; one object makes one box right."""
    found, expected = grounding.detections, item.question.found
    boxes = normalise(found.xyxy_px, grounding.wh)
    overlaps = np.zeros((len(found), len(expected)))
    if len(found) and len(expected):
        overlaps = iou_matrix(boxes, np.stack([target.xyxy for target in expected]))
        same = [[label == target.label for target in expected] for label in found.labels]
        overlaps = np.where(np.array(same), overlaps, 0.0)
    hit = np.zeros(len(found), bool)
    while overlaps.size and overlaps.max() >= IOU:
        row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
        hit[row] = True
        overlaps[row, :] = overlaps[:, column] = 0.0
    small = [target for target in item.scene.targets if not target.counts]
    rows = []
    for i, label in enumerate(found.labels):
        others = [target.xyxy for target in small if label in target.names]
        if not hit[i] and others and iou_matrix(boxes[i : i + 1], np.stack(others)).max() >= 0.4:
            continue
        rows.append((float(found.scores[i]), bool(hit[i])))
    return rows
