# SPDX-License-Identifier: Apache-2.0
"""Drafts of answers: right as often as can be, and harmless whatever they are made from."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.drafting.answer_text import Hint, join_answer, split_answer
from lfmvl_ros.core.drafting.draft_text import AnswerDraft
from lfmvl_ros.core.drafting.drafts import expect_answer
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracker, Tracks

QUERY = Query(("tote", "person", "red cone"), version=1)
PROMPT = CARD_TEMPLATE.render(QUERY)
S = 1_000_000_000

STYLES = {
    "card": ('[', '{{"label": "{}", "bbox": [{}]}}', ", ", "]", ", "),
    "tight": ('[', '{{"label":"{}","bbox":[{}]}}', ",", "]", ","),
    "fenced": ('```json\n[\n', '  {{"label": "{}", "bbox_2d": [{}]}}', ",\n", "\n]\n```", ", "),
    "single": ("[", "{{'label': '{}', 'box': [{}]}}", ", ", "]", ", "),
}  # fmt: skip


def write(objects, style="card", decimals=2):
    head, item, between, foot, comma = STYLES[style]
    texts = [
        item.format(label, comma.join(f"{value:.{decimals}f}" for value in box))
        for label, box in objects
    ]
    return head + between.join(texts) + foot


coordinate = st.integers(0, 99).map(lambda n: n / 100)
thing = st.tuples(st.sampled_from(QUERY.labels), st.tuples(*[coordinate] * 4))
things = st.lists(thing, min_size=1, max_size=5)
fragment = st.sampled_from(
    ['[{"label": "', '", "bbox": [', "0.", "12", ", ", "]}", "]", "{", "-", "tote", "0.25", "[("]
)  # fmt: skip
anything = st.one_of(
    st.text(max_size=40), st.lists(fragment, max_size=30).map("".join), things.map(write)
)


@given(anything)
def test_splitting_loses_nothing(text):
    assert join_answer(*split_answer(text)) == text


@given(anything, anything, anything, st.lists(st.text(max_size=8), max_size=3))
def test_no_text_is_too_odd(expected, style, written, labels):
    for hint in (None, Hint.as_printed(expected)):
        rest, ended = AnswerDraft(hint, style, labels).after(written)
        assert isinstance(rest, str)
        assert isinstance(ended, bool)


@given(things, st.sampled_from(sorted(STYLES)), st.sampled_from([2, 3]), st.data())
def test_the_same_answer_is_continued_from_anywhere(objects, style, decimals, data):
    text = write(objects, style, decimals)
    cut = data.draw(st.integers(0, len(text)))
    rest, ended = AnswerDraft(Hint.as_printed(text), "", QUERY.labels).after(text[:cut])
    boxes = [box for _, box in objects]
    if len(set(objects)) == len(objects) and all(boxes.count(box) == 1 for box in boxes):
        assert ended
        if style == "card" and _in_order(objects):
            assert text[:cut] + rest == text


def _in_order(objects):
    """No two objects of a label so near that a number in the middle fits both."""
    return len({label for label, _ in objects}) == len(objects)


def forwards(text, draft):
    """Passes for an answer, with tokens like LFM2's: digits in groups, words, signs, the end."""
    tokens = [*re.findall(r"\d{1,3}|\w+|\s+|[^\w\s]+", text), "<end>"]
    done = passes = 0
    while done < len(tokens):
        rest, ended = draft.after("".join(tokens[:done]))
        proposed = re.findall(r"\d{1,3}|\w+|\s+|[^\w\s]+", rest) + ["<end>"] * ended
        passes += 1
        for token in [*proposed, None]:
            if done == len(tokens) or token != tokens[done]:
                done += done < len(tokens)  # the model's own choice
                break
            done += 1
    return passes


OBJECTS = [
    ("tote", (0.10, 0.20, 0.30, 0.40)),
    ("person", (0.35, 0.10, 0.45, 0.60)),
    ("tote", (0.50, 0.52, 0.71, 0.83)),
    ("red cone", (0.80, 0.55, 0.88, 0.77)),
]


def changed(index, **numbers):
    label, box = OBJECTS[index]
    box = [numbers.get(f"c{place}", value) for place, value in enumerate(box)]
    return [*OBJECTS[:index], (label, tuple(box)), *OBJECTS[index + 1 :]]


@pytest.mark.parametrize("style", sorted(STYLES))
@pytest.mark.parametrize(
    ("now", "most"),
    [
        (OBJECTS, 1),
        (changed(1, c0=0.36), 3),
        (changed(2, c1=0.53, c3=0.84), 3),
        (OBJECTS[1:], 2),
        (OBJECTS[:1] + OBJECTS[2:], 2),
        (OBJECTS[:-1], 2),
        ([], 2),
        ([OBJECTS[1], OBJECTS[0], *OBJECTS[2:]], 4),
        ([*OBJECTS[:2], ("red cone", (0.47, 0.11, 0.52, 0.25)), *OBJECTS[2:]], 8),
        ([*OBJECTS, ("person", (0.90, 0.11, 0.95, 0.25))], 8),
    ],
    ids=["same", "x", "y", "first left", "second left", "last left", "all left", "swapped",
         "came between", "came last"],
)  # fmt: skip
def test_what_a_change_costs(now, most, style):
    text = write(now, style)
    assert forwards(text, AnswerDraft(Hint.as_printed(write(OBJECTS, style)))) <= most + (
        3 if style == "fenced" else 1
    )


