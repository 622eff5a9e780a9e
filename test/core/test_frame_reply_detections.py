# SPDX-License-Identifier: Apache-2.0
"""The nouns that travel through the pipeline refuse what they can't mean."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.reply import FinishReason, Reply, StageTimes, Token

GREY = np.full((48, 64, 3), 128, np.uint8)


def test_a_frame_knows_its_size() -> None:
    frame = Frame(GREY, stamp_ns=12, frame_id="cam", camera="left")
    assert (frame.width, frame.height, frame.wh) == (64, 48, (64, 48))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (GREY.astype(np.float32), "uint8"),
        (GREY.tolist(), "list"),
        (GREY[..., 0], r"\(H, W, 3\)"),
        (np.zeros((48, 64, 4), np.uint8), r"\(H, W, 3\)"),
        (np.zeros((0, 64, 3), np.uint8), "H, W >= 1"),
        (GREY[:, ::2], "ascontiguousarray"),
    ],
)
def test_a_frame_refuses_other_pixels(pixels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Frame(pixels, stamp_ns=0)


@pytest.mark.parametrize("stamp", [-1, 1.5, np.int64(3), None])
def test_a_frame_refuses_other_stamps(stamp: Any) -> None:
    with pytest.raises(ValueError, match="nanoseconds"):
        Frame(GREY, stamp_ns=stamp)


@pytest.mark.parametrize("logprob", [0.5, math.nan])
def test_a_token_has_a_log_probability(logprob: float) -> None:
    with pytest.raises(ValueError, match="log-probability"):
        Token(1, "a", logprob)


@pytest.mark.parametrize("seconds", [-0.1, math.inf, math.nan])
def test_times_are_seconds(seconds: float) -> None:
    with pytest.raises(ValueError, match="decode_s"):
        StageTimes(decode_s=seconds)
    assert StageTimes(0.1, 0.2, 0.3, 0.4).total_s == pytest.approx(1.0)


def test_a_failed_reply_says_why() -> None:
    failed = Reply.failed("out of memory", "tiny")
    assert (failed.finish, failed.error, failed.model) == (
        FinishReason.ERROR,
        "out of memory",
        "tiny",
    )
    with pytest.raises(ValueError, match="finish=ERROR"):
        Reply("[]", error="but it answered")
    with pytest.raises(ValueError, match="finish=ERROR"):
        Reply("", finish=FinishReason.ERROR)


def detections(**changes: Any) -> Detections:
    values: dict[str, Any] = {
        "xyxy_px": np.array([[1.0, 2, 3, 4], [5, 6, 9, 9]]),
        "labels": ("person", "tote"),
        "scores": np.array([0.5, 1.0]),
        "sigma_px": np.ones((2, 4)),
    }
    return Detections(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"xyxy_px": np.array([[1.0, 2, 3, 4]])}, "xyxy_px must be float64"),
        ({"xyxy_px": np.array([[1, 2, 3, 4], [5, 6, 9, 9]])}, "xyxy_px must be float64"),
        ({"xyxy_px": np.array([[1.0, 2, 3, 4], [9, 6, 9, 9]])}, "x1 < x2"),
        ({"xyxy_px": np.array([[1.0, 2, 3, 4], [5, math.nan, 9, 9]])}, "finite"),
        ({"scores": np.array([0.5, 1.01])}, r"\[0, 1\]"),
        ({"scores": np.array([[0.5], [1.0]])}, "scores must be"),
        ({"sigma_px": np.zeros((2, 4))}, "> 0"),
        ({"labels": ("person",)}, "1 labels"),
    ],
)
def test_detections_refuse_what_is_no_box(changes: dict[str, Any], message: str) -> None:
    assert len(detections()) == 2
    with pytest.raises(ValueError, match=message):
        detections(**changes)


def test_detections_taken_in_another_order() -> None:
    taken = detections().take([1, 0, 1])
    assert taken.labels == ("tote", "person", "tote")
    assert taken.xyxy_px[:, 0].tolist() == [5.0, 1.0, 5.0]
    assert taken.scores.tolist() == [1.0, 0.5, 1.0]
    assert len(detections().take([])) == len(Detections.empty()) == 0
