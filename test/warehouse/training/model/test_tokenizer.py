# SPDX-License-Identifier: Apache-2.0
"""The tokenizer has LFM2's layout: ids, number groups, any text comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_warehouse.training.model import tokenizer as layout


def pieces(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False)
    return [tokenizer.decode([one]) for one in ids]


def test_special_tokens_have_the_ids_of_lfm2_vl(tokenizer):
    expected = {
        "<|pad|>": 0,
        "<|startoftext|>": 1,
        "<|endoftext|>": 2,
        "<|im_start|>": 6,
        "<|im_end|>": 7,
        "<image>": 396,
        "<|img_row_1_col_1|>": 397,
        "<|img_row_10_col_10|>": 496,
        "<|img_thumbnail|>": 497,
        "<|image_start|>": 498,
        "<|image_end|>": 499,
    }
    assert {name: tokenizer.convert_tokens_to_ids(name) for name in expected} == expected
    assert len(set(layout.special_tokens())) == 500
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 7, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.37", ["0", ".", "37"]),
        ("1.00", ["1", ".", "00"]),
        ("0.523", ["0", ".", "523"]),
        ("123456", ["123", "456"]),
        ("x1", ["x", "1"]),
    ],
)
def test_numbers_are_cut_into_groups_of_up_to_three_digits(tokenizer, text, expected):
    assert pieces(tokenizer, text) == expected


def test_an_object_costs_what_it_costs_the_real_model(tokenizer):
    one = '{"label": "red tote", "bbox": [0.37, 0.00, 0.80, 0.99]}'
    lengths = [len(pieces(tokenizer, f"[{', '.join([one] * n)}]")) for n in (4, 5)]
    assert 25 <= lengths[1] - lengths[0] <= 31


def test_the_prompt_is_made_of_words(tokenizer):
    text = CARD_TEMPLATE.text.replace("{query}", "red tote, person")
    assert len(pieces(tokenizer, text)) < 60


@given(st.text(max_size=60))
def test_any_text_comes_back(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_control_tokens_are_single_tokens(tokenizer):
    assert tokenizer.encode("<|im_end|>", add_special_tokens=False) == [layout.IM_END_ID]


def test_pair_ids_are_the_hundred_two_digit_tokens(tokenizer):
    ids = layout.pair_ids(tokenizer)
    assert [tokenizer.decode([one]) for one in ids] == [f"{value:02d}" for value in range(100)]


def test_learning_it_again_gives_the_same_tokenizer(tokenizer):
    again = layout.build_tokenizer(["tote", "red tote"])
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def test_a_vocabulary_without_room_for_the_numbers_is_refused():
    with pytest.raises(ValueError, match="no room"):
        layout.build_tokenizer(vocabulary=1000)
