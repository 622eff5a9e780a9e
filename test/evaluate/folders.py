# SPDX-License-Identifier: Apache-2.0
"""A folder of rendered images, and recorded replies that are mostly right about them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from lfmvl_ros.evaluate.data import EvaluationSet
from lfmvl_ros.evaluate.questions import ImageQuestion


def recorded(
    path: Path,
    data: EvaluationSet,
    questions: list[ImageQuestion],
    *,
    kept: float = 0.8,
    jitter: float = 0.01,
    seed: int = 0,
) -> Path:
    """Write replies that name each object with probability ``kept``, its box moved a little."""
    rng = np.random.default_rng(seed)
    lines = []
    for item in questions:
        image = data.images[item.image]
        found = []
        for kind, box in zip(image.kinds.tolist(), image.xyxy, strict=True):
            moved = np.clip(box + rng.normal(0, jitter, 4), 0, 1).round(3).tolist()
            if kind in item.kinds and rng.random() < kept:
                label = item.labels[item.kinds.index(kind)]
                found.append({"label": label, "bbox": moved})
        lines.append(json.dumps({"text": json.dumps(found), "stamp_ns": item.number}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
