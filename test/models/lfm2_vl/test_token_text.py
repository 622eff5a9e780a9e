# SPDX-License-Identifier: Apache-2.0
"""Token texts join to the answer exactly, whatever bytes the tokens hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from lfmvl_ros.models.lfm2_vl.token_text import TokenTexts, byte_alphabet

from ...examples import examples


@pytest.fixture(scope="module")
def tokenizer():
    from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

    return build_tokenizer(["red tote"])


def test_alphabet_is_that_of_the_tokenizers_library():
    table = byte_alphabet()
    assert set(table) == set(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(table.values()) == list(range(256))


def test_a_character_belongs_to_the_token_that_completes_it(tokenizer):
    ids = tokenizer.encode("ö人🤖", add_special_tokens=False)
    texts = TokenTexts(tokenizer).split(ids)
    assert "".join(texts) == "ö人🤖"
    assert "" in texts
    assert [text for text in texts if text] == ["ö", "人", "🤖"]


def test_control_tokens_say_nothing(tokenizer):
    texts = TokenTexts(tokenizer)
    for control in ("<|im_end|>", "<image>", "<|img_row_1_col_1|>", "<|reserved_9|>", "<|pad|>"):
        id_ = tokenizer.convert_tokens_to_ids(control)
        assert texts.split([id_]) == [""]
        assert id_ in texts.control_ids
    assert texts.split([]) == []


def test_ids_beyond_the_vocabulary_say_nothing(tokenizer):
    assert TokenTexts(tokenizer).split([len(tokenizer) + 3]) == [""]


@examples(200)
@given(text=st.text(max_size=40))
def test_texts_join_to_what_was_written(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False)
    texts = TokenTexts(tokenizer)
    if not texts.control_ids & set(ids):
        assert "".join(texts.split(ids)) == text


@examples(200)
@given(ids=st.lists(st.integers(0, 2300), max_size=30))
def test_any_tokens_decode_as_the_library_decodes_them(tokenizer, ids):
    joined = "".join(TokenTexts(tokenizer).split(ids))
    assert joined == tokenizer.decode(
        ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
