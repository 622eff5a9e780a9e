# SPDX-License-Identifier: Apache-2.0
"""Boxes that a model tries out while it thinks are not its answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.parsing.thoughts import thought_tokens, without_thoughts
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason, Reply, Token

FRAME = Frame(np.zeros((100, 100, 3), np.uint8), 1)
PROMPT = CARD_TEMPLATE.render(Query.parse("person"))
TRIED = '[{"label": "person", "bbox": [0.1, 0.1, 0.5, 0.5]}]'
MEANT = '[{"label": "person", "bbox": [0.6, 0.6, 0.9, 0.9]}]'


def parsed(text, finish=FinishReason.STOP):
    return parse_reply(Reply(text, finish=finish), frame=FRAME, prompt=PROMPT)


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{TRIED}</think>{MEANT}",
        f"<think>\nperhaps {TRIED}, no\n</think>\n\n{MEANT}",
        f"perhaps {TRIED}</think>{MEANT}",  # the template has opened the thought
        f"<THINKING>{TRIED}</THINKING> {MEANT}",
        f"<think>a<think>{TRIED}</think>{MEANT}",
        f"{MEANT}<think>{TRIED}",
        f"<think></think>{MEANT}",
    ],
)
def test_only_what_is_said_counts(text):
    found = parsed(text)
    assert found.outcome is Outcome.REPAIRED
    assert found.repairs[0] == "thoughts were left out"
    assert found.detections.xyxy_px.round(6).tolist() == [[60.0, 60.0, 90.0, 90.0]]


def test_nothing_after_a_thought():
    assert parsed(f"<think>{TRIED}</think>[]").outcome is Outcome.EMPTY
    for finish in (FinishReason.STOP, FinishReason.LENGTH):
        found = parsed(f"<think>{TRIED}", finish)
        assert (found.outcome, len(found.detections)) == (Outcome.UNPARSEABLE, 0)
        assert found.rejected == ("the answer: it has thoughts only, and no answer",)
    assert parsed(f"<think>{TRIED}", FinishReason.DEADLINE).outcome is Outcome.TIMEOUT


PIECES = st.sampled_from(["<think>", "</think>", "<Thinking>", "</thinking>", "[1]", " ", "<", "é"])


@given(st.lists(PIECES, max_size=12).map("".join))
def test_offsets_stay_and_nothing_is_invented(text):
    kept = without_thoughts(text)
    assert len(kept) == len(text)
    assert all(new in (old, " ") for new, old in zip(kept, text, strict=True))
    assert without_thoughts(kept) == kept
    if "think" not in text.lower():
        assert kept == text


def spelled(*texts):
    return tuple(Token(place, text, -0.1) for place, text in enumerate(texts))


def test_tokens_of_thoughts_are_counted():
    tokens = spelled("<", "think", ">", "hm", " [1]", "</think>", "\n", MEANT)
    reply = Reply("".join(token.text for token in tokens), tokens)
    found = parse_reply(reply, frame=FRAME, prompt=PROMPT)
    assert found.thought_tokens == 6
    assert found.to_dict()["thought_tokens"] == 6
    assert parsed(MEANT).thought_tokens == 0


@given(st.lists(PIECES, max_size=12))
def test_counted_tokens_are_those_that_are_blanked(pieces):
    text = "".join(pieces)
    kept, place, blanked = without_thoughts(text), 0, 0
    for piece in pieces:
        after = place + len(piece)
        blanked += kept[place:after] != text[place:after]
        place = after
    # A blank within a thought looks as it did before.
    assert blanked <= thought_tokens(text, spelled(*pieces)) <= blanked + pieces.count(" ")
