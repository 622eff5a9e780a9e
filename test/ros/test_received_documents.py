# SPDX-License-Identifier: Apache-2.0
"""Whatever a foreign document holds, it is used or refused with a ValueError."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.cli.say import in_words
from lfmvl_ros.ros.received_documents import (
    LONGEST,
    command_result_from,
    grounding_from,
    states_from,
)
from lfmvl_ros.ros.recording import Recording, _marks

TRACK = {
    "id": 1, "label": "tote", "confidence": 0.5, "state": "confirmed", "velocity": [0.0, 1.0],
    "bbox": [0.1, 0.1, 0.2, 0.2], "covariance": [[1.0] * 4] * 4, "age_s": 1.0,
}  # fmt: skip
STATES = {"stamp": {"sec": 1, "nanosec": 2}, "width": 64, "height": 48, "tracks": [TRACK]}
GROUNDING = {"status": "ok", "query": "tote", "model": "m", "timing": {"total_ms": 5.0}}
CALL = {"name": "count", "arguments": {"label": "crate"}, "status": "done", "data": {}}
RESULT = {"id": "7", "status": "done", "message": "1 crate", "calls": [CALL], "dry_run": False}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=8,
)


def places(document, path=()):
    """Every place in a document, as the keys that lead there."""
    yield path
    if isinstance(document, (dict, list)):
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in items:
            yield from places(value, (*path, key))


def replaced(document, path, value):
    if not path:
        return value
    copy = document.copy()
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


@given(st.sampled_from(list(places(STATES))), VALUES)
def test_states_with_any_part_replaced_can_be_drawn_or_are_refused(path, value):
    try:
        stamp_ns, document = states_from(json.dumps(replaced(STATES, path, value)))
    except ValueError:
        return
    assert isinstance(stamp_ns, int)
    _marks(document)


@given(st.sampled_from(list(places(GROUNDING))), VALUES)
def test_a_grounding_with_any_part_replaced_is_summed_up_or_refused(path, value):
    try:
        document = grounding_from(json.dumps(replaced(GROUNDING, path, value)))
    except ValueError:
        return
    json.dumps(Recording(groundings=[document]).summary(), allow_nan=False)


@given(st.sampled_from(list(places(RESULT))), VALUES)
def test_a_result_with_any_part_replaced_is_put_into_words_or_refused(path, value):
    try:
        document = command_result_from(json.dumps(replaced(RESULT, path, value)))
    except ValueError:
        return
    assert list(in_words(document))


@pytest.mark.parametrize("path", [("id",), ("message",), ("calls",), ("calls", 0, "arguments")])
def test_a_result_without_what_clients_need_is_refused(path):
    assert command_result_from(json.dumps(RESULT)) == RESULT
    with pytest.raises(ValueError, match=path[-1]):
        command_result_from(json.dumps(replaced(RESULT, path, None)))


@given(st.text())
def test_any_text_is_refused_in_an_orderly_way(text):
    for read in (states_from, grounding_from):
        with pytest.raises(ValueError, match=r"."):
            read(text)


def test_what_is_whole_is_taken_and_what_is_huge_is_not():
    assert states_from(json.dumps(STATES)) == (1_000_000_002, STATES)
    assert grounding_from(json.dumps(GROUNDING)) == GROUNDING
    with pytest.raises(ValueError, match="characters"):
        grounding_from(" " * (LONGEST + 1))


@pytest.mark.parametrize("read", [states_from, grounding_from])
def test_an_integer_that_no_float_can_hold_is_refused(read):
    with pytest.raises(ValueError, match="an integer has 400 digits"):
        read('{"timing": {"total_ms": ' + "9" * 400 + "}}")
