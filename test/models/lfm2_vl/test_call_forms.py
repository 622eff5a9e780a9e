# SPDX-License-Identifier: Apache-2.0
"""The grammars of tool calls against the code that reads calls."""

from __future__ import annotations

import keyword
import random
import re

import pytest
import torch
from transformers import AutoTokenizer

from lfmvl_ros.core.commands.call_forms import FORMS
from lfmvl_ros.core.commands.offering import SYNTAXES
from lfmvl_ros.core.commands.reading import read_calls
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.lfm2_vl.grammar import AnswerGrammars, GrammarMask

START, STOP = "<|tool_call_start|>", "<|tool_call_end|>"


@pytest.fixture(scope="module")
def tokenizer():
    """One that has the markers of calls as tokens."""
    return AutoTokenizer.from_pretrained(find("bundled").sentences)


@pytest.fixture(scope="module")
def grammars(tokenizer):
    pytest.importorskip("xgrammar")
    return AnswerGrammars(tokenizer, len(tokenizer), [tokenizer.eos_token_id])


def allowed(tokenizer, grammars, syntax, text):
    """Whether each token of ``text`` and then the end may follow."""
    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    logits = torch.zeros(len(ids) + 1, len(tokenizer))
    rows = grammars.mask_of_form(FORMS[syntax]).after(logits, ids)
    return len(rows) == len(ids) + 1


def test_every_family_has_one():
    assert {*FORMS, "learned"} == set(SYNTAXES)


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("lfm2", "I can't do that."),
        ("lfm2", f'{START}[look_for(labels=["red crate", "person"])]{STOP}'),
        ("lfm2.5", f"<think>[a (b]</think>{START}[find(label='a', timeout_s=3.5)]{STOP}Looking."),
        ("lfm2.5", f'{START}[stop_looking(), drive(to="door", twice=True, by=None)]{STOP}'),
        ("lfm2", f"{START}[ follow( id=3 ) ,\n count(label='\u00dcber')]{STOP}"),
        ("lfm3", "<tool_call><function=find><parameter=label>a</parameter></function></tool_call>"),
        ("lfm3", "<tool_call>\n<function=stop_looking>\n</function>\n</tool_call> Done."),
    ],
)  # fmt: skip
def test_calls_and_words_are_allowed(tokenizer, grammars, syntax, text):
    assert allowed(tokenizer, grammars, syntax, text)
    assert START not in text or read_calls(text).calls


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("lfm2", f"{START}[look_for(labels=)]{STOP}"),
        ("lfm2", f"{START}look_for(labels=[]){STOP}"),
        ("lfm2", f'{START}[find(label="a<|im_end|>")]{STOP}'),
        ("lfm2.5", f"{START}[stop_looking()"),
        ("lfm2.5", f"{START}There is no tool for that.{STOP}"),
        ("lfm3", "<tool_call>count()</tool_call>"),
        ("lfm3", "<tool_call><function=count>"),
    ],
)
def test_half_a_call_is_not(tokenizer, grammars, syntax, text):
    assert not allowed(tokenizer, grammars, syntax, text)


CLOSING = {"lfm2": "\"'])(|=", "lfm2.5": "\"'])(|=", "lfm3": "<>/"}


def write(mask: GrammarMask, tokenizer, chance: random.Random, syntax: str) -> str:
    """Return a call of tokens drawn among those allowed, often of those that close something."""
    begin, closers = FORMS[syntax].begin, set(CLOSING[syntax])
    ids = tokenizer.encode(begin, add_special_tokens=False)
    mask.add(ids)
    end = tokenizer.eos_token_id
    while len(ids) < 400:
        row = mask.after(torch.zeros(1, len(tokenizer)), [])[0]
        possible = torch.nonzero(row == 0).flatten().tolist()
        if end in possible:
            return tokenizer.decode(ids, skip_special_tokens=False)
        closing = [i for i in possible if set(tokenizer.decode([i])) & closers]
        ids.append(chance.choice(closing if closing and chance.random() < 0.7 else possible))
        mask.add(ids[-1:])
    return ""


@pytest.mark.parametrize("syntax", FORMS)
def test_whatever_is_allowed_is_well_formed(tokenizer, grammars, syntax):
    """But for names: the grammar knows no keywords, and not which arguments were given."""
    chance, ended = random.Random(syntax), 0
    for _ in range(60):
        text = write(grammars.mask_of_form(FORMS[syntax]), tokenizer, chance, syntax)
        ended += bool(text)
        reading = read_calls(text) if text else None
        if reading is not None and not reading.calls:
            keywords = [word for word in re.findall(r"\w+", text) if keyword.iskeyword(word)]
            assert keywords or "appears twice" in reading.problem, (text, reading.problem)
    assert ended > 20
