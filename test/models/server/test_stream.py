# SPDX-License-Identifier: Apache-2.0
"""Streams of any cut give the same answer, and no stream raises."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.server.stream import AnswerStream

from ...examples import examples
from .scripted import ANSWER, events


def read(lines):
    stream = AnswerStream()
    for line in lines:
        for part in line.splitlines(keepends=True):
            stream.feed(part)
    return stream


def piece(content, entries=None, finish=None):
    choice = {"delta": {"content": content}, "finish_reason": finish}
    if entries is not None:
        choice["logprobs"] = {"content": entries}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n"


def entry(raw, logprob=-0.1, **more):
    return {"token": raw.decode("utf-8", "replace"), "bytes": list(raw), "logprob": logprob, **more}


def test_an_answer_with_tokens_counts_and_an_end():
    stream = read(events(prompt_tokens=170))
    assert stream.text == ANSWER == "".join(token.text for token in stream.tokens)
    assert stream.finish is FinishReason.STOP
    assert stream.complete
    assert stream.prompt_tokens == 170
    assert not stream.spoiled


def test_a_character_of_several_tokens_belongs_to_the_one_that_completes_it():
    stream = read([piece("", [entry("人".encode()[:1])]), piece("人", [entry("人".encode()[1:])])])
    assert [token.text for token in stream.tokens] == ["", "人"]
    assert stream.text == "人"


def test_hidden_thoughts_are_no_part_of_the_answer():
    thought = {"delta": {"reasoning_content": "hmm"}, "logprobs": {"content": [entry(b"hmm")]}}
    stream = read([b"data: " + json.dumps({"choices": [thought]}).encode(), *events()])
    assert stream.text == ANSWER


def test_what_follows_a_closed_list_does_not_count():
    stream = read(events(f"{ANSWER} I hope this helps"))
    assert stream.finish is FinishReason.STOP
    assert stream.text == ANSWER
    assert stream.complete


def test_the_limit_of_the_server_is_the_answers():
    assert read(events(finish="length")).finish is FinishReason.LENGTH


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.data())
@examples(100)
def test_the_cut_into_events_and_tokens_does_not_matter(text, data):
    raw, lines, shown = text.encode(), [], 0
    start = 0
    while start < len(raw):
        end = data.draw(st.integers(start + 1, len(raw)))
        whole = raw[:end].decode("utf-8", "ignore")  # what a server can show by now
        lines.append(piece(whole[shown:], [entry(raw[start:end])]))
        shown, start = len(whole), end
    stream = read(lines)
    if stream.finish is None:  # it may say the same thing over and over
        assert stream.text == text
        assert "".join(token.text for token in stream.tokens) == text
        assert len(stream.tokens) == len(lines)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "delta", "content", "logprobs", "token", "bytes", "logprob",
                         "usage", "prompt_tokens", "timings", "finish_reason", "error", "id"]),
        inner, max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(JSON.map(lambda d: b"data: " + json.dumps(d).encode()) | st.binary(max_size=40)))
@examples(200)
def test_no_stream_raises(lines):
    stream = read(lines)
    assert isinstance(stream.text, str)
    assert all(token.logprob <= 0 for token in stream.tokens)


@given(st.lists(st.floats(-5, -1e-6) | st.just(0.0), min_size=30, max_size=60))
@examples(100)
def test_made_up_certainty_is_found(logprobs):
    zeros = "".join("0" if value == 0 else "1" for value in logprobs)
    stream = read([piece(str(i % 7), [entry(str(i % 7).encode(), value)])
                   for i, value in enumerate(logprobs)])  # fmt: skip
    made_up = "0" * 16 in zeros or zeros.count("0") >= 0.75 * len(zeros)
    if stream.finish is None:
        assert stream.spoiled == made_up
