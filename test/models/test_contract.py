# SPDX-License-Identifier: Apache-2.0
"""What every backend promises the pipeline: one body, over all of them."""

import math
import time

import numpy as np
import pytest

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel
from lfmvl_ros.models.server.model import ServerModel

OWN = ImageSettings()
# Nothing here is about time but what says so: a busy machine may take long over 24 tokens.
SHORT = GenerationSettings(max_new_tokens=24, timeout_s=60.0)
SAMPLING = GenerationSettings(
    max_new_tokens=24, temperature=0.7, min_p=0.05, repetition_penalty=1.05, timeout_s=60.0
)


@pytest.fixture(params=["runner", "int8", "generate", "lfm3", "replay", "server", "managed"])
def model(request, backend, plain, scenes):
    """Each backend; the replay plays what the first wrote, and takes its time over it."""
    if request.param == "replay":
        frames, prompts = scenes(5)
        replies = backend.ground(frames, prompts, generation=SHORT, image=ImageSettings())
        return ReplayModel(
            [
                RecordedReply(reply, 0.4, frame.stamp_ns)
                for frame, reply in zip(frames, replies, strict=True)
            ]
        )
    if request.param in ("int8", "lfm3", "server", "managed"):
        return request.getfixturevalue(request.param)
    return backend if request.param == "runner" else plain


def ground(model, frames, prompts, generation=SHORT, image=OWN, **rest):
    return model.ground(frames, prompts, generation=generation, image=image, **rest)


def test_a_reply_is_whole(model, scenes):
    (reply,) = ground(model, *scenes(1))
    assert reply.error is None
    assert reply.finish in (FinishReason.STOP, FinishReason.LENGTH)
    assert reply.model == model.name
    assert 0 < len(reply.tokens) <= SHORT.max_new_tokens
    assert "".join(token.text for token in reply.tokens) == reply.text
    assert all(math.isfinite(token.logprob) and token.logprob <= 0 for token in reply.tokens)
    assert reply.image_tokens == 64
    assert min(reply.times.prefill_s, reply.times.decode_s) > 0
    # A server gives the time until the first token as a whole.
    assert (reply.times.vision_s > 0) == (not isinstance(model, ServerModel))


def test_control_tokens_are_not_text(model, scenes):
    for reply in ground(model, *scenes(3)):
        assert "<|" not in reply.text
        assert "<image>" not in reply.text


def test_a_batch_answers_as_one_by_one(model, scenes):
    frames, prompts = scenes(4)
    batch = ground(model, frames, prompts)
    assert len(batch) == 4
    assert len({reply.text for reply in batch}) > 1
    for frame, prompt, together in zip(frames, prompts, batch, strict=True):
        (alone,) = ground(model, [frame], [prompt])
        assert together.text == alone.text
        assert [t.id for t in together.tokens] == [t.id for t in alone.tokens]
        np.testing.assert_allclose(
            [t.logprob for t in together.tokens], [t.logprob for t in alone.tokens], atol=1e-3
        )
        assert together.image_tokens == alone.image_tokens


def test_the_same_frame_gives_the_same_answer(model, scenes):
    first, second = ground(model, *scenes(1)), ground(model, *scenes(1))
    assert first[0].tokens == second[0].tokens


def test_no_frames_no_replies(model):
    assert ground(model, [], []) == []


def test_frames_and_prompts_must_pair_up(model, scenes):
    frames, prompts = scenes(2)
    with pytest.raises(ValueError, match="as many prompts as frames"):
        ground(model, frames, prompts[:1])


def test_cancelled_before_it_starts(model, scenes):
    frames, prompts = scenes(2)
    replies = ground(model, frames, prompts, cancelled=lambda: True)
    assert [reply.finish for reply in replies] == [FinishReason.DEADLINE] * 2
    assert not any(reply.text for reply in replies)


@pytest.mark.parametrize("generation", [SHORT, SAMPLING], ids=["greedy", "sampling"])
def test_cancelled_while_answering(model, scenes, generation):
    asked = []

    def after_six():
        asked.append(time.monotonic())
        return len(asked) > 6

    for _ in range(10):  # a sampled answer may be over before it is cancelled
        asked.clear()
        (reply,) = ground(model, *scenes(1), generation=generation, cancelled=after_six)
        if len(asked) > 6:
            break
    assert reply.finish is FinishReason.DEADLINE
    assert len(reply.tokens) <= 6
    assert len(asked) == 7


def test_the_deadline_stops_an_answer(model, scenes):
    frames, prompts = scenes(1)
    ground(model, frames, prompts)  # whatever a first call costs
    # Sampled, or a quick machine gets as far as words without end, which is another reason to stop.
    # Even so an answer may end by itself before its deadline, which is the shortest there is.
    endless = GenerationSettings(max_new_tokens=4096, timeout_s=0.1, temperature=1.5)
    for _ in range(30):
        (reply,) = ground(model, frames, prompts, generation=endless)
        if reply.finish is FinishReason.DEADLINE:
            break
    assert reply.finish is FinishReason.DEADLINE
    assert len(reply.tokens) < 4096


def test_pixels_are_only_read(model, scenes):
    frames, prompts = scenes(1)
    pixels = frames[0].pixels.copy()
    pixels.flags.writeable = False
    (reply,) = ground(model, [Frame(pixels, frames[0].stamp_ns)], prompts)
    assert reply.error is None
    assert np.array_equal(pixels, frames[0].pixels)


def test_odd_images_are_answered(model, scenes):
    _, prompts = scenes(1)
    for width, height in ((1, 1), (3, 2), (1, 900)):
        frame = Frame(np.zeros((height, width, 3), np.uint8), 0)
        (reply,) = ground(model, [frame], prompts)
        assert reply.error is None
