# SPDX-License-Identifier: Apache-2.0
"""Several tokens to a forward pass: the same answer, whatever the draft says."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.drafting.draft_text import AnswerDraft
from lfmvl_ros.core.image_rules import wanted_rules
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.lfm2_vl.decoding import Blocks, NoDraft, Row, decode_answers
from lfmvl_ros.models.lfm2_vl.draft_tokens import BlockSize, TokenDraft, encoder
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd
from lfmvl_ros.models.lfm2_vl.generating import Limit, generation_config, run_generate
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
from lfmvl_ros.models.lfm2_vl.sampling import sampler_for
from lfmvl_ros.models.lfm2_vl.token_text import TokenTexts

LONG = GenerationSettings(max_new_tokens=60)
OWN = ImageSettings()
SETTINGS = {
    "greedy": LONG,
    "penalty": replace(LONG, repetition_penalty=1.3),
    "sampling": replace(LONG, temperature=0.8, min_p=0.02),
    "sampling, top-k, top-p": replace(LONG, temperature=0.9, min_p=0.0, top_k=12, top_p=0.8),
    "sampling, penalty": replace(LONG, temperature=0.5, min_p=0.15, repetition_penalty=1.05),
}


class Given:
    """Proposes what stands in a list at the answer's place."""

    def __init__(self, tokens):
        self.tokens = list(tokens)

    def propose(self, ids, most):
        return self.tokens[len(ids) : len(ids) + max(0, most)]


@pytest.fixture
def answer(backend, scenes):
    """Write an answer to scene ``seed`` with a proposer, or with ``generate``."""
    runner = Lfm2Runner(backend._model)

    def write(seed, settings, proposer=None, *, limit=None, least=8, most=64):
        frames, prompts = scenes(1, seed)
        rules = wanted_rules(backend._own_rules, OWN)
        ends, pad = backend._end_ids, backend._pad_id
        limit = limit or Limit(time.monotonic() + 60, lambda: False)
        torch.manual_seed(seed)
        with torch.inference_mode():
            inputs = backend._builder.build(frames, prompts, rules)
            if proposer is None:
                config = generation_config(
                    settings, end_ids=ends, pad_id=pad, max_new_tokens=settings.max_new_tokens
                )
                return run_generate(backend._model, inputs, config, limit)[0]
        row = Row(
            proposer,
            sampler_for(settings, inputs.ids[0], len(runner.embedding)),
            AnswerEnd(ends, settings.max_new_tokens),
        )
        blocks = Blocks(BlockSize(least, most), BlockSize(least, most))
        return decode_answers(runner, inputs, [row], blocks=blocks, limit=limit)[0]

    return write


def drafts(ids, width, rng):
    """Drafts from perfect to hopeless, of every length."""
    yield "perfect", ids
    yield "perfect and longer", [*ids, *rng.integers(0, width, 40).tolist()]
    yield "nothing", []
    yield "noise", rng.integers(0, width, 400).tolist()
    yield "one id", [int(rng.integers(0, width))] * 400
    yield "shifted", ids[1:]
    for share in (0.05, 0.3):
        wrong = rng.random(len(ids)) < share
        yield f"{share:.0%} wrong", np.where(wrong, rng.integers(0, width, len(ids)), ids).tolist()


@pytest.mark.parametrize("kind", sorted(SETTINGS))
@pytest.mark.parametrize("seed", range(3))
def test_no_draft_changes_the_answer(backend, answer, kind, seed):
    settings, rng = SETTINGS[kind], np.random.default_rng(seed)
    width = backend._model.get_input_embeddings().weight.shape[0]
    expected = answer(seed, settings)
    for name, tokens in drafts(list(expected.ids), width, rng):
        written = answer(seed, settings, Given(tokens), least=int(rng.integers(1, 20)))
        assert written.ids == expected.ids, name
        assert written.finish is expected.finish
        np.testing.assert_allclose(written.logprobs, expected.logprobs, atol=1e-3)
        assert 1 <= written.forwards <= len(written.ids)


