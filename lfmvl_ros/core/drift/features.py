# SPDX-License-Identifier: Apache-2.0
"""The numbers of one answer that are watched."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.same_label import fold_label

MACHINE = "temperature_c"  # not of an answer, but of the machine
_STEP = 4  # every fourth pixel either way is enough for a mean
_PATCH_PX = 256  # side of the patches whose sharpness is measured
_LEAST_S = 1e-4
LOGARITHMIC = ("latency_s", "sharpness")
"""Features that are kept as their decimal logarithm, as their spread grows with their size."""
OTHER = "other"  # stands for all labels that the query does not name
_OF_ANSWERS = ("brightness", "sharpness", "latency_s", "unusable", "mended", "boxes", "confidence")


def features_of(grounding: Grounding, pixels: NDArray[np.uint8] | None) -> dict[str, float]:
    """Return the monitored features of an answer by name; unknown ones are left out.

    ===================  =========================================================================
    ``brightness``       mean grey value of the image, 0 to 1
    ``sharpness``        log10 of :func:`sharpness`
    ``latency_s``        log10 of the time the model took, s
    ``unusable``         1 for an unusable answer (unparseable, timeout, error), else 0
    ``mended``           1 for an answer that is repaired or truncated, else 0
    ``boxes``            how many boxes it has
    ``boxes[label]``     the same, by label of the query; ``boxes[other]``: of other labels
    ``confidence``       mean confidence of its boxes
    ``confidence[label]``  the same, by label
    ===================  =========================================================================

    Args:
        grounding: the answer.
        pixels: of its frame, RGB ``(H, W, 3)`` uint8; None where they are not at hand.
    """
    found: dict[str, float] = {}
    if pixels is not None:
        grey = cv2.cvtColor(np.ascontiguousarray(pixels[::_STEP, ::_STEP]), cv2.COLOR_RGB2GRAY)
        found["brightness"] = float(grey.mean()) / 255
        found["sharpness"] = math.log10(sharpness(pixels))
    outcome, total_s = grounding.outcome, grounding.reply.times.total_s
    found["unusable"] = float(not outcome.is_evidence)
    found["mended"] = float(outcome in (Outcome.REPAIRED, Outcome.TRUNCATED))
    if outcome.is_evidence:  # else the time is that of a failure
        found["latency_s"] = math.log10(max(total_s, _LEAST_S))
        found |= _of_boxes(grounding)
    return found


def sharpness(pixels: NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian, divided by that of the grey values: low when blurred.

    Three patches across the middle of the image are looked at. The quotient depends less on light
    than the variance of the Laplacian alone (Pech-Pacheco et al., 2000) does.

    Args:
        pixels: RGB ``(H, W, 3)`` uint8.
    """
    height, width = pixels.shape[:2]
    side_y, side_x = min(_PATCH_PX, height), min(_PATCH_PX, width)
    top = (height - side_y) // 2
    curved = spread = 0.0
    for left in sorted({0, (width - side_x) // 2, width - side_x}):
        patch = np.ascontiguousarray(pixels[top : top + side_y, left : left + side_x])
        grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
        curved += float(cv2.Laplacian(grey, cv2.CV_32F).var())
        spread += float(grey.var())
    return (curved + 0.1) / (spread + 0.1)  # a plain wall is neither sharp nor blurred


def _of_boxes(grounding: Grounding) -> dict[str, float]:
    detections = grounding.detections
    queried = {fold_label(label): label for label in grounding.query.labels}
    labels = [queried.get(fold_label(label), OTHER) for label in detections.labels]
    counts = Counter(labels)
    found = {"boxes": float(len(labels))}
    found |= {f"boxes[{label}]": float(counts[label]) for label in (*queried.values(), OTHER)}
    if grounding.confidence_kind == "constant" or not labels:
        return found
    scores = detections.scores
    found["confidence"] = float(scores.mean())
    for label in counts:
        own = [score for score, name in zip(scores, labels, strict=True) if name == label]
        found[f"confidence[{label}]"] = float(np.mean(own))
    return found


def names_of(labels: Iterable[str]) -> set[str]:
    """Return all names that answers to a query can have, with that of the machine.

    Args:
        labels: of the query.
    """
    of_labels = {f"{name}[{each}]" for name in ("boxes", "confidence") for each in (*labels, OTHER)}
    return {*_OF_ANSWERS, MACHINE, *of_labels}


def lacking(names: Iterable[str], features: Mapping[str, float]) -> list[str]:
    """Return those of ``names`` that an answer with these features should have, and has not.

    An unusable answer has few features, and the confidence of boxes needs a box.
    """
    return [name for name in names if name not in features and _due(name, features)]


def _due(name: str, features: Mapping[str, float]) -> bool:
    figure, bracket, label = name.partition("[")
    if figure == "confidence":
        return features.get(f"boxes{bracket}{label}", 0.0) > 0
    return figure not in ("latency_s", "boxes") or features.get("unusable") == 0


def shown(name: str, value: float) -> float:
    """Return a feature's value in the unit that its name states."""
    return 10.0**value if name in LOGARITHMIC else value
