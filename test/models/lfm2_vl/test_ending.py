# SPDX-License-Identifier: Apache-2.0
"""Answers end where they are over: at the same token with drafts, without, and in `generate`."""

import pytest
import torch

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd

LONG = GenerationSettings(max_new_tokens=400, timeout_s=300.0)
BOX = '{"label": "red tote", "bbox": [0.12, 0.34, 0.56, 0.78]}'


@pytest.fixture(scope="module")
def stuck(backend):
    """Fresh weights: the tied embedding outweighs the layers, so each token repeats itself."""
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend
    from lfmvl_warehouse.training.model.build import ModelShape, build_model

    torch.manual_seed(5)
    shape = ModelShape(
        vision_width=64, vision_layers=1, text_width=64, text_layers="ca", text_ff=64
    )
    model = build_model(shape, vocabulary=len(backend._processor.tokenizer)).eval()
    return [
        Lfm2VlBackend(
            model, backend._processor, name="stuck", template=backend.template, use_runner=fast
        )
        for fast in (True, False)
    ]


def ground(model, frames, prompts, **rest):
    return model.ground(frames, prompts, generation=LONG, image=ImageSettings(), **rest)


def test_a_model_that_repeats_itself_is_stopped_alike_everywhere(stuck, scenes):
    fast, slow = stuck
    frames, prompts = scenes(2)
    for frame, prompt in zip(frames, prompts, strict=True):
        (plain,), (alone,) = ground(slow, [frame], [prompt]), ground(fast, [frame], [prompt])
        assert plain.finish is alone.finish is FinishReason.REPETITION
        assert len(alone.tokens) < 200
        assert plain.tokens[-1].id == alone.tokens[-1].id
        (drafted,) = ground(fast, [frame], [prompt], hints=[Hint.as_printed(alone.text)])
        ids = [token.id for token in alone.tokens]
        assert [token.id for token in plain.tokens] == ids == [t.id for t in drafted.tokens]
        assert parse_reply(alone, frame=frame, prompt=prompt).outcome.value == "unparseable"


def test_rows_of_a_batch_are_stopped_each_by_itself(stuck, scenes):
    frames, prompts = scenes(3)
    for model in stuck:
        for frame, prompt, together in zip(
            frames, prompts, ground(model, frames, prompts), strict=True
        ):
            (alone,) = ground(model, [frame], [prompt])
            assert [t.id for t in together.tokens] == [t.id for t in alone.tokens]
            assert together.finish is FinishReason.REPETITION


def ids_of(backend, text):
    return backend._processor.tokenizer.encode(text, add_special_tokens=False)


@pytest.mark.parametrize("block", [1, 7, 64])
def test_words_behind_the_list_and_blocks_of_any_size(backend, block):
    ids = ids_of(backend, f"[{BOX}]\n\nThe image shows a red tote on the floor.")
    end = AnswerEnd((7,), 512, backend._texts.text)
    taken = 0
    while not end.add(ids[taken : taken + block]):
        taken += block
    assert end.finish is FinishReason.STOP
    assert "".join(backend._texts.split(ids[: end.keep])) == f"[{BOX}]"


def test_limits_and_end_tokens(backend):
    ids = ids_of(backend, f"[{BOX}]")
    end = AnswerEnd((7,), 512, backend._texts.text)
    assert not end.add(ids)
    assert end.add([7, 11, 12])
    assert (end.finish, end.keep) == (FinishReason.STOP, len(ids) + 1)
    short = AnswerEnd((7,), 5, backend._texts.text)
    assert short.add(ids)
    assert (short.finish, short.keep) == (FinishReason.LENGTH, 5)
