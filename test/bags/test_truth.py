# SPDX-License-Identifier: Apache-2.0
"""Annotations in a bag: each image has one message, and each box a size."""

from __future__ import annotations

from types import SimpleNamespace as Some
from typing import Any

import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed")

from lfmvl_ros.bags.truth import read_truth
from lfmvl_ros.core.errors import UserError


def message(at_s: int, size: tuple[float, float] = (4.0, 6.0)) -> Any:
    box = Some(center=Some(position=Some(x=10.0, y=20.0)), size_x=size[0], size_y=size[1])
    result = Some(hypothesis=Some(class_id="crate", score=0.5))
    return Some(
        header=Some(stamp=Some(sec=at_s, nanosec=0)),
        detections=[Some(id="7", results=[result], bbox=box)],
    )


def bag(*messages: Any) -> Any:
    return Some(path="film", messages=lambda _topics: messages, decode=lambda each: each)


def test_boxes_by_the_stamp_of_their_image() -> None:
    found = read_truth(bag(message(1), message(2)), "/truth")
    assert sorted(found) == [10**9, 2 * 10**9]
    assert found[10**9].xyxy_px.tolist() == [[8, 17, 12, 23]]
    assert found[10**9].visible.tolist() == [0.5]


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([message(1), message(1)], "a second one has the stamp 1000000000 ns; each image has one"),
        ([message(1, (-4.0, 6.0))], "a box of -4 x 6 pixels"),
        ([message(1, (float("nan"), 6.0))], "must be finite"),
    ],
)
def test_what_is_no_annotation_is_refused(messages: list[Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_truth(bag(*messages), "/truth")
