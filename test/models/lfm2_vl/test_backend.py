# SPDX-License-Identifier: Apache-2.0
"""The transformers backend: settings at run time, log-probabilities, memory, failures."""

import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_rules import wanted_rules
from lfmvl_ros.core.image_tokens import ImageTokenSettings, count_image_tokens
from lfmvl_ros.core.prompt import CARD_TEMPLATE, Prompt
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.lfm2_vl.backend import halved

from ...waiting import PATIENCE_S

OWN = ImageSettings()
SHORT = GenerationSettings(max_new_tokens=16)


def ground(model, frames, prompts, generation=SHORT, image=OWN, **rest):
    return model.ground(frames, prompts, generation=generation, image=image, **rest)


def test_image_settings_act_at_every_call(backend, scenes):
    _, prompts = scenes(1)
    frame = Frame(np.zeros((720, 1280, 3), np.uint8), 0)

    def tokens(**image):
        (reply,) = ground(backend, [frame], prompts, image=ImageSettings(**image))
        assert reply.error is None
        return reply.image_tokens

    own = tokens()
    assert (
        own
        == count_image_tokens(
            (1280, 720), ImageTokenSettings(min_tokens=64, max_tokens=64, split=False)
        ).tokens
        or own > 0
    )
    assert tokens(max_tokens=64, split="never") == 60
    assert tokens(max_tokens=256, split="never") == 252
    assert tokens(max_tokens=256, split="always") == 764
    assert tokens(max_tokens=256, split="always", max_tiles=1) == 252
    assert tokens() == own


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, ImageTokenSettings()),
        ({"max_tokens": 32}, ImageTokenSettings(min_tokens=32, max_tokens=32)),
        ({"min_tokens": 9, "max_tokens": 128}, ImageTokenSettings(min_tokens=9, max_tokens=128)),
        ({"split": "never"}, ImageTokenSettings(split=False)),
        ({"max_tiles": 1}, ImageTokenSettings(split=False, max_tiles=2)),
        ({"max_tiles": 6}, ImageTokenSettings(max_tiles=6)),
    ],
)
def test_settings_override_the_checkpoints_own(image, expected):
    assert wanted_rules(ImageTokenSettings(), ImageSettings(**image)) == expected


def test_log_probabilities_are_those_of_the_raw_distribution(backend, scenes):
    """Recomputed from one forward over prompt and answer together."""
    frames, prompts = scenes(1)
    (reply,) = ground(backend, frames, prompts)
    rules = wanted_rules(backend._own_rules, ImageSettings())
    inputs = backend._builder.build(frames, prompts, rules)
    ids = torch.tensor([[token.id for token in reply.tokens]])
    with torch.inference_mode():
        tail = backend._model.get_input_embeddings()(ids)
        whole = torch.cat([inputs.embeds, tail], dim=1)
        logits = backend._model(inputs_embeds=whole).logits[0, inputs.ids.shape[1] - 1 : -1]
    table = torch.log_softmax(logits.float(), dim=-1)
    assert torch.allclose(table.exp().sum(-1), torch.ones(len(table)), atol=1e-4)
    expected = table.gather(1, ids[0][:, None])[:, 0]
    assert torch.allclose(expected, torch.tensor([t.logprob for t in reply.tokens]), atol=1e-3)
    assert torch.equal(logits.argmax(-1), ids[0])


def test_sampling_varies_and_its_log_probabilities_stay_raw(backend, scenes):
    frames, prompts = scenes(1)
    (greedy,) = ground(backend, frames, prompts)
    hot = replace(SHORT, temperature=2.0, min_p=0.0)
    texts, first = set(), []
    for seed in range(4):
        torch.manual_seed(seed)
        (reply,) = ground(backend, frames, prompts, generation=hot)
        texts.add(reply.text)
        first.append(reply.tokens[0].logprob)
    assert len(texts) > 1
    assert max(first) <= greedy.tokens[0].logprob + 1e-4
    torch.manual_seed(0)
    (narrow,) = ground(
        backend, frames, prompts, generation=replace(SHORT, temperature=0.1, min_p=1.0)
    )
    assert [t.id for t in narrow.tokens] == [t.id for t in greedy.tokens]


