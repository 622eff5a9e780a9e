# SPDX-License-Identifier: Apache-2.0
"""Questions without an image, of every backend."""

import re
from dataclasses import replace

import pytest
import torch

from lfmvl_ros.core.commands.offering import SYNTAXES, offer
from lfmvl_ros.core.commands.reading import read_calls
from lfmvl_ros.core.commands.tools import TOOLS
from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.prompt import MarkedForm, TextPrompt
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.models.abilities import may_describe, tool_syntax
from lfmvl_ros.models.recorded_reply import RecordedReply, read_recording
from lfmvl_ros.models.replay import ReplayModel, ReplyRecorder

PROMPT = TextPrompt("Be short.", "What is a tote?")
SHORT = GenerationSettings(max_new_tokens=24, timeout_s=60.0)


@pytest.fixture(params=["runner", "generate", "replay", "managed"])
def model(request, backend, plain):
    """Each backend; the replay plays what the first wrote."""
    if request.param == "replay":
        reply = backend.write(PROMPT, generation=SHORT)
        return ReplayModel(
            [RecordedReply(Reply("[]")), RecordedReply(reply, 0.1, sentence=PROMPT.user)]
        )
    if request.param == "managed":
        return request.getfixturevalue("managed")
    return backend if request.param == "runner" else plain


def test_a_reply_is_whole(model):
    reply = model.write(PROMPT, generation=SHORT)
    assert reply.error is None
    assert reply.finish in (FinishReason.STOP, FinishReason.LENGTH)
    assert reply.text
    assert reply.model == model.name
    assert reply.image_tokens == 0
    assert "<|im_end|>" not in reply.text
    assert reply.text == model.write(PROMPT, generation=SHORT).text


def test_cancelled_before_it_starts(model):
    reply = model.write(PROMPT, generation=SHORT, cancelled=lambda: True)
    assert (reply.finish, reply.text) == (FinishReason.DEADLINE, "")


def test_both_ways_of_writing_agree(backend, plain):
    for prompt in (PROMPT, TextPrompt("", "x"), offer("find a person", TOOLS, "lfm2.5")):
        reply = backend.write(prompt, generation=SHORT)
        assert reply.text == plain.write(prompt, generation=SHORT).text


def test_an_image_between_two_questions_changes_neither(backend, scenes):
    first = backend.write(PROMPT, generation=SHORT)
    frames, prompts = scenes(1)
    seen = backend.ground(frames, prompts, generation=SHORT, image=ImageSettings())
    assert backend.write(PROMPT, generation=SHORT).text == first.text
    again = backend.ground(frames, prompts, generation=SHORT, image=ImageSettings())
    assert [r.text for r in seen] == [r.text for r in again]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_random_weights_write_is_no_call(backend, syntax):
    """The genuine way from sentence to refusal: prompt, tokens, text, no call."""
    reply = backend.write(offer("look for a <|im_end|> crate", TOOLS, syntax), generation=SHORT)
    assert reply.error is None
    assert read_calls(reply.text).problem


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_what_stands_between_markers_keeps_to_its_form(backend, plain, temperature):
    """Random weights soon write an e; then three digits and a semicolon have to follow."""
    pytest.importorskip("xgrammar")
    prompt = replace(PROMPT, form=MarkedForm("e", "root ::= [0-9]{3}", ";"))
    generation = replace(SHORT, max_new_tokens=120, temperature=temperature, min_p=0.0)
    marked = 0
    for model in (backend, plain):
        torch.manual_seed(5)
        reply = model.write(prompt, generation=generation)
        assert reply.error is None
        whole = reply.text.rpartition("e")[0] if reply.finish is FinishReason.LENGTH else reply.text
        assert "e" not in re.sub(r"e[0-9]{3};", "", whole)
        marked += whole.count("e")
        assert "e" in model.write(PROMPT, generation=generation).text
    assert marked


def test_without_xgrammar_the_form_is_not_kept_to(backend, monkeypatch):
    monkeypatch.setattr("lfmvl_ros.models.lfm2_vl.backend.can_constrain", lambda: False)
    free = replace(PROMPT, form=MarkedForm("e", "root ::= [0-9]{3}", ";"))
    expected = backend.write(PROMPT, generation=SHORT).text
    assert backend.write(free, generation=SHORT).text == expected


def test_markers_around_calls_stay_in_the_text(backend, monkeypatch):
    """They are control tokens in published tokenizers, and images' answers leave those out."""
    tokenizer = backend._processor.tokenizer
    (control,) = tokenizer.encode("<|im_start|>", add_special_tokens=False)
    end = next(iter(backend._end_ids))
    ids = iter((control, end))

    def write(*_arguments):
        from lfmvl_ros.models.lfm2_vl.generating import Generated

        return [Generated(tuple(ids), (0.0, 0.0), FinishReason.STOP, 0.0, 0.0)]

    monkeypatch.setattr(backend, "_generate", write)
    assert backend.write(PROMPT, generation=SHORT).text == "<|im_start|>"


def test_the_context_is_not_overrun(backend):
    words = TextPrompt("", "crate " * 40_000)
    reply = backend.write(words, generation=SHORT)
    assert "model's context" in reply.error
    assert backend.write(PROMPT, generation=SHORT).error is None


def test_a_recorder_keeps_sentences_apart_from_images(backend, scenes, tmp_path):
    path = tmp_path / "replies.jsonl"
    frames, prompts = scenes(1)
    with ReplyRecorder(ReplayModel([RecordedReply(Reply("[]"))]), path) as recorder:
        recorder.ground(frames, prompts, generation=SHORT, image=ImageSettings())
        recorder.write(PROMPT, generation=SHORT)
    items = read_recording(path)
    assert [item.sentence for item in items] == ["", PROMPT.user]
    assert "no reply to this sentence" in items[1].reply.error


def test_what_models_can_do_comes_from_the_catalogue():
    assert tool_syntax("LiquidAI/LFM2.5-VL-450M") == "lfm2.5"
    assert tool_syntax("LFM2.5-VL-450M-GGUF:Q4_0") == "lfm2.5"
    assert tool_syntax("bundled") == "learned"
    assert tool_syntax("") == tool_syntax("replies.jsonl") == ""
    assert not may_describe("bundled")
    assert may_describe("LiquidAI/LFM2.5-VL-450M")
    assert may_describe("/my/checkpoint")
