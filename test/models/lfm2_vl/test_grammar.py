# SPDX-License-Identifier: Apache-2.0
"""The grammar of answers: whatever the weights say, a list of the labels asked for."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import CARD_TEMPLATE, COOKBOOK_TEMPLATE, PromptTemplate
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.lfm2_vl.grammar import AnswerGrammars, keys_of

ON = GenerationSettings(max_new_tokens=100, grammar="always", timeout_s=300.0)


def ground(model, frames, prompts, generation=ON, **rest):
    return model.ground(frames, prompts, generation=generation, image=ImageSettings(), **rest)


def test_a_missing_package_is_an_error_reply_that_says_what_to_do(backend, scenes, monkeypatch):
    monkeypatch.setitem(sys.modules, "xgrammar", None)
    monkeypatch.setattr(backend, "_own_grammars", None)
    (reply,) = ground(backend, *scenes(1))
    assert reply.finish is FinishReason.ERROR
    assert "pip install --no-deps xgrammar" in reply.error
    assert "generation.grammar to none" in reply.error


def test_keys_come_from_the_prompt():
    other = PromptTemplate("x", 'Find {query}: [{"box_2d": [x1, y1, x2, y2], "name": str}]', 0)
    query = Query.parse("tote")
    assert keys_of(CARD_TEMPLATE.render(query)) == ("label", "bbox")
    assert keys_of(COOKBOOK_TEMPLATE.render(query)) == ("label", "bbox")
    assert keys_of(replace(CARD_TEMPLATE.render(query), text="boxes, please")) == ("label", "bbox")
    assert keys_of(other.render(query)) == ("box_2d", "name")


@pytest.fixture(scope="module")
def grammars(backend):
    pytest.importorskip("xgrammar")
    tokenizer = backend._processor.tokenizer
    return AnswerGrammars(tokenizer, len(tokenizer), backend._end_ids)


def allowed(backend, grammars, query, text, decimals=2):
    """Whether each token of ``text`` and then the end may follow."""
    prompt = replace(CARD_TEMPLATE.render(Query.parse(query)), decimals=decimals)
    ids = [*backend._processor.tokenizer.encode(text, add_special_tokens=False), 7]
    logits = torch.zeros(len(ids) + 1, len(backend._processor.tokenizer))
    rows = grammars.mask(prompt).after(logits, ids)
    return len(rows) == len(ids) + 1 and all(
        row[token] == 0 for row, token in zip(rows, ids, strict=False)
    )


GOOD = '[{"label": "red tote", "bbox": [0.12, 0.34, 0.5, 1.00]}]'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "[]",
        "[ ]",
        GOOD.replace(" ", "").replace("redtote", "red tote"),
        json.dumps(json.loads(GOOD), indent=4),
        GOOD[:-1] + ", " + GOOD[1:].replace("red tote", "Größe"),
        GOOD.replace("0.12", "0.123"),
    ],
)
def test_answers_in_any_spacing_are_allowed(backend, grammars, text):
    assert allowed(backend, grammars, "red tote, Größe", text)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("red tote", "blue tote"),
        GOOD.replace("0.12", "1.12"),
        GOOD.replace("0.12, ", ""),
        GOOD.replace("bbox", "box"),
        GOOD[:-1],
        GOOD[:-1] + ",]",
        GOOD + " and more",
        "There is nothing.",
        "",
    ],
)
def test_anything_else_is_not(backend, grammars, text):
    assert not allowed(backend, grammars, "red tote, Größe", text)


def test_labels_with_quotes_and_integer_grids(backend, grammars):
    text = json.dumps([{"label": 'a "b" \\ {c}', "bbox": [1, 22, 333, 1000]}])
    assert allowed(backend, grammars, 'a "b" \\ {c}', text, decimals=0)


@pytest.mark.parametrize("penalty", [1.0, 1.2])
@pytest.mark.parametrize("seed", range(2))
def test_with_drafts_and_in_batches_as_generate(backend, plain, scenes, seed, penalty):
    pytest.importorskip("xgrammar")
    generation = replace(ON, repetition_penalty=penalty)
    frames, prompts = scenes(3, seed)
    expected = [
        ground(plain, [frame], [prompt], generation)[0]
        for frame, prompt in zip(frames, prompts, strict=True)
    ]
    assert [reply.error for reply in expected] == [None] * 3
    right = [Hint.as_printed(reply.text) for reply in expected]
    wrong = [Hint.as_printed("no JSON"), Hint(GOOD, np.ones((1, 4))), *right[:1]]
    for hints in ((), right, wrong):
        replies = ground(backend, frames, prompts, generation, hints=hints)
        for reply, one in zip(replies, expected, strict=True):
            assert [t.id for t in reply.tokens] == [t.id for t in one.tokens]
            assert reply.finish is one.finish
            assert all(token.logprob <= 0 for token in reply.tokens)
    batch = ground(plain, frames, prompts, replace(generation, repetition_penalty=1.0))
    if penalty == 1.0:
        assert [reply.text for reply in batch] == [reply.text for reply in expected]


@pytest.mark.parametrize("seed", range(3))
def test_random_weights_write_nothing_but_the_list(backend, scenes, seed):
    pytest.importorskip("xgrammar")
    hot = replace(ON, temperature=1.5, min_p=0.0)
    frames, prompts = scenes(2, seed)
    torch.manual_seed(seed)
    for frame, prompt, reply in zip(
        frames, prompts, ground(backend, frames, prompts, hot), strict=True
    ):
        grounding = parse_reply(reply, frame=frame, prompt=prompt)
        assert not grounding.unknown_labels
        if reply.finish is FinishReason.STOP:
            items = json.loads(reply.text)
            assert {item["label"] for item in items} <= set(prompt.query.labels)
