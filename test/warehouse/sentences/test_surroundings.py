# SPDX-License-Identifier: Apache-2.0
"""What stands around a command changes nothing but the camera and the time that it names."""

import random
import re

import pytest

from lfmvl_warehouse.sentences.filling import Filler
from lfmvl_warehouse.sentences.phrase_file import AROUND, UNWANTED, languages, slots_of
from lfmvl_warehouse.sentences.surroundings import Surroundings

FILES = {file.language: file for file in languages()}


class Always(random.Random):
    """Chance that always takes what may be there, and the last choice."""

    def random(self):
        return 0.0


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_objects_before_and_after_a_command_are_never_wanted(file):
    for key in ("before", "after"):
        for text in file.fillers[key]:
            slots = [slot for slot in slots_of(text) if slot != "please"]
            assert all(slot.startswith(UNWANTED) or slot == "place" for slot in slots), text


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_every_text_around_a_command_can_be_filled(file):
    filler = Filler(file, random.Random(0))
    for key in AROUND[:-1]:
        for text in file.fillers[key]:
            named = re.sub(r"\{[csm]\}", "2", text.partition("=")[0])  # camera, seconds, minutes
            filled = filler.fill(named, around=False)
            assert filled.labels == (), text
            assert filled.text, text


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_there_are_words_for_the_numbers_to_twenty(file):
    assert len(set(file.fillers["numbers"])) == 20


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_a_camera_and_a_time_are_named_once(file):
    put = Surroundings(file, Always()).put("x {many} {camera} {time}", camera=True, time=True)
    slots = slots_of(put)
    assert [s for s in slots if s.startswith("camera")] == ["camera_first"]
    assert len([s for s in slots if s.startswith("time")]) == 1
    assert "{many}" in put


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_limits_that_are_put_around_a_command_are_noted(file):
    filler = Filler(file, random.Random(3))
    for _ in range(300):
        filled = filler.fill("x {a} {camera} {time}", camera=True, time=1.0)
        assert filled.seconds > 0
        assert len(filled.labels) == 1


def test_nothing_is_put_around_where_it_is_not_wanted():
    filler = Filler(FILES["en"], random.Random(0))
    assert {filler.fill("count them", around=False).text for _ in range(100)} == {"count them"}


def test_a_question_keeps_its_mark_before_a_new_sentence_alone():
    surroundings = Surroundings(FILES["en"], random.Random(0))
    texts = {surroundings.put("where is {the}?", camera=False, time=False) for _ in range(2000)}
    after = {text.split("{the}")[1] for text in texts}
    assert "?" in after
    assert any(text.startswith("? ") for text in after)
    assert any(text.startswith(",") for text in after)
    assert not any(text.startswith(("?.", "?,", "?-")) for text in after)
