# SPDX-License-Identifier: Apache-2.0
"""Answers and samples to store."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.collect.sample import Sample, sample_of
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Applied

WH = (64, 48)


def answer(
    stamp_ns: int = 1, *, score: float = 0.3, outcome: Outcome = Outcome.OK, count: int = 1,
    camera: str = "",
) -> Answer:  # fmt: skip
    pixels = np.random.default_rng(stamp_ns % 1000).integers(0, 255, (*WH[::-1], 3), np.uint8)
    frame = Frame(pixels, stamp_ns, "lens", camera)
    boxes = np.array([[4.0, 5, 24, 35]] * count).reshape(-1, 4)
    found = Detections(boxes, ("tote",) * count, np.full(count, score), np.ones((count, 4)))
    grounding = Grounding(
        outcome=outcome, detections=found, stamp_ns=stamp_ns, frame_id="lens", camera=camera,
        wh=WH, query=Query.parse("tote, person"), reply=Reply("[]", model="m"),
        confidence_kind="token_probability",
    )  # fmt: skip
    return Answer(grounding, Applied(stamp_ns, (0,) * count), 0, frame)


def sample(stamp_ns: int = 1, **more: object) -> Sample:
    made = sample_of(answer(stamp_ns, **more), "uncertain")
    assert made is not None
    return made
