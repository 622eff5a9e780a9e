# SPDX-License-Identifier: Apache-2.0
"""A number that a sentence does not say is never acted on."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.commands.said_numbers import check_numbers
from lfmvl_ros.core.commands.tools import Count, Find, Follow
from lfmvl_ros.core.errors import UserError


@pytest.mark.parametrize(
    ("sentence", "tool"),
    [
        ("follow object 12345", Follow(12345)),
        ("pick up number seven", Follow(7)),  # no digits: words are not known
        ("folge Objekt 7, bitte", Follow(7)),
        ("اتبع الجسم ١٢", Follow(12)),
        ("找到托盘，20秒内", Find("pallet", 20.0)),
        ("find a tote within 2 minutes", Find("tote", 120.0)),
        ("find a tote within 1 minute and 30 seconds", Find("tote", 90.0)),
        ("find a tote within 2,5 minutes", Find("tote", 150.0)),
        ("find tote 7 within half a minute", Find("tote", 30.0)),
        ("find a tote on camera 1300", Find("tote")),  # the usual time is not said
        ("count the 12345 crates", Count("crate")),
    ],
)
def test_what_is_said_is_accepted(sentence, tool):
    check_numbers(sentence, (tool,))


@pytest.mark.parametrize(
    ("sentence", "tool", "says"),
    [
        ("follow object 12345", Follow(1234), "follow: the sentence does not say 1234, but 12345"),
        ("follow object 12345", Follow(12435), "does not say 12435"),
        ("اتبع الجسم ١٢٣٤٥", Follow(1234), "does not say 1234"),
        ("follow object 12345678", Follow(1234567), "does not say 1234567, but 12345678"),
        ("follow object 7 on camera 2", Follow(72), "does not say 72, but 7, 2"),
        ("find a person for 100000 seconds", Find("person", 1000.0), "does not say 1000"),
        ("find a person within 1200 minutes", Find("person", 120.0), "does not say 120"),
    ],
)
def test_what_is_not_said_is_refused(sentence, tool, says):
    with pytest.raises(UserError, match=says):
        check_numbers(sentence, (Count("crate"), tool))


@given(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_an_id_is_the_one_that_was_said(said, meant):
    if said == meant:
        check_numbers(f"follow {said}", (Follow(meant),))
    else:
        with pytest.raises(UserError):
            check_numbers(f"follow {said}", (Follow(meant),))


@given(st.text())
def test_any_sentence_is_judged(sentence):
    with contextlib.suppress(UserError):
        check_numbers(sentence, (Follow(3), Find("crate", 12.0)))
