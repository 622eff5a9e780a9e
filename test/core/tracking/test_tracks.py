# SPDX-License-Identifier: Apache-2.0
"""What is published is checked when built, and its JSON is readable by others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lfmvl_ros.core.tracking import Tracks, TrackState


def two_tracks() -> Tracks:
    return Tracks(
        stamp_ns=3_250_000_000,
        ids=np.array([4, 9]),
        labels=("person", "red tote"),
        scores=np.array([0.9, 0.25]),
        xyxy_px=np.array([[64.0, 48, 128, 96], [0, 0, 640, 480]]),
        velocity_px_s=np.array([[10.0, -2.5], [0, 0]]),
        covariance=np.stack([np.eye(4) * 4, np.eye(4)]),
        state=(TrackState.CONFIRMED, TrackState.TENTATIVE),
        age_s=np.array([1.0, 0.0]),
        frame_id="camera",
        camera="left",
        wh=(640, 480),
    )


def test_json() -> None:
    document = json.loads(json.dumps(two_tracks().to_dict()))
    assert document["schema"] == "lfmvl/track_states/1"
    assert document["stamp"] == {"sec": 3, "nanosec": 250_000_000}
    assert (document["width"], document["height"], document["camera"]) == (640, 480, "left")
    first = document["tracks"][0]
    assert first == {
        "id": 4,
        "label": "person",
        "confidence": 0.9,
        "state": "confirmed",
        "bbox": [0.1, 0.1, 0.2, 0.2],
        "velocity": [10.0, -2.5],
        "covariance": (np.eye(4) * 4).tolist(),
        "age_s": 1.0,
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ids": np.array([4, 4])}, "unique"),
        ({"ids": np.array([0, 1])}, "positive"),
        ({"scores": np.array([0.5, 1.5])}, "scores"),
        ({"xyxy_px": np.zeros((2, 4))}, "x1 < x2"),
        ({"covariance": np.zeros((2, 8, 8))}, "covariance"),
        ({"velocity_px_s": np.array([[np.nan, 0], [0, 0]])}, "velocity"),
        ({"labels": ("person",)}, "label"),
        ({"age_s": np.array([-1.0, 0])}, "age_s"),
        ({"wh": (0, 0)}, "wh"),
    ],
)
def test_refuses(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(two_tracks(), **change)


def test_empty_needs_only_a_time() -> None:
    assert Tracks(stamp_ns=5).to_dict()["tracks"] == []