def test_a_right_draft_saves_forwards(answer):
    expected = answer(0, LONG)
    assert expected.forwards == len(expected.ids) == 60
    assert answer(0, LONG, NoDraft()).forwards == 60
    assert answer(0, LONG, Given(expected.ids), least=64).forwards == 1
    assert answer(0, LONG, Given(expected.ids), least=8).forwards <= 4
    one_wrong = [*expected.ids[:30], 0, *expected.ids[31:]]
    assert answer(0, LONG, Given(one_wrong), least=64).forwards == 2


def test_the_deadline_inside_a_block_keeps_what_is_confirmed(answer):
    expected = answer(0, LONG)
    for after in range(1, 5):
        asked = []

        def reached(asked=asked, after=after):
            asked.append(1)
            return len(asked) > after

        written = answer(
            0, LONG, Given(expected.ids), limit=Limit(time.monotonic() + 60, reached), most=8
        )
        assert written.finish is FinishReason.DEADLINE
        assert written.forwards == after + 1
        assert written.ids == expected.ids[: 9 * (after + 1)]


def test_an_answer_that_ends_in_the_block_of_its_deadline_is_whole(backend, answer, monkeypatch):
    expected = answer(0, LONG)
    monkeypatch.setattr(backend, "_end_ids", (expected.ids[20],))
    stop = expected.ids.index(expected.ids[20])
    past = Limit(0.0, lambda: True)
    written = answer(0, LONG, Given(expected.ids), limit=past, least=64)
    assert written.finish is FinishReason.STOP
    assert written.ids == expected.ids[: stop + 1]


def test_the_token_limit_holds_inside_a_block(answer):
    expected = answer(0, LONG)
    for most in (8, 9, 30):
        written = answer(0, replace(LONG, max_new_tokens=most), Given(expected.ids), least=64)
        assert written.ids == expected.ids[:most]
        assert written.finish is FinishReason.LENGTH


# -- through the backend --------------------------------------------------------------------------


def ground(model, frames, prompts, generation=LONG, hints=()):
    (reply,) = model.ground(frames, prompts, generation=generation, image=OWN, hints=hints)
    assert reply.error is None
    return reply


