# SPDX-License-Identifier: Apache-2.0
"""The grammars of tool calls against the code that reads calls."""

from __future__ import annotations

import random

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


CALLS = [
    'look_for(labels=["red crate", "person"])',
    "find(label='a', timeout_s=3.5)",
    'stop_looking(), drive(to="door", twice=True, by=None)',
    " follow( id=3 ) ,\n count(label='\u00dcber'),",
    'describe(\n    camera="rear"\n)',
    "look_for(\n\tlabels=[\n        'crate',\n    ],\n)",
    'stop_looking("crate")',
    'count("red crate")',
    ", ".join(["stop_looking()"] * 9),
    "follow(id=12345678901), find('x', timeout_s=1e3), find('y', 2.5e-1)",
    f"look_for(labels={[str(n) for n in range(40)]})",
    r"count(label='it\'s <5 kg')",
]
"""Each is read as calls; some of these are refused later: too many, or wrong arguments."""


@pytest.mark.parametrize("text", CALLS)
@pytest.mark.parametrize("syntax", FORMS)
def test_all_that_is_read_is_allowed(tokenizer, grammars, syntax, text):
    form = FORMS[syntax]
    for inner in (f"[{text}]", *([text] if text[-1] == ")" and "), " not in text else [])):
        whole = f"{form.begin}{inner}{form.end} Done."
        assert read_calls(whole).calls
        assert allowed(tokenizer, grammars, syntax, whole)


@pytest.mark.parametrize(
    "inner",
    [
        "<function=count><parameter=label>a crate</parameter></function>",
        "\n<function=stop_looking>\n</function>\n",
        "<function=count><parameter=label>\na < b\n</parameter>\n</function>",
        '{"name": "count", "arguments": {"label": "crate", "n": [1, 2.5e3, true, null]}}',
        '[{"name": "stop_looking", "arguments": {}}]',
    ],
)
@pytest.mark.parametrize("syntax", FORMS)
def test_other_families_calls_are_allowed_too(tokenizer, grammars, syntax, inner):
    whole = f"{FORMS[syntax].begin}{inner}{FORMS[syntax].end}"
    assert read_calls(whole).calls
    assert allowed(tokenizer, grammars, syntax, whole)


@pytest.mark.parametrize("text", ["I can't do that.", "<think>[a (b]</think> No."])
@pytest.mark.parametrize("syntax", FORMS)
def test_words_without_a_call_are_free(tokenizer, grammars, syntax, text):
    assert allowed(tokenizer, grammars, syntax, text)


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("lfm2", f"{START}[look_for(labels=)]{STOP}"),
        ("lfm2", f"{START}look_for(labels=[]{STOP}"),
        ("lfm2", f'{START}[find(label="a<|im_end|>")]{STOP}'),
        ("lfm2.5", f"{START}[stop_looking()"),
        ("lfm2.5", f"{START}There is no tool for that.{STOP}"),
        ("lfm3", "<tool_call>count(</tool_call>"),
        ("lfm3", "<tool_call><function=count>"),
    ],
)
def test_half_a_call_is_not(tokenizer, grammars, syntax, text):
    assert not allowed(tokenizer, grammars, syntax, text)


CLOSING = "\"'])}(|=<>/:"


def write(mask: GrammarMask, tokenizer, chance: random.Random, syntax: str) -> str:
    """Return a call of tokens drawn among those allowed, often of those that close something."""
    begin, closers = FORMS[syntax].begin, set(CLOSING)
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


HALF = ("ends where", "does not end", "pairs", "follows")
"""What read_calls says of brackets, quotes and markers that don't close."""


@pytest.mark.parametrize("syntax", FORMS)
def test_what_is_written_closes(tokenizer, grammars, syntax):
    chance, ended = random.Random(syntax), 0
    for _ in range(60):
        text = write(grammars.mask_of_form(FORMS[syntax]), tokenizer, chance, syntax)
        ended += bool(text)
        problem = read_calls(text).problem if text else ""
        assert not any(words in problem for words in HALF), (text, problem)
    assert ended > 20