def test_without_any_expectation_the_frame_of_the_answer_is_drafted():
    text = write(OBJECTS)
    from_style = forwards(text, AnswerDraft(None, write(OBJECTS[:2]), QUERY.labels))
    from_nothing = forwards(text, AnswerDraft(None, "", QUERY.labels))
    assert from_style <= 6 * len(OBJECTS) + 1
    assert from_nothing < 6 * len(OBJECTS) + 30


def test_a_camera_that_turned_is_noticed_with_the_first_object():
    now = [(label, (a + 0.05, b, c + 0.05, d)) for label, (a, b, c, d) in OBJECTS]
    still = AnswerDraft(Hint.as_printed(write(OBJECTS)))
    rest, _ = still.after(write(now[:3])[:-1] + ", ")
    (piece, *_), _ = split_answer(rest)
    assert float(piece.numbers[0]) >= 0.83


def test_hint_needs_a_row_for_each_box():
    with pytest.raises(ValueError, match=r"\(1, 4\)"):
        Hint(write(OBJECTS[:1]), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="finite"):
        Hint(write(OBJECTS[:1]), np.full((1, 4), np.nan))


# -- from the previous answer and the tracker -----------------------------------------------------


def answer(text, stamp_ns, tracker, query=QUERY):
    frame = Frame(np.zeros((480, 640, 3), np.uint8), stamp_ns)
    grounding = parse_reply(Reply(text), frame=frame, prompt=CARD_TEMPLATE.render(query))
    return Answer(grounding, tracker.apply(grounding), 0)


def moving(time_s):
    """A tote to the right at 0.2 image widths a second, overtaking a person that stands."""
    x = 0.10 + 0.2 * time_s
    both = [("tote", (x, 0.5, x + 0.2, 0.8)), ("person", (0.5, 0.1, 0.6, 0.7))]
    return sorted(both, key=lambda item: item[1][0])


@pytest.mark.parametrize("unit", [1, 1000])
def test_boxes_go_where_the_tracker_sees_them(unit):
    tracker, previous = Tracker(), None

    def text_at(time_s):
        found = [(label, tuple(unit * v for v in box)) for label, box in moving(time_s)]
        return write(found, decimals=2 if unit == 1 else 0)

    for step in range(11):
        previous = answer(text_at(step / 5), step * S // 5, tracker)
    later_s = 2.5  # overtaken by then
    hint = expect_answer(previous, QUERY, tracker.at(int(later_s * S)))
    assert [piece.key for piece in split_answer(hint.text)[0]] == [
        piece.key for piece in split_answer(text_at(later_s))[0]
    ]
    expected = np.array([box for _, box in moving(later_s)]) * unit
    np.testing.assert_allclose(hint.boxes, expected, atol=0.015 * unit)


def test_what_has_left_is_not_expected():
    tracker, previous = Tracker(), None
    for step in range(10):
        x = 0.3 + 0.06 * step
        found = [("person", (0.1, 0.1, 0.2, 0.7)), ("tote", (x, 0.5, x + 0.1, 0.8))]
        previous = answer(write(found), step * S // 5, tracker)
    hint = expect_answer(previous, QUERY, tracker.at(27 * S // 10))
    assert "person" in hint.text
    assert "tote" not in hint.text
    assert len(hint.boxes) == 1
    much_later = expect_answer(previous, QUERY, tracker.at(60 * S))
    assert much_later.text == previous.grounding.reply.text


def test_no_expectation_from_other_words_or_no_evidence():
    tracker = Tracker()
    nothing = Tracks(0)
    assert expect_answer(None, QUERY, nothing) is None
    good = answer(write(OBJECTS), S, tracker)
    assert expect_answer(good, QUERY, tracker.at(S)) is not None
    assert expect_answer(good, Query(("tote",), version=2), tracker.at(S)) is None
    assert expect_answer(answer("I can't", 2 * S, tracker), QUERY, nothing) is None
    empty = expect_answer(answer("[]", 3 * S, tracker), QUERY, nothing)
    assert empty.text == "[]"


@given(anything)
def test_no_previous_answer_is_too_odd(text):
    tracker = Tracker()
    hint = expect_answer(answer(text, S, tracker), QUERY, tracker.at(2 * S))
    assert hint is None or len(split_answer(hint.text)[0]) == len(hint.boxes)


def test_labels_with_quotes_brackets_and_other_scripts():
    labels = ['19" rack', "人", "box [2, 3, 4, 5]", "{x}"]
    text = json.dumps(
        [{"label": label, "bbox": [0.1, 0.2, 0.3, 0.4]} for label in labels], ensure_ascii=False
    )
    assert forwards(text, AnswerDraft(Hint.as_printed(text), "", labels)) <= 6
