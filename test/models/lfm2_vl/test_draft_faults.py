# SPDX-License-Identifier: Apache-2.0
"""Drafts that have nothing to do with the model, the question or the tokens they meet."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.query import Query
from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend

LONG = GenerationSettings(max_new_tokens=60, timeout_s=300.0)
OTHER = '[{"label": "forklift", "bbox": [0.11, 0.22, 0.33, 0.44]}, {"label": "cone", "bbox": [0.5, 0.5, 0.6, 0.6]}]'  # noqa: E501


def ground(model, frames, prompts, **rest):
    replies = model.ground(frames, prompts, generation=LONG, image=ImageSettings(), **rest)
    assert [reply.error for reply in replies] == [None] * len(frames)
    return [[token.id for token in reply.tokens] for reply in replies]


def test_a_draft_from_another_query_about_the_same_frame(backend, plain, scenes):
    frames, prompts = scenes(1)
    other = backend.template.render(Query.parse("forklift, cone", version=2))
    for asked, before in ((prompts[0], OTHER), (other, "[]"), (other, OTHER)):
        hint = Hint.as_printed(before)
        assert ground(backend, frames, [asked], hints=[hint]) == ground(plain, frames, [asked])


def test_the_style_of_an_earlier_answer_of_another_query(backend, plain, scenes, monkeypatch):
    frames, prompts = scenes(1)
    for style in (OTHER, '{"objects": []}', "{", OTHER * 50):
        monkeypatch.setattr(backend, "_style", style)
        for hint in (None, Hint.as_printed("[]"), Hint.as_printed(OTHER)):
            assert ground(backend, frames, prompts, hints=[hint]) == ground(plain, frames, prompts)


@pytest.fixture(scope="module")
def odd(backend):
    """Another model and tokenizer: padded vocabulary, other ends, words of its own."""
    from lfmvl_warehouse.training.model.build import ModelShape, build_model, build_processor
    from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(["entirely", "different"], vocabulary=2400)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|box_start|>", "<|box_end|>"]})
    torch.manual_seed(11)
    shape = ModelShape(
        vision_width=64, vision_layers=1, text_width=64, text_layers="cac", text_ff=64
    )
    model = build_model(shape, vocabulary=len(tokenizer) + 61).eval()
    for name, weight in model.named_parameters():
        if weight.ndim >= 2 and ".layers." in name:
            torch.nn.init.normal_(weight, std=0.25)
    model.generation_config.eos_token_id = [2, len(tokenizer) - 1, 1500]

    def make(fast):
        return Lfm2VlBackend(
            copy.deepcopy(model), build_processor(tokenizer), name="odd",
            template=backend.template, use_runner=fast,
        )  # fmt: skip

    return make(True), make(False)


def test_other_special_tokens_and_a_padded_vocabulary(odd, scenes):
    fast, slow = odd
    assert 1500 in fast._end_ids
    width = fast._model.get_input_embeddings().weight.shape[0]
    assert width > len(fast._processor.tokenizer)
    for seed in range(3):
        frames, prompts = scenes(2, seed)
        expected = [ground(slow, [f], [p])[0] for f, p in zip(frames, prompts, strict=True)]
        texts = ["".join(fast._texts.split(ids)) for ids in expected]
        for hints in (
            [Hint.as_printed(text) for text in texts],
            [Hint.as_printed("<|box_start|>0.12<|box_end|>"), Hint.as_printed(OTHER)],
        ):
            assert ground(fast, frames, prompts, hints=hints) == expected


def test_the_model_is_swapped_between_two_answers(backend, plain, odd, scenes):
    """Hints and words of one model reach the other, in both directions."""
    frames, prompts = scenes(1)
    fast, slow = odd
    first = ground(backend, frames, prompts)[0]
    hint = Hint.as_printed("".join(backend._texts.split(first)))
    second = ground(fast, frames, prompts, hints=[hint])
    assert second == ground(slow, frames, prompts)
    back = Hint.as_printed("".join(fast._texts.split(second[0])))
    assert ground(backend, frames, prompts, hints=[back]) == ground(plain, frames, prompts)


def test_boxes_of_a_draft_out_of_this_world(backend, plain, scenes):
    frames, prompts = scenes(1)
    expected = ground(plain, frames, prompts)
    for value in (-1e9, 0.0, 1e-12, 1e18):
        hint = replace(Hint.as_printed(OTHER), boxes=np.full((2, 4), value))
        assert ground(backend, frames, prompts, hints=[hint]) == expected