def test_repetition_penalty_changes_the_answer(backend, plain, scenes):
    frames, prompts = scenes(1)
    # A batch of one token's worth of penalty: every prompt token becomes unlikely.
    (free,) = ground(backend, frames, prompts)
    (penalised,) = ground(
        backend, frames, prompts, generation=replace(SHORT, repetition_penalty=2.0)
    )
    ids = [token.id for token in penalised.tokens]
    assert penalised.error is None
    assert len(set(ids)) >= len({token.id for token in free.tokens})


@pytest.mark.parametrize("name", ["backend", "plain"])
def test_the_end_token_ends_the_answer(name, request, scenes, monkeypatch):
    model = request.getfixturevalue(name)
    frames, prompts = scenes(3)
    before = ground(model, frames, prompts)
    end = before[1].tokens[5].id
    monkeypatch.setattr(model, "_end_ids", (end,))
    after = ground(model, frames, prompts) + ground(model, frames[1:2], prompts[1:2])
    for old, new in zip([*before, before[1]], after, strict=True):
        ids = [token.id for token in old.tokens]
        if end in ids:
            assert [token.id for token in new.tokens] == ids[: ids.index(end) + 1]
            assert new.finish is FinishReason.STOP
        else:
            assert new.finish is FinishReason.LENGTH
    assert after[1].finish is FinishReason.STOP


