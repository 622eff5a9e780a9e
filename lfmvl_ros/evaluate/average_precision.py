# SPDX-License-Identifier: Apache-2.0
"""Average precision as COCO defines it, by ``faster-coco-eval``; its interval by a jackknife."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.evaluate.answers import JudgedAnswer
from lfmvl_ros.evaluate.figures import LEAST_IMAGES, figure
from lfmvl_ros.evaluate.table import AnswerTable

GROUPS = 10
"""Parts that are left out one at a time: each costs one more computation of the AP."""
STUDENT = 2.262
"""97.5 % quantile of Student's t with 9 degrees of freedom."""
NAMES = ("ap", "ap50")


def is_installed() -> bool:
    """Tell whether the library is there; it is not imported."""
    from importlib.util import find_spec

    return find_spec("faster_coco_eval") is not None


def average_precision(
    table: AnswerTable, labels: Sequence[str], names: Sequence[str]
) -> dict[str, Any]:
    """Return ``ap`` (IoU 0.50 to 0.95) and ``ap50`` with intervals, and the parts behind them.

    Args:
        table: all answers; those of the headline count.
        labels: of the categories.
        names: of the images; the parts of the jackknife follow from them, so that two scorecards
            of the same images can be compared part by part.

    Raises:
        UserError: the library is not installed.
    """
    judged = [item for item, counts in zip(table.judged, table.headline, strict=True) if counts]
    truth, found = coco_documents(judged, labels)
    images = np.array([entry["id"] for entry in truth["images"]], np.int64)
    groups = np.array([_group_of(names[image]) for image in images.tolist()])
    parts = [images[groups != group] for group in range(GROUPS) if (groups == group).any()]
    values = coco_values(truth, found, [images, *(part for part in parts if len(part))])
    result: dict[str, Any] = {}
    for column, name in enumerate(NAMES):
        replicates = values[1:, column]
        half = STUDENT * jackknife_error(replicates)
        value = float(values[0, column])
        known = math.isfinite(value)
        interval = (max(0.0, value - half), min(1.0, value + half))
        fits = known and len(images) >= LEAST_IMAGES and len(replicates) > 1 and math.isfinite(half)
        result[name] = figure(value if known else None, interval if fits else None, len(images))
    return {**result, "ap_parts": [round(float(value), 6) for value in values[1:, 0]]}


def jackknife_error(replicates: FloatArray) -> float:
    """Return the standard error from values that each lack one of ``g`` groups (Tukey, 1958).

    >>> jackknife_error(np.array([0.5, 0.5, 0.5]))
    0.0
    """
    count = len(replicates)
    if count < 2:
        return math.nan
    spread = float(((replicates - replicates.mean()) ** 2).sum())
    return math.sqrt((count - 1) / count * spread)


def _group_of(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % GROUPS


def coco_documents(
    judged: Sequence[JudgedAnswer], labels: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return truth and results in COCO format, boxes in pixels.

    Results without a category (labels that the question did not name, or with nothing but crowds)
    are left out.
    """
    sizes = {item.question.image: item.wh_px for item in judged}
    images = [{"id": i, "width": w, "height": h} for i, (w, h) in sorted(sizes.items())]
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for item in judged:
        scale = np.array(item.wh_px * 2, np.float64)
        image = item.question.image
        seen = item.truth
        for crowd, kinds, xyxy in ((0, seen.kinds, seen.xyxy),
                                   (1, seen.crowd_kinds, seen.crowd_xyxy)):  # fmt: skip
            for kind, bbox in zip(kinds.tolist(), _xywh(xyxy * scale), strict=True):
                if kind >= len(labels):  # a label with nothing but crowds is none
                    continue
                annotations.append({
                    "id": len(annotations) + 1, "image_id": image, "category_id": kind + 1,
                    "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": crowd,
                })  # fmt: skip
        for kind, bbox, score in zip(item.kinds.tolist(), _xywh(item.xyxy * scale),
                                     item.scores.tolist(), strict=True):  # fmt: skip
            if 0 <= kind < len(labels):
                found.append({"image_id": image, "category_id": kind + 1, "bbox": bbox,
                              "score": score})  # fmt: skip
    categories = [{"id": kind + 1, "name": label} for kind, label in enumerate(labels)]
    return {"images": images, "annotations": annotations, "categories": categories}, found


def _xywh(xyxy_px: FloatArray) -> list[list[float]]:
    rows: list[list[float]] = np.concatenate(
        [xyxy_px[:, :2], xyxy_px[:, 2:] - xyxy_px[:, :2]], axis=1
    ).tolist()
    return rows


def coco_values(
    truth: dict[str, Any], found: list[dict[str, Any]], parts: Sequence[Any]
) -> FloatArray:
    """Return ``(P, 2)`` AP and AP50 over each part of the images; NaN where it has no objects.

    Raises:
        UserError: the library is not installed.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise UserError(
            "average precision needs faster-coco-eval; install it: pip install faster-coco-eval"
        ) from error
    values = np.full((len(parts), len(NAMES)), np.nan)
    if all(each["iscrowd"] for each in truth["annotations"]):
        return values
    if not found:
        return np.zeros_like(values)
    with_truth = COCO(truth)
    evaluation = COCOeval_faster(with_truth, with_truth.loadRes(found), "bbox", separate_eval=True)
    for row, of_part in enumerate(_precisions(evaluation, [list(map(int, p)) for p in parts])):
        values[row] = (_mean_of_known(of_part), _mean_of_known(of_part[0]))
    return values


def _precisions(evaluation: Any, parts: Sequence[list[int]]) -> Iterator[FloatArray]:
    """Yield precision over each part: thresholds of IoU, steps of recall, categories, 1, 1.

    Boxes are matched once, image by image; each part puts the images of its own together. Nothing
    else of COCO's twelve figures is computed.

    Args:
        evaluation: of the library, new, with its steps apart (``separate_eval``).
        parts: ids of images.
    """
    params = evaluation.params
    params.imgIds = sorted({image for part in parts for image in part})
    params.maxDets = params.maxDets[-1:]
    params.areaRng, params.areaRngLbl = params.areaRng[:1], params.areaRngLbl[:1]  # "all"
    evaluation.evaluate()
    images, matched = list(params.imgIds), evaluation._evalImgs_cpp  # category by category
    categories = len(matched) // len(images)
    for part in parts:
        there = set(part)
        rows = [row for row, image in enumerate(images) if image in there]
        evaluation._paramsEval.imgIds = [images[row] for row in rows]
        evaluation._evalImgs_cpp = [
            matched[category * len(images) + row] for category in range(categories) for row in rows
        ]
        evaluation.accumulate()
        yield np.asarray(evaluation.eval["precision"])  # -1: no such object


def _mean_of_known(precision: FloatArray) -> float:
    there = precision[precision > -1]
    return float(there.mean()) if there.size else math.nan
