# SPDX-License-Identifier: Apache-2.0
"""Several cameras in one forward: each answer is what it would be alone, whatever the drafts."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from lfmvl_ros.core.config import GenerationSettings, ImageSettings, PerceptionSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.lfm2_vl.kv_cache import CacheShape, RowCache
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
from lfmvl_ros.models.load import load_model

LONG = GenerationSettings(max_new_tokens=60, timeout_s=300.0)


def ground(model, frames, prompts, generation=LONG, **rest):
    replies = model.ground(frames, prompts, generation=generation, image=ImageSettings(), **rest)
    assert [reply.error for reply in replies] == [None] * len(frames)
    return replies


def ids(reply):
    return [token.id for token in reply.tokens]


@pytest.fixture
def alone(plain, scenes):
    """Answers of `generate`, one by one."""

    def make(n, seed, generation=LONG):
        frames, prompts = scenes(n, seed)
        return [
            ground(plain, [frame], [prompt], generation)[0]
            for frame, prompt in zip(frames, prompts, strict=True)
        ]

    return make


@pytest.mark.parametrize("penalty", [1.0, 1.3])
@pytest.mark.parametrize("seed", range(3))
def test_no_draft_of_any_row_changes_any_answer(backend, alone, scenes, seed, penalty):
    generation = replace(LONG, repetition_penalty=penalty)
    (frames, prompts), expected = scenes(5, seed), alone(5, seed, generation)
    texts = [reply.text for reply in expected]
    for hints in (
        (),
        [Hint.as_printed(text) for text in texts],  # right
        [Hint.as_printed(text) for text in texts[1:] + texts[:1]],  # of another camera
        [Hint.as_printed(texts[0]), None, Hint.as_printed(texts[2][9:]), None, Hint("x", NONE)],
        [Hint.as_printed(texts[0])],
    ):
        for reply, one in zip(
            ground(backend, frames, prompts, generation, hints=hints), expected, strict=True
        ):
            assert ids(reply) == ids(one)
            assert (reply.text, reply.finish) == (one.text, one.finish)
            np.testing.assert_allclose(
                [t.logprob for t in reply.tokens], [t.logprob for t in one.tokens], atol=1e-3
            )


NONE = np.zeros((0, 4))


def test_rows_end_each_at_its_own_token(backend, plain, scenes, monkeypatch):
    frames, prompts = scenes(4)
    before = ground(plain, frames, prompts)
    ends = tuple({ids(before[1])[5], ids(before[2])[30]})
    monkeypatch.setattr(backend, "_end_ids", ends)
    after = ground(backend, frames, prompts)
    lengths = set()
    for old, new in zip(before, after, strict=True):
        stop = next((i + 1 for i, token in enumerate(ids(old)) if token in ends), len(old.tokens))
        assert ids(new) == ids(old)[:stop]
        assert new.forwards <= stop
        lengths.add(stop)
    assert len(lengths) > 1


def test_right_drafts_save_forwards_in_a_batch_too(backend, alone, scenes):
    frames, prompts = scenes(3)
    hints = [Hint.as_printed(reply.text) for reply in alone(3, 0)]
    plainly = ground(backend, frames, prompts, replace(LONG, draft="none"))
    drafted = ground(backend, frames, prompts, hints=hints)
    assert [reply.forwards for reply in plainly] == [len(reply.tokens) for reply in plainly]
    assert all(a.forwards < b.forwards for a, b in zip(drafted, plainly, strict=True))
    assert [ids(reply) for reply in drafted] == [ids(reply) for reply in plainly]


def test_batches_of_changing_size_share_their_buffers(backend, alone, scenes):
    (frames, prompts), expected = scenes(5), alone(5, 0)
    for chosen in ([0, 1, 2, 3, 4], [3], [4, 1], [2, 0, 3, 1], [1]):
        replies = ground(backend, [frames[i] for i in chosen], [prompts[i] for i in chosen])
        assert [ids(reply) for reply in replies] == [ids(expected[i]) for i in chosen]
    backend._runner.rows(20)
    assert len(backend._runner._rows) == 20
    ground(backend, frames[:1], prompts[:1])
    assert len(backend._runner._rows) == 8


def test_the_deadline_cuts_all_rows_and_keeps_what_is_confirmed(backend, alone, scenes):
    (frames, prompts), expected = scenes(3), alone(3, 0)
    for after in (2, 5):
        asked = []

        def cancelled(asked=asked, after=after):
            asked.append(1)
            return len(asked) > after

        for reply, one in zip(
            ground(backend, frames, prompts, cancelled=cancelled), expected, strict=True
        ):
            assert reply.finish is FinishReason.DEADLINE
            assert 0 < len(reply.tokens) < 60
            assert ids(reply) == ids(one)[: len(reply.tokens)]


def test_sampling_in_a_batch_draws_for_every_row(backend, scenes):
    frames, prompts = scenes(1)
    hot = replace(LONG, temperature=1.5, min_p=0.0, max_new_tokens=12)
    torch.manual_seed(1)
    replies = ground(backend, frames * 3, prompts * 3, hot)
    assert len({reply.text for reply in replies}) == 3


# -- the runner -----------------------------------------------------------------------------------


def test_rows_of_any_length_give_the_logits_of_each_alone(plain):
    runner, rng = Lfm2Runner(plain._model), np.random.default_rng(4)
    rows = runner.rows(3)
    for row in rows:
        row.length = 0
    texts = [torch.tensor(rng.integers(500, 2000, 90)) for _ in rows]
    with torch.inference_mode():
        expected = [plain._model(input_ids=text[None]).logits[0].float() for text in texts]
    for _ in range(25):
        active = [i for i in range(3) if rng.random() < 0.7 and rows[i].length < 80]
        if not active:
            continue
        counts = [int(rng.integers(1, min(12, 90 - rows[i].length))) for i in active]
        block = [texts[i][rows[i].length :][:n] for i, n in zip(active, counts, strict=True)]
        logits = runner.append_rows([rows[i] for i in active], counts, torch.cat(block))
        for i, n, part in zip(active, counts, logits.split(counts), strict=True):
            stop = rows[i].length
            assert torch.allclose(part, expected[i][stop - n : stop], atol=1e-3)
            rows[i].length -= int(rng.integers(0, n + 1))  # forget some


def test_memory_that_could_not_grow_is_as_it_was(monkeypatch):
    shape = CacheShape((True, False, True), width=4, kernel=3, kv_heads=2, head_width=2)
    memory = RowCache(shape, torch.zeros(1))
    memory.reserve(10)
    memory.windows[0].fill_(1.0)
    before = (memory.capacity, [len(window) for window in memory.windows])
    new_zeros, calls = torch.Tensor.new_zeros, []

    def scarce(tensor, *size, **rest):
        calls.append(size)
        if len(calls) == 5:
            raise torch.OutOfMemoryError("out of memory")
        return new_zeros(tensor, *size, **rest)

    monkeypatch.setattr(torch.Tensor, "new_zeros", scarce)
    with pytest.raises(torch.OutOfMemoryError):
        memory.reserve(300)
    assert (memory.capacity, [len(window) for window in memory.windows]) == before
    memory.reserve(300)
    assert memory.capacity == 512
    assert memory.keys[1].shape == (2, 512, 2)
    assert bool((memory.windows[0][:258] == 1).all())


def test_out_of_memory_within_an_answer(backend, alone, scenes, monkeypatch):
    """A forward in the middle of an answer fails; the answer is tried again, the next is right."""
    (frames, prompts), expected = scenes(2), alone(2, 0)
    append, calls = Lfm2Runner.append_rows, []

    def scarce(runner, rows, counts, *rest, **more):
        calls.append(counts)
        if len(calls) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return append(runner, rows, counts, *rest, **more)

    monkeypatch.setattr(Lfm2Runner, "append_rows", scarce)
    halved = ground(backend, frames, prompts)
    assert all(
        reply.image_tokens < one.image_tokens for reply, one in zip(halved, expected, strict=True)
    )
    again = ground(backend, frames, prompts)
    assert [ids(reply) for reply in again] == [ids(one) for one in expected]


def test_without_a_pad_token_the_end_token_pads(checkpoint, backend, scenes, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    for name, key in (("tokenizer_config.json", "pad_token"), ("config.json", "pad_token_id")):
        document = json.loads((copy / name).read_text())
        document.pop(key, None)
        (copy / name).write_text(json.dumps(document))
    without = load_model(PerceptionSettings(model=str(copy), device="cpu"))
    frames, prompts = scenes(2, 1)
    prompts = [prompts[0], replace(prompts[1], text=prompts[1].text + " Look twice.")]
    expected = [ids(reply) for reply in ground(backend, frames, prompts)]
    assert [ids(reply) for reply in ground(without, frames, prompts)] == expected
