# SPDX-License-Identifier: Apache-2.0
"""The direct runner writes what `generate` writes, and can go back."""

import copy

import pytest
import torch
import torch.nn.functional as F
from transformers import DynamicCache

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.models.lfm2_vl.attention import product
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner

LONG = GenerationSettings(max_new_tokens=60)


# Two tokens whose log-probabilities (around -7 here) round to neighbouring float32 numbers are as
# likely as each other; which one is greatest then depends on the processor.
TIE = 2e-6


@pytest.mark.parametrize("seed", range(8))
def test_token_for_token_as_generate(backend, plain, scenes, seed):
    ties = 0
    for frame, prompt in zip(*scenes(5, seed), strict=True):
        (fast,), (slow,) = (
            model.ground([frame], [prompt], generation=LONG, image=ImageSettings())
            for model in (backend, plain)
        )
        pairs = list(zip(fast.tokens, slow.tokens, strict=False))
        differing = next((i for i, (a, b) in enumerate(pairs) if a.id != b.id), None)
        apart = [abs(a.logprob - b.logprob) for a, b in pairs[:differing]]
        assert max(apart, default=0.0) < 1e-3
        if differing is None:
            assert (fast.text, fast.finish) == (slow.text, slow.finish)
            continue
        a, b = pairs[differing]
        assert abs(a.logprob - b.logprob) <= TIE, f"token {differing} of frame {frame.stamp_ns}"
        ties += 1
    assert ties <= 1


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


# -- half precision -------------------------------------------------------------------------------


@pytest.fixture
def rough(plain):
    """The same weights in bfloat16."""
    return copy.deepcopy(plain._model).to(torch.bfloat16)


def step_by_step(model, ids, prompt):
    """Logits as `generate` computes them: the prompt at once, then one token at a time."""
    cache = DynamicCache(config=model.config.text_config)
    parts = [ids[:prompt], *ids[prompt:].split(1)]
    with torch.inference_mode():
        return torch.cat(
            [
                model(input_ids=part[None], past_key_values=cache, use_cache=True).logits[0].float()
                for part in parts
            ]
        )


def products_ignore_the_block(runner):
    """Whether this machine's matrix products in bfloat16 give a row the same in any company."""
    for layer in runner._layers:
        for weight in (layer.first, layer.last, layer.ff_in, layer.ff_out):
            x = torch.randn(33, weight.shape[1]).to(torch.bfloat16)
            one_by_one = torch.cat([F.linear(row[None], weight) for row in x])
            if any(not torch.equal(F.linear(x[:n], weight), one_by_one[:n]) for n in (2, 8, 33)):
                return False
    return True


def test_in_bfloat16_a_block_gives_bit_for_bit_what_generate_computes(rough, ids):
    runner, prompt = Lfm2Runner(rough), 200
    if not products_ignore_the_block(runner):
        pytest.skip("this machine's bfloat16 products depend on the number of rows")
    expected = step_by_step(rough, ids, prompt)
    for block in (1, 2, 7, 33, 100):
        runner.length = 0
        guesses = block - 1  # these ride along with the prompt
        logits = [runner.append(ids[: prompt + guesses], last=block)]
        logits += [runner.append(part) for part in ids[prompt + guesses :].split(block)]
        assert torch.equal(torch.cat(logits), expected[prompt - 1 :])


@pytest.mark.parametrize("width", [128, 2048, 4608])
def test_in_bfloat16_a_row_is_the_same_alone_and_in_company(width):
    torch.manual_seed(0)
    x, weight = (torch.randn(n, width).to(torch.bfloat16) for n in (40, 256))
    pairs = torch.cat([F.linear(two, weight) for two in x.split(2)])
    if not torch.equal(F.linear(x, weight), pairs):
        pytest.skip("this machine's bfloat16 products depend on the number of rows")
    for count in (1, 2, 5, 40):
        assert torch.equal(torch.cat([product(part, weight) for part in x.split(count)]), pairs)


def test_in_bfloat16_rows_of_a_batch_do_not_touch_each_other(rough, ids):
    runner = Lfm2Runner(rough)
    if not products_ignore_the_block(runner):
        pytest.skip("this machine's bfloat16 products depend on the number of rows")
    runner.length = 0
    alone = runner.append(ids[:150], last=9)
    rows = runner.rows(3)
    for row in rows:
        row.length = 0
    counts = (150, 60, 90)
    together = runner.append_rows(
        rows, counts, torch.cat([ids[:150], ids[:60], ids[:90]]), last=(9, 1, 4)
    )
    assert torch.equal(together[:9], alone)
