# SPDX-License-Identifier: Apache-2.0
"""Items, answers and crops: what is written can be read, and the rest is refused in a sentence."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.review import ReviewAnswer, ReviewVerdict, read_answer, read_item
from lfmvl_ros.core.review.crop import around, cut
from lfmvl_ros.core.review.item import Settlement
from lfmvl_ros.core.safe_text import json_text, safe_text

from ...examples import examples
from ...schemas import check
from .items import item

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(safe_text)
shares = st.tuples(st.integers(0, 9_999), st.integers(1, 10_000)).filter(lambda s: s[0] < s[1])
boxes = st.tuples(shares, shares).map(
    lambda s: (s[0][0] / 1e4, s[1][0] / 1e4, s[0][1] / 1e4, s[1][1] / 1e4)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(words, st.none() | boxes, words)
@examples(40)
def test_items_survive_the_topic(label: str, bbox: Any, rule: str) -> None:
    made = item(7, label, bbox, rule=rule)
    document = check(json.loads(json_text(made.to_dict())))
    assert read_item(json.dumps(document)) == made


@given(words, boxes, st.sampled_from(ReviewVerdict))
@examples(40)
def test_answers_survive_the_topic(label: str, bbox: Any, verdict: ReviewVerdict) -> None:
    made = ReviewAnswer(
        "0123456789abcdef",
        verdict,
        label if verdict is ReviewVerdict.WRONG_LABEL else "",
        bbox if verdict is ReviewVerdict.BOX else None,
    )
    assert read_answer(json_text(check(made.to_dict()))) == made


@given(st.sampled_from(sorted(item().to_dict())), json_values, st.booleans())
@examples(80)
def test_whatever_comes_is_read_or_refused(key: str, value: Any, of_items: bool) -> None:
    document = item().to_dict() | {"verdict": "yes"}
    document["schema"] = "lfmvl/review/1" if of_items else "lfmvl/review_answer/1"
    if not of_items:
        document["bbox"] = None
    text = json.dumps({**document, key: value})
    with contextlib.suppress(UserError):
        made = read_item(text) if of_items else read_answer(text)
        assert made.id == item().id


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": "../../etc/passwd"}, "id must have 16 digits"),
        ({"verdict": "maybe"}, "verdict must be one of yes, no, wrong_label, box"),
        ({"verdict": "box"}, "bbox is allowed with verdict box only"),
        ({"verdict": "box", "bbox": [0.5, 0, 0.4, 1]}, "x1 < x2"),
        ({"verdict": "box", "bbox": [0, 0, 10**400, 1]}, "an integer has 401 digits"),
        ({"label": "tote"}, "label is allowed with verdict wrong_label only"),
        ({"label": "x" * 5000}, "at most 4,096 are read"),
    ],
)
def test_answers_are_refused_with_the_reason(change: dict[str, Any], told: str) -> None:
    document = ReviewAnswer("0" * 16, ReviewVerdict.YES).to_dict() | change
    with pytest.raises(UserError, match=told):
        read_answer(json.dumps(document))


def test_a_settlement_is_read() -> None:
    text = '{"schema": "lfmvl/review/1", "id": "%s", "state": "settled", "rule": "r", ' % ("0" * 16)
    text += '"outcome": "timeout", "published": false}'
    check(json.loads(text))
    assert read_item(text) == Settlement("0" * 16, "timeout", False)


@given(boxes, st.integers(1, 900), st.integers(1, 900))
@examples(40)
def test_the_crop_shows_the_box_with_something_around_it(
    bbox: Any, width: int, height: int
) -> None:
    asked = around(bbox)
    crop, jpeg = cut(np.zeros((height, width, 3), np.uint8), asked)
    for axis in (0, 1):
        assert 0 <= asked[axis] <= bbox[axis]
        assert bbox[axis + 2] <= asked[axis + 2] <= 1
        assert asked[axis + 2] - asked[axis] >= min(0.2499, 3 * (bbox[axis + 2] - bbox[axis]))
        assert crop[axis] <= asked[axis]
        assert crop[axis + 2] >= asked[axis + 2] - 1e-9
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert max(decoded.shape[:2]) <= 640
