# SPDX-License-Identifier: Apache-2.0
"""Words of other languages: whole tokens, near what they translate, also in a run resumed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from lfmvl_warehouse.scenes import KINDS, TRANSLATIONS
from lfmvl_warehouse.training.model.words import (
    known_languages,
    own_names,
    pieces_of,
    start_words,
    widened,
    with_words,
)

LANGUAGES = {
    "es": {"tote": "cubeta", "crate": "caja de madera"},
    "ja": {"tote": "コンテナ", "crate": "木箱"},
}


@pytest.fixture(scope="module")
def grown(tokenizer):
    return with_words(tokenizer, LANGUAGES)


def test_every_kind_has_one_name_of_its_own_in_every_language():
    for language, names in TRANSLATIONS.items():
        assert tuple(names) == KINDS, language
        assert len(set(names.values())) == len(KINDS), language
        assert all(name == name.strip() and "," not in name for name in names.values())


@pytest.mark.parametrize("text", ["cubeta", " cubeta", "コンテナ", " 木箱", " madera"])
def test_a_word_is_one_token_and_comes_back(grown, text):
    ids = grown.encode(text, add_special_tokens=False)
    assert len(ids) == 1
    assert grown.decode(ids) == text


def test_words_inside_a_prompt_and_an_answer_are_the_same_tokens(grown):
    prompt = grown.encode("Detect all instances of: cubeta, コンテナ.", add_special_tokens=False)
    answer = grown.encode('[{"label": "コンテナ", "bbox"', add_special_tokens=False)
    assert {*grown.encode(" cubeta", add_special_tokens=False)} <= {*prompt}
    assert {*grown.encode("コンテナ", add_special_tokens=False)} <= {*answer}


def test_known_tokens_keep_their_ids(tokenizer, grown):
    before, after = tokenizer.get_vocab(), grown.get_vocab()
    assert all(after[token] == number for token, number in before.items())
    assert len(grown) > len(tokenizer)
    assert grown.chat_template == tokenizer.chat_template
    assert grown.all_special_tokens == tokenizer.all_special_tokens


@given(st.text(max_size=40).filter(lambda text: not set(text) & set("<>|")))
def test_any_text_still_comes_back(grown, text):
    backend = grown.backend_tokenizer
    assert backend.decode(backend.encode(text, add_special_tokens=False).ids) == text


def test_no_languages_no_change(tokenizer):
    assert with_words(tokenizer, {}) is tokenizer
    grown = with_words(tokenizer, LANGUAGES)
    assert with_words(grown, LANGUAGES) is grown


def test_it_speaks_the_languages_of_which_it_has_every_word(tokenizer, grown):
    more = {**LANGUAGES, "de": {"tote": "Behälter"}}
    assert known_languages(grown, more) == ["es", "ja"]
    assert known_languages(tokenizer, more) == []


def test_a_word_starts_nearest_to_what_it_translates(tokenizer, grown):
    torch.manual_seed(0)
    table = torch.nn.Embedding(len(grown) + 9, 128)
    before = table.weight.detach().clone()
    start_words(table, grown, tokenizer, LANGUAGES)
    assert torch.equal(table.weight[: len(tokenizer)], before[: len(tokenizer)])

    def row(text):
        (number,) = grown.encode(text, add_special_tokens=False)
        return table.weight[number]

    (tote,) = tokenizer.encode(" tote", add_special_tokens=False)
    likeness = F.cosine_similarity(row(" cubeta")[None], table.weight[: len(tokenizer)])
    assert int(likeness.argmax()) == tote
    assert not torch.equal(row(" cubeta"), row(" コンテナ"))  # or nothing could tell them apart


def test_a_word_of_two_names_starts_between_them(tokenizer):
    names = {"hand truck": "carretilla de mano", "forklift": "carretilla elevadora"}
    words = pieces_of(tokenizer, {"es": names})["es"]
    assert words["carretilla"] == words["Ġcarretilla"] == {"hand truck", "forklift"}
    assert words["Ġmano"] == {"hand truck"}
    assert "mano" not in words  # it never begins a label


def test_names_of_own_images_become_words_cut_as_the_tokenizer_cuts(tokenizer):
    names = own_names([("Kommissionierwagen", "Hard_Hat", "Typ 12")])
    grown = with_words(tokenizer, names)
    for text, count in (("Kommissionierwagen", 1), (" Hard_Hat", 2), ("Typ 12", 3)):
        ids = grown.encode(text, add_special_tokens=False)
        assert len(ids) == count, text
        assert grown.decode(ids) == text
    table = torch.nn.Embedding(len(grown), 16)
    start_words(table, grown, tokenizer, names)
    pieces = tokenizer.encode("Kommissionierwagen", add_special_tokens=False)
    (row,) = grown.encode("Kommissionierwagen", add_special_tokens=False)
    apart = (table.weight[row] - table.weight[pieces].mean(0)).norm()
    assert 0 < apart < 2 * table.weight[: len(tokenizer)].std() * 16**0.5


def test_saved_rows_are_kept_and_new_ones_are_the_models_own():
    own = {"table": torch.ones(5, 2), "matrix": torch.ones(3, 3)}
    wide = widened({"table": torch.zeros(3, 2), "matrix": torch.zeros(3, 3)}, own)
    assert wide["table"].tolist() == [[0, 0]] * 3 + [[1, 1]] * 2
    assert torch.equal(wide["matrix"], torch.zeros(3, 3))
