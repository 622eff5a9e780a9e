# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.readings import CropReading, ReadLine
from lfmvl_ros.core.readings.lookalikes import AMBIGUOUS_CONFIDENCE, has_lookalikes
from lfmvl_ros.core.readings.reading import text_key
from lfmvl_ros.core.readings.voting import vote

from ...examples import examples

CONFIDENCES = st.floats(0.0, 1.0)
TEXTS = st.sampled_from(["ACME", "LOT 27B", "LOT 27E", "2027-03-28", "KCW-579-O", "", "日本 12"])
LINES = st.lists(st.builds(ReadLine, TEXTS, CONFIDENCES), max_size=3).map(tuple)
READINGS = st.lists(st.builds(CropReading, LINES, st.integers(0, 9)), max_size=8)


def read(*texts: tuple[str, float]) -> list[CropReading]:
    return [CropReading((ReadLine(text, confidence),)) for text, confidence in texts]


@given(READINGS)
@examples(200)
def test_a_vote_says_only_what_was_read_with_a_confidence_in_range(readings):
    found = vote(readings)
    seen = {line.text for reading in readings for line in reading.lines}
    assert {line.text for line in found.lines} <= seen
    assert all(0.0 <= line.confidence <= 1.0 for line in found.lines)
    for index in found.agreeing:
        keys = {text_key(line.text) for line in readings[index].lines}
        assert {text_key(line.text) for line in found.lines} <= keys


@given(st.floats(0.01, 0.99), st.integers(1, 200))
@examples(100)
def test_an_error_that_is_repeated_for_ever_is_not_believed(confidence, times):
    """A camera that stands still reads the same again: that is no new evidence."""
    found = vote(read(*[("LOT 27E", confidence)] * times))
    assert found.confidence <= 1 - (1 - confidence) ** 1.5 + 1e-9
    if confidence <= 0.75:
        assert found.confidence < 0.9


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6), st.floats(0.0, 1.0))
@examples(100)
def test_agreement_never_lowers_and_disagreement_never_raises(confidences, another):
    before = vote(read(*[("LOT 27B", value) for value in confidences]))
    agreeing = vote(read(*[("LOT 27B", value) for value in (*confidences, another)]))
    against = vote(read(*[("LOT 27B", value) for value in confidences], ("LOT 27E", another)))
    assert agreeing.confidence >= before.confidence - 1e-12
    assert against.text != "LOT 27B" or against.confidence <= before.confidence + 1e-12


@given(st.permutations(range(5)))
@examples(50)
def test_the_order_of_readings_makes_no_difference_for_one_line(order):
    readings = read(("LOT 27B", 0.9), ("LOT 27B", 0.7), ("LOT 27E", 0.5), ("LT 27B", 0.3), ("", 0))
    found, other = vote(readings), vote([readings[index] for index in order])
    assert other.text == found.text == "LOT 27B"
    assert other.confidence == pytest.approx(found.confidence)


def test_a_limit_holds_however_often_the_same_is_read():
    small = [CropReading((ReadLine("ACME", 0.99, limit=0.85),))] * 5
    assert vote(small).confidence == 0.85
    assert vote([*small, *read(("ACME", 0.9))]).confidence == 0.85
    assert vote([*small, *read(("ACME", 0.9), ("ACME", 0.9))]).confidence > 0.95  # seen larger


@pytest.mark.parametrize("text", ["GAT-421-", "-421-C", "7/"])
def test_a_text_that_is_broken_off_is_never_certain(text):
    assert vote(read(*[(text, 1.0)] * 5)).confidence == AMBIGUOUS_CONFIDENCE


def test_one_reading_is_never_certain():
    assert vote(read(("ACME", 1.0))).confidence < 0.9
    assert vote(read(("ACME", 1.0), ("ACME", 0.95))).confidence > 0.99


def test_two_good_readings_that_contradict_each_other_leave_it_open():
    assert vote(read(("AB-17", 0.98), ("AB-47", 0.97))).confidence < 0.6


def test_each_line_is_voted_on_by_itself():
    readings = [
        CropReading((ReadLine("ACME", 0.99), ReadLine("LOT 27B", 0.9))),
        CropReading((ReadLine("ACME", 0.98), ReadLine("LOT 27E", 0.4))),
        CropReading((ReadLine("ACNE", 0.3), ReadLine("LOT 27B", 0.95))),
    ]
    found = vote(readings)
    assert found.text == "ACME LOT 27B"
    assert found.agreeing == (0,)


def test_what_few_readings_have_seen_is_left_out():
    clean = CropReading((ReadLine("ACME", 0.9),))
    with_speck = CropReading((ReadLine("ACME", 0.9), ReadLine("~", 0.2)))
    assert vote([clean, with_speck, clean, clean]).text == "ACME"


def test_no_reading_and_no_text_say_nothing():
    for readings in ([], [CropReading()], read(("", 0.0)), read(("  ", 0.9))):
        assert vote(readings).lines == ()
        assert vote(readings).confidence == 0.0


def test_spaces_hyphens_and_width_are_no_disagreement():
    found = vote(read(("LOT 27-B", 0.9), ("LOT27\u2010B", 0.8), ("ＬＯＴ 27-B", 0.8)))
    assert found.text == "LOT 27-B"
    assert found.agreeing == (0, 1, 2)


@pytest.mark.parametrize(
    "text", ["KCW-579-O", "LOT Q1W", "B0X", "A-1-C", "l", "a|b", "LOT VSYYGOE", "LOT RUWEPOK"]
)
def test_characters_that_look_alike_are_never_certain(text):
    assert has_lookalikes(text)
    assert vote(read(*[(text, 1.0)] * 5)).confidence == AMBIGUOUS_CONFIDENCE


@pytest.mark.parametrize("text", ["2028-10-01", "LOT", "ABC-1001", "Oil", "10", "W7B", ""])
def test_digits_among_digits_and_letters_among_letters_are_clear(text):
    assert not has_lookalikes(text)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, np.nan])
def test_a_confidence_outside_0_to_1_is_refused(confidence):
    with pytest.raises(ValueError, match=r"ReadLine\.confidence"):
        ReadLine("ACME", confidence)
