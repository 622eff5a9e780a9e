# SPDX-License-Identifier: Apache-2.0
"""The JSON of topic ``grounding``, held to ``data/grounding.golden.json``, and the outcomes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.latency.budget import Because, Choice
from lfmvl_ros.core.latency.ladder import ladder
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason, Reply, StageTimes, Token

from .replies import frame_of, parse

GOLDEN = Path(__file__).parents[1] / "data" / "grounding.golden.json"


def answered() -> Grounding:
    text = (
        '{"objects": [{"label": "person", "bbox": [0.10, 0.20, 0.30, 0.40]}, '
        '{"label": "forklift", "bbox": [0.5, 0.5, 1.02, 0.8]}, {"label": "person"}], '
        '"global_caption": "a person beside a forklift"}'
    )
    cut = text.index("person")
    tokens = (
        Token(1, text[:cut], 0.0),
        Token(2, "person", float(np.log(0.875))),
        Token(3, text[cut + 6 :], 0.0),
    )
    times = StageTimes(0.001, 0.0202, 0.03, 0.4)
    reply = Reply(text, tokens, times=times, image_tokens=252, model="lfm2-vl-tiny", forwards=2)
    prompt = CARD_TEMPLATE.render(Query.parse("person, red tote", version=3))
    rung = ladder(((640, 480),), ImageTokenSettings())[-1]
    budget = Choice(rung, 0.5, 0.43, 0.4805, Because.FITS)
    grounding = parse_reply(reply, frame=frame_of(), prompt=prompt)
    return replace(grounding, budget=budget, revision="7" * 40)


def test_json_is_the_golden_one() -> None:
    document = answered().to_dict(ids=("t7", ""))
    assert document == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_json_of_a_failure() -> None:
    prompt = CARD_TEMPLATE.render(Query.parse("person"))
    failed = Reply.failed("the model ran out of memory", "tiny")
    document = parse_reply(failed, frame=frame_of(), prompt=prompt).to_dict()
    assert document["status"] == "error"
    assert document["error"] == "the model ran out of memory"
    assert document["objects"] == []
    assert document["latency_budget"] is None


def test_keys_are_the_same_whatever_the_outcome() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for text in ("[]", "what?", '[{"label": "person", "bbox": [0, 0, 1, 1]}]'):
        assert parse(text).to_dict().keys() == golden.keys()


def test_ids_are_left_out_where_nothing_is_tracked() -> None:
    assert all("id" not in item for item in answered().to_dict()["objects"])


def test_stamp_is_that_of_the_frame() -> None:
    assert answered().to_dict()["stamp"] == {"sec": 1, "nanosec": 500_000_000}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_what_is_evidence(outcome: Outcome) -> None:
    says_something = outcome not in (Outcome.UNPARSEABLE, Outcome.TIMEOUT, Outcome.ERROR)
    assert outcome.is_evidence == says_something
    assert outcome.is_evidence_of_absence == (says_something and outcome is not Outcome.TRUNCATED)


def test_an_error_is_not_read_as_text() -> None:
    reply = Reply("[]", finish=FinishReason.ERROR, error="the connection broke")
    prompt = CARD_TEMPLATE.render(Query.parse("person"))
    assert parse_reply(reply, frame=frame_of(), prompt=prompt).outcome is Outcome.ERROR
