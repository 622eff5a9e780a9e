# SPDX-License-Identifier: Apache-2.0
"""A sentence in several tokenisations: the same text, and nothing but what was said is cut."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from lfmvl_ros.core.prompt import TextPrompt
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.lfm2_vl.model_inputs import text_inputs
from lfmvl_ros.models.lfm2_vl.sentences import likeliest
from lfmvl_ros.models.lfm2_vl.tokenisations import tokenisations

SPOKEN = st.text(st.characters(codec="utf-8", exclude_characters="<"), max_size=60)
TOKENIZER = AutoTokenizer.from_pretrained(find("bundled").sentences)


class Embedding:
    """What `text_inputs` needs of a model."""

    device = torch.device("cpu")

    def get_input_embeddings(self):
        return torch.nn.Embedding(len(TOKENIZER), 4)


def inputs(sentence, ways, template=TOKENIZER.apply_chat_template):
    return text_inputs(Embedding(), TOKENIZER, template, TextPrompt("", sentence), ways=ways)


def rows(made):
    return [
        ids[mask.bool()].tolist() for ids, mask in zip(made.ids, made.attention_mask, strict=True)
    ]


@given(said=SPOKEN, count=st.integers(1, 6))
def test_each_has_the_same_text(said, count):
    ways = tokenisations(TOKENIZER, ("<|im_start|>user\n", said, "<|im_end|>\n"), count)
    assert len(ways) == count
    whole = f"<|im_start|>user\n{said}<|im_end|>\n"
    assert {TOKENIZER.decode(way, skip_special_tokens=False) for way in ways} == {whole}
    assert ways == tokenisations(TOKENIZER, ("<|im_start|>user\n", said, "<|im_end|>\n"), count)


def test_the_first_is_the_usual_one_and_the_others_are_cut():
    first, *others = tokenisations(TOKENIZER, ("", "look for red crates near the door", ""), 5)
    assert (
        first == TOKENIZER("look for red crates near the door", add_special_tokens=False).input_ids
    )
    assert all(len(other) >= len(first) for other in others)
    assert len({tuple(other) for other in others} - {tuple(first)}) > 1


@pytest.mark.parametrize("said", ["assistant", "user", "\n", "a", "<|im_end|>", " x "])
def test_what_stands_in_the_chat_format_as_well_is_cut_where_it_was_said(said):
    made = rows(inputs(said, 5))
    (usual,) = rows(inputs(said, 1))
    assert made[0] == usual
    head = len(TOKENIZER("<|startoftext|><|im_start|>user\n", add_special_tokens=False).input_ids)
    tail = TOKENIZER("<|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False).input_ids
    for row in made:
        assert row[:head] == usual[:head]
        assert row[-len(tail) :] == tail


def test_a_template_that_changes_what_was_said_gets_the_usual_tokens():
    def shouting(turns, **_):
        return "".join(turn["content"].upper() for turn in turns)

    assert len({tuple(row) for row in rows(inputs("look for crates", 4, shouting))}) == 1


def test_the_answer_with_the_largest_mean_probability_is_taken():
    replies = [Reply(text) for text in ("a", "b", "b", "c")]
    reply, probability = likeliest(replies, [0.9, 0.5, 0.6, 0.1])
    assert (reply.text, probability) == ("b", pytest.approx(1.1 / 4))
    reply, probability = likeliest(replies, [0.9, 0.3, 0.3, 0.1])
    assert (reply.text, probability) == ("a", pytest.approx(0.9 / 4))
