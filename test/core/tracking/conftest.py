# SPDX-License-Identifier: Apache-2.0
"""Answers as the tracker gets them, without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply, StageTimes

WH = (1280, 720)


def make_answer(
    time_s: float,
    boxes: Sequence[Sequence[float]] | np.ndarray = (),
    labels: Sequence[str] | str = "person",
    *,
    outcome: Outcome | None = None,
    scores: Sequence[float] | float = 1.0,
    sigma_px: float = 2.0,
    query: Query | None = None,
    camera: str = "",
    wh: tuple[int, int] = WH,
    delay_s: float = 0.0,
) -> Grounding:
    """Boxes are cx, cy, w, h in px."""
    cxcywh = np.asarray(boxes, float).reshape(-1, 4)
    n = len(cxcywh)
    half = cxcywh[:, 2:] / 2
    found = Detections(
        np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1),
        (labels,) * n if isinstance(labels, str) else tuple(labels),
        np.broadcast_to(np.asarray(scores, float), (n,)).copy(),
        np.full((n, 4), sigma_px),
    )
    return Grounding(
        outcome=outcome or (Outcome.OK if n else Outcome.EMPTY),
        detections=found,
        stamp_ns=round(time_s * 1e9),
        frame_id="camera_optical",
        camera=camera,
        wh=wh,
        query=query or Query.parse("person, red tote"),
        reply=Reply("", times=StageTimes(decode_s=delay_s)),
    )


@pytest.fixture(scope="session")
def answer() -> Callable[..., Grounding]:
    return make_answer
