# SPDX-License-Identifier: Apache-2.0
"""The direct runner writes what `generate` writes, and can go back."""

import pytest
import torch

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.models.runner import Lfm2Runner

LONG = GenerationSettings(max_new_tokens=60)


@pytest.mark.parametrize("seed", range(8))
def test_token_for_token_as_generate(backend, plain, scenes, seed):
    for frame, prompt in zip(*scenes(5, seed), strict=True):
        (fast,), (slow,) = (
            model.ground([frame], [prompt], generation=LONG, image=ImageSettings())
            for model in (backend, plain)
        )
        assert [token.id for token in fast.tokens] == [token.id for token in slow.tokens]
        assert (fast.text, fast.finish) == (slow.text, slow.finish)
        assert (
            max(abs(a.logprob - b.logprob) for a, b in zip(fast.tokens, slow.tokens, strict=True))
            < 1e-3
        )


@pytest.fixture
def ids():
    return torch.randint(500, 2000, (300,), generator=torch.Generator().manual_seed(5))


@pytest.fixture
def expected(plain, ids):
    with torch.inference_mode():
        return plain._model(input_ids=ids[None]).logits[0].float()


def test_any_split_into_appends_gives_the_same_logits(plain, ids, expected):
    runner = Lfm2Runner(plain._model)
    for sizes in ([300], [1] * 40, [7, 1, 1, 32, 3, 200, 56], [250, 10]):
        runner.length = 0
        start = 0
        for size in sizes:
            logits = runner.append(ids[start : start + size])
            assert logits.shape == (size, expected.shape[1])
            assert torch.allclose(logits, expected[start : start + size], atol=1e-3)
            start += size
        assert runner.length == start


def test_going_back_forgets(plain, ids, expected):
    runner = Lfm2Runner(plain._model)
    runner.append(ids[:100])
    other = torch.flip(ids, [0])
    for _ in range(3):
        runner.append(other[:37])
        runner.length -= 37
    for wrong in (1, 2, 5):
        runner.append(other[:wrong])
        runner.length -= wrong
        logits = runner.append(ids[runner.length : runner.length + 4])
        assert torch.allclose(logits, expected[runner.length - 4 : runner.length], atol=1e-3)


def test_last_rows_and_embeddings(plain, ids, expected):
    runner = Lfm2Runner(plain._model)
    embeds = plain._model.get_input_embeddings()(ids[:50]).detach()
    last = runner.append(embeds=embeds, last=1)
    assert last.shape == (1, expected.shape[1])
    assert torch.allclose(last[0], expected[49], atol=1e-3)
    with pytest.raises(ValueError, match="either"):
        runner.append(ids, embeds=embeds)


def test_weights_are_shared_with_the_model(plain):
    """No second copy: fused weights are what the modules themselves use."""
    runner = Lfm2Runner(plain._model)
    tower = plain._model.model.language_model
    for layer, block in zip(runner._layers, tower.layers, strict=True):
        fused = layer.ff_in.untyped_storage().data_ptr()
        assert block.feed_forward.w1.weight.untyped_storage().data_ptr() == fused
        assert block.feed_forward.w3.weight.untyped_storage().data_ptr() == fused


def test_unusual_models_are_declined(plain):
    assert Lfm2Runner.supports(plain._model)
    assert not Lfm2Runner.supports(torch.nn.Linear(2, 2))
    config = plain._model.model.language_model.config
    kept = dict(config.rope_parameters)
    try:
        config.rope_parameters = {**kept, "rope_type": "yarn"}
        assert not Lfm2Runner.supports(plain._model)
    finally:
        config.rope_parameters = kept