def hints(text):
    yield Hint.as_printed(text)
    yield Hint.as_printed("")
    yield Hint.as_printed(text[len(text) // 2 :])
    yield Hint.as_printed('[{"label": "Größe", "bbox": [0.10, 0.20, 0.30, 0.40]}]' * 300)
    yield Hint.as_printed("<|im_end|><|startoftext|><image>\x00\ud7ff" + text)
    yield Hint(
        '[{"label": "人", "bbox": [0.1, 0.2, 0.3, 0.4]}]', np.array([[-1e300, 1e300, 0.5, 7.0]])
    )
    yield None


@pytest.mark.parametrize("kind", ["greedy", "penalty"])
def test_no_hint_changes_the_reply(backend, plain, scenes, kind):
    for seed in range(2):
        frames, prompts = scenes(1, seed)
        expected = ground(plain, frames, prompts, SETTINGS[kind])
        for hint in hints(expected.text):
            reply = ground(backend, frames, prompts, SETTINGS[kind], [hint])
            assert [t.id for t in reply.tokens] == [t.id for t in expected.tokens]
            assert (reply.text, reply.finish) == (expected.text, expected.finish)


def test_the_setting_switches_drafts_off(backend, scenes):
    frames, prompts = scenes(1)
    hint = Hint.as_printed(ground(backend, frames, prompts).text)
    off = ground(backend, frames, prompts, replace(LONG, draft="none"), [hint])
    on = ground(backend, frames, prompts, LONG, [hint])
    assert off.forwards == len(off.tokens) == len(on.tokens) >= on.forwards
    assert [t.id for t in on.tokens] == [t.id for t in off.tokens]


def test_another_model_under_the_same_hints(checkpoint, backend, scenes):
    """The model is swapped: weights, and a vocabulary of other size and other special tokens."""
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend
    from lfmvl_warehouse.training.model.build import ModelShape, build_model, build_processor
    from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(["entirely", "different", "words"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|found|>", "<|nothing|>"]})
    torch.manual_seed(8)
    shape = ModelShape(
        vision_width=64, vision_layers=1, text_width=64, text_layers="ca", text_ff=64
    )
    model = build_model(shape, vocabulary=len(tokenizer)).eval()
    other, slow = (
        Lfm2VlBackend(
            model, build_processor(tokenizer), name="other", template=backend.template,
            use_runner=fast,
        )
        for fast in (True, False)
    )  # fmt: skip
    frames, prompts = scenes(1)
    before = Hint.as_printed(ground(backend, frames, prompts).text)
    reply, expected = ground(other, frames, prompts, LONG, [before]), ground(slow, frames, prompts)
    assert [t.id for t in reply.tokens] == [t.id for t in expected.tokens]


def test_declined_models_say_so_and_answer(backend, scenes, monkeypatch, caplog):
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend

    monkeypatch.setattr(Lfm2Runner, "supports", staticmethod(lambda _: False))
    slow = Lfm2VlBackend(backend._model, backend._processor, name="slow", template=backend.template)
    assert "one token per forward pass" in caplog.text
    frames, prompts = scenes(1)
    assert ground(slow, frames, prompts).text == ground(backend, frames, prompts).text


# -- tokens of a draft ----------------------------------------------------------------------------

TEXT = '[{"label": "red tote", "bbox": [0.12, 0.34, 0.56, 0.78]}, {"label": "person", "bbox": [0.60, 0.10, 0.70, 0.90]}]'  # noqa: E501


@pytest.fixture
def token_draft(backend):
    tokenizer = backend._processor.tokenizer

    def make(text=TEXT, width=None):
        width = width or len(tokenizer)
        return TokenDraft(
            AnswerDraft(Hint.as_printed(text)), encode=encoder(tokenizer),
            texts=TokenTexts(tokenizer), end_id=7, width=width,
        )  # fmt: skip

    return make


def test_a_whole_answer_is_proposed_in_its_own_tokens(backend, token_draft):
    ids = [*encoder(backend._processor.tokenizer)(TEXT), 7]
    assert token_draft().propose([], 500) == ids
    draft = token_draft()
    assert draft.propose([], 10) == ids[:10]
    assert draft.propose(ids[:3], 10) == ids[3:13]
    assert draft.propose(ids[:30], 500) == ids[30:]
    assert draft.propose(ids[:-1], 5) == [7]
    assert draft.propose(ids[:-1], 0) == []


def test_after_another_number_the_draft_goes_on_in_place(backend, token_draft):
    encode = encoder(backend._processor.tokenizer)
    ids, other = [*encode(TEXT), 7], encode(TEXT.replace("0.12", "0.13"))
    wrong = next(i for i, (a, b) in enumerate(zip(ids, other, strict=False)) if a != b)
    draft = token_draft()
    draft.propose([], 64)
    proposed = draft.propose(other[: wrong + 1], 64)
    assert proposed[:6] == ids[wrong + 1 : wrong + 7]


def test_ids_beyond_the_vocabulary_are_not_proposed(backend, token_draft):
    ids = encoder(backend._processor.tokenizer)(TEXT)
    width = max(ids)
    proposed = token_draft(width=width).propose([], 500)
    assert proposed == ids[: ids.index(width)]


def test_block_sizes_follow_acceptance():
    size = BlockSize(8, 64)
    for _ in range(5):
        size.learn(size.now, size.now)
    assert size.now == 64
    for _ in range(20):
        size.learn(size.now, 2)
    assert size.now == 8
    size.learn(3, 3)  # the end of an answer says nothing about the size
    assert size.now == 8
    with pytest.raises(ValueError, match="least"):
        BlockSize(9, 8)
