# SPDX-License-Identifier: Apache-2.0
"""Confidences of a fine-tuned checkpoint, fitted on the images that its run held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from lfmvl_ros.cli.calibration_folder import LEAST_TO_FIT, ImageSet
from lfmvl_ros.cli.calibration_judging import ask_all
from lfmvl_ros.core.calibration.fit import LEAST_BLOCK, compare, fit
from lfmvl_ros.core.calibration.reliability import expected_calibration_error
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.datasets.coco import CocoFolder
from lfmvl_ros.datasets.questions import FOUND_IOU, Asked, QuestionSet


def calibrate_on_held_out(checkpoint: Path, folders: Sequence[CocoFolder]) -> tuple[int, str]:
    """Fit ``calibration.json`` of a checkpoint and write it where that helps.

    The held-out images also chose the weights, but no weight was fitted to them. How well the fit
    holds is measured by cross-validation.

    Args:
        checkpoint: directory of the weights.
        folders: whose held-out images are used, each once.

    Returns:
        The number of boxes it was fitted on, 0 where nothing was written; and a sentence on it.
    """
    from lfmvl_ros.models.calibration_file import write_calibration
    from lfmvl_ros.models.load import load_model

    sets = [ImageSet("held out", folder, folder.held_out) for folder in folders]
    objects = sum(each.objects for each in sets)
    if objects < LEAST_TO_FIT:
        return 0, (
            f"confidences stay uncalibrated: the held-out images have {objects} objects, and a "
            f"calibration takes at least {LEAST_TO_FIT}"
        )
    settings = PerceptionSettings().updated({"model": str(checkpoint)})
    model = load_model(settings)
    try:
        questions: Iterator[Asked] = chain.from_iterable(each.questions() for each in sets)
        judged = ask_all(
            model, settings, QuestionSet("calibration", questions, sum(map(len, sets)))
        )
    finally:
        model.close()
    if len(judged) < LEAST_BLOCK:
        return 0, (
            f"confidences stay uncalibrated: {len(judged)} boxes were found in the held-out "
            f"images, and a calibration takes at least {LEAST_BLOCK}"
        )
    tried = compare(judged.evidence, judged.right, judged.scenes)
    before = expected_calibration_error(judged.evidence.score, judged.right)
    if tried[0].error >= before:
        return 0, f"confidences stay as they are: their error, {before:.3f}, can't be lowered"
    facts = {
        "method": tried[0].method,
        "data": ", ".join(folder.directory.resolve().name for folder in folders),
        "iou": FOUND_IOU,
        "boxes_fitted": len(judged),
        "cross_validation": [item.to_dict() for item in tried],
        "ece_before": round(before, 4),
        "ece_after": round(tried[0].error, 4),
    }
    write_calibration(checkpoint, fit(tried[0].method, judged.evidence, judged.right), facts)
    return len(judged), (
        f"confidences are calibrated on {len(judged)} boxes of the held-out images: error "
        f"{before:.3f} -> {tried[0].error:.3f} (cross-validation)"
    )