def test_trimmed_padding_changes_nothing(backend, scenes):
    from lfmvl_ros.models.lfm2_vl.image_processing import trim_padding

    frames, _ = scenes(3)
    features = backend._processor.image_processor(
        images=[frame.pixels for frame in frames], return_tensors="pt"
    )
    with torch.inference_mode():
        whole = backend._model.get_image_features(**features).pooler_output
        trimmed = backend._model.get_image_features(**trim_padding(features)).pooler_output
    for a, b in zip(whole, trimmed, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_the_same_image_is_looked_at_once(backend, scenes, monkeypatch):
    frames, prompts = scenes(3)
    looks = []
    look = backend._model.get_image_features
    monkeypatch.setattr(
        backend._model, "get_image_features", lambda **rest: looks.append(1) or look(**rest)
    )

    def count(chosen, prompt, image=OWN):
        before = len(looks)
        ground(backend, chosen, [prompt] * len(chosen), image=image)
        return len(looks) - before

    changed = frames[0].pixels.copy()
    changed[0, 0, 0] ^= 1
    assert count(frames[:1], prompts[0]) == 1
    assert count(frames[:1], prompts[1]) == 0
    assert count([Frame(frames[0].pixels.copy(), 7)], prompts[2]) == 0
    assert count([Frame(changed, 7)], prompts[2]) == 1
    assert count([Frame(changed, 7)], prompts[2], ImageSettings(max_tokens=32)) == 1
    assert count(frames[:2], prompts[0]) == 1
    assert count(frames[1::-1], prompts[0]) == 1


def test_words_about_an_image_seen_before_get_the_same_answer(backend, plain, scenes):
    frames, prompts = scenes(2)
    for prompt in (prompts[0], prompts[1], prompts[0]):
        (kept,) = ground(backend, frames[:1], [prompt])
        plain._builder._seen = None
        (fresh,) = ground(plain, frames[:1], [prompt])
        assert [t.id for t in kept.tokens] == [t.id for t in fresh.tokens]


def test_appending_to_a_filled_cache_is_right(backend):
    """Wrong, without an error, in transformers up to 5.14.1; the version check guards it."""
    from transformers import DynamicCache

    model = backend._model
    ids = torch.randint(500, 2000, (1, 40), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = model(input_ids=ids).logits
        cache = DynamicCache(config=model.config.text_config)
        model(input_ids=ids[:, :25], past_key_values=cache, use_cache=True)
        rest = model(input_ids=ids[:, 25:], past_key_values=cache, use_cache=True).logits
    assert torch.allclose(rest, whole[:, 25:], atol=1e-4)


def test_out_of_memory_is_tried_once_more_with_half_the_tokens(backend, scenes, monkeypatch):
    frames, prompts = scenes(2)
    build, seen = backend._builder.build, []

    def scarce(frames, prompts, rules, **rest):
        seen.append(rules)
        if len(seen) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return build(frames, prompts, rules, **rest)

    monkeypatch.setattr(backend._builder, "build", scarce)
    replies = ground(backend, frames, prompts)
    assert [reply.error for reply in replies] == [None, None]
    assert len(seen) == 2
    costs = [max(count_image_tokens(f.wh, rules).tokens for f in frames) for rules in seen]
    assert costs[1] <= costs[0] // 2
    assert max(reply.image_tokens for reply in replies) == costs[1]


def test_out_of_memory_twice_is_an_error_reply(backend, scenes, monkeypatch, caplog):
    def scarce(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")

    monkeypatch.setattr(backend._builder, "build", scarce)
    with caplog.at_level(logging.ERROR):
        (reply,) = ground(backend, *scenes(1))
    assert reply.finish is FinishReason.ERROR
    assert "lower image.max_tokens" in reply.error
    assert any(record.exc_info for record in caplog.records)


def test_halving():
    rules = halved(ImageTokenSettings(), [(1280, 720), (256, 256)])
    assert count_image_tokens((1280, 720), rules).tokens <= 382


def test_a_failure_is_a_reply_of_one_sentence(backend, scenes, caplog):
    frames, _ = scenes(1)
    # A second image sentinel in the prompt: the processor refuses it.
    prompt = Prompt("look at <image>", Query.parse("person"))
    with caplog.at_level(logging.ERROR):
        (reply,) = ground(backend, frames, [prompt])
    assert reply.finish is FinishReason.ERROR
    assert "\n" not in reply.error
    assert any(record.exc_info for record in caplog.records)
    assert ground(backend, *scenes(1))[0].error is None


def test_a_prompt_longer_than_the_context_is_an_error_reply(backend, scenes):
    frames, _ = scenes(1)
    prompt = Prompt("red tote " * 9000, Query.parse("person"))
    (reply,) = ground(backend, frames, [prompt])
    assert "context" in reply.error


def test_bfloat16(checkpoint, scenes):
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend

    frames, prompts = scenes(1)
    model = Lfm2VlBackend.load(
        str(checkpoint), name="x", template=CARD_TEMPLATE, device="cpu", dtype="bfloat16"
    )
    (reply,) = ground(model, frames, prompts)
    assert reply.error is None
    assert len(reply.tokens) == SHORT.max_new_tokens
    model.close()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda(checkpoint, scenes):
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend

    frames, prompts = scenes(2)
    model = Lfm2VlBackend.load(
        str(checkpoint), name="x", template=CARD_TEMPLATE, device="cuda", dtype="auto"
    )
    assert next(model._model.parameters()).dtype is torch.bfloat16
    for reply in ground(model, frames, prompts) + ground(model, frames[:1], prompts[:1]):
        assert reply.error is None
    model.close()


@pytest.mark.slow
def test_answers_without_torchvision(checkpoint):
    code = (
        "import sys, numpy as np; sys.modules['torchvision'] = None\n"
        "from lfmvl_ros.core.config import *; from lfmvl_ros.core.frame import Frame\n"
        "from lfmvl_ros.core.query import Query; from lfmvl_ros.models.load import load_model\n"
        "m = load_model(PerceptionSettings(model=sys.argv[1], device='cpu'))\n"
        "p = m.template.render(Query.parse('person'))\n"
        "f = Frame(np.zeros((64, 64, 3), np.uint8), 0)\n"
        "r, = m.ground([f], [p], generation=GenerationSettings(max_new_tokens=8),\n"
        "              image=ImageSettings())\n"
        "assert r.error is None and len(r.tokens) == 8, r\n"
        "assert not any(n.startswith('torchvision.') for n in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(checkpoint)], check=True, timeout=PATIENCE_S)
