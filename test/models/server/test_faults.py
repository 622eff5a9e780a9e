# SPDX-License-Identifier: Apache-2.0
"""Every way in which a server fails becomes an outcome with a sentence, in time."""

import json
import logging
import threading
from dataclasses import replace

import numpy as np
import pytest

from lfmvl_ros.core.ask import ask
from lfmvl_ros.core.config import GenerationSettings, ImageSettings, PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.load import load_model
from lfmvl_ros.models.server import model as server_model
from lfmvl_ros.models.server.http import fetch

from ...domains import next_port
from ...waiting import PATIENCE_S
from .scripted import ANSWER, Scripted, events, serving

PIXELS = np.zeros((96, 128, 3), np.uint8)
PATIENT = GenerationSettings(timeout_s=PATIENCE_S)
HASTY = GenerationSettings(timeout_s=0.3)


def ground(model, generation=PATIENT, pixels=PIXELS, **rest):
    prompt = model.template.render(_query())
    (reply,) = model.ground(
        [Frame(pixels, 0)], [prompt], generation=generation, image=ImageSettings(), **rest
    )
    return reply


def _query():
    from lfmvl_ros.core.query import Query

    return Query.parse("tote")


def asked(chat, generation=PATIENT):
    """Return the reply of a server that does ``chat``."""
    with serving(Scripted(chat)) as address:
        return ground(load_model(address), generation)


def test_a_streamed_answer_is_read():
    script = Scripted()
    with serving(script) as address:
        model = load_model(address)
        (grounding,) = ask(model, [PIXELS], "tote")
    assert grounding.outcome is Outcome.OK
    assert grounding.confidence_kind == "token"
    assert grounding.reply.text == ANSWER
    assert model.name == "LiquidAI/LFM2.5-VL-450M"
    path, _, document = script.requests[-1]
    assert path == "/v1/chat/completions"
    assert document["model"] == "lfm2.5-vl-450m"
    assert [part["type"] for part in document["messages"][0]["content"]] == ["image_url", "text"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"error": {"message": "Invalid API Key"}}, "Invalid API Key; put the server's key"),
        (404, {"detail": "no such model"}, "404: no such model; check address and model name"),
        (400, {"error": {"message": "too long", "type": "exceed_context_size_error"}}, "larger -c"),
        (500, {"error": {"message": "image input is not supported"}}, "--mmproj"),
        (500, b"<html>oops\x1b[2J</html>", "500: <html>oops [2J</html>"),
        (429, b"", "answered 429; lower trigger.max_rate_hz"),
        (302, b"", "redirects are not followed"),
        (200, {"choices": []}, "did not stream its answer"),
    ],
)
def test_a_refusal_is_passed_on_with_advice(status, body, said):
    reply = asked(lambda handler, _: handler.answer(status, body))
    assert reply.finish is FinishReason.ERROR
    assert said in reply.error
    assert "http://127.0.0.1" in reply.error


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (events()[:7], "closed the stream before"),
        ([b"data: {]\n\n"], "no JSON object"),
        ([b"data: [1]\n\n"], "no JSON object"),
        ([b"data: " + b"[" * 100_000 + b"\n\n"], "no JSON object"),
        ([b'data: {"error": {"message": "slot failed"}}\n\n'], "slot failed"),
        ([*events()[:5], b'error: {"message": "out of memory"}\n\n'], "out of memory"),
        ([b"\xff\xfe garbage \n" * 50], "closed the stream before"),
        ([], "closed the stream before"),
        (events(finish="content_filter"), "content filter"),
    ],
)
def test_a_broken_stream_is_an_error(lines, said):
    reply = asked(lambda handler, _: handler.stream(lines))
    assert reply.finish is FinishReason.ERROR
    assert said in reply.error


def test_a_connection_that_breaks_before_the_answer_is_an_error():
    def hang_up(handler, _):
        handler.close_connection = True
        handler.connection.close()

    reply = asked(hang_up)
    assert reply.finish is FinishReason.ERROR
    assert "closed the connection" in reply.error or "Connection reset" in reply.error


@pytest.mark.parametrize("beginning", [[], events()[:9]], ids=["nothing", "half an answer"])
def test_a_server_that_hangs_is_left_at_the_deadline(beginning):
    def chat(handler, _):
        handler.stream([*beginning, b": still here\n"])
        handler.script.hung_up.wait(600)

    script = Scripted(chat)
    with serving(script) as address:
        model = load_model(address)
        reply = ground(model, GenerationSettings(timeout_s=3.0) if beginning else HASTY)
    assert reply.finish is FinishReason.DEADLINE
    assert reply.text == ANSWER[: len(beginning)]
    assert len(reply.tokens) == len(beginning)


def test_a_server_that_accepts_and_says_nothing_is_left_at_the_deadline():
    reply = asked(lambda handler, _: handler.script.hung_up.wait(600), HASTY)
    assert reply.finish is FinishReason.DEADLINE


def test_a_server_that_does_not_read_the_request_is_left_at_the_deadline():
    script = Scripted()
    with serving(script) as address:
        model = load_model(address)
        script.unread.set()
        reply = ground(model, HASTY, np.zeros((960, 1280, 3), np.uint8))  # more than buffers hold
    assert reply.finish is FinishReason.DEADLINE
    assert not reply.text


def test_the_server_sees_that_an_answer_is_not_wanted_any_more():
    script = Scripted()
    script.chat = lambda handler, _: handler.stream(
        endless(), pause=lambda: script.hung_up.wait(0.005)
    )
    with serving(script) as address:
        model = load_model(address)
        came = threading.Event()
        count = []

        def cancelled():
            count.append(1)
            came.set()
            return len(count) > 20

        reply = ground(model, cancelled=cancelled)
        assert reply.finish is FinishReason.DEADLINE
        assert script.gone.wait(PATIENCE_S)


def endless():
    """An answer of ever other words."""
    number = 0
    while True:
        number += 1
        yield from events(f"{number} words ")[:-2]


def test_an_answer_without_end_is_stopped_by_the_rules_of_this_package():
    script = Scripted(lambda handler, _: handler.stream(repeat()))

    def repeat():
        while True:
            yield from events(ANSWER[1:-1] + ", ")[:-2]

    with serving(script) as address:
        reply = ground(load_model(address))
        assert reply.finish is FinishReason.REPETITION
        assert script.gone.wait(PATIENCE_S)


def test_a_loading_server_is_waited_for():
    left = [3]

    def chat(handler, _):
        left[0] -= 1
        if left[0] >= 0:
            handler.answer(503, {"error": {"message": "Loading model"}})
        else:
            handler.stream(events())

    assert asked(chat).text == ANSWER
    left[0] = 10**6
    reply = asked(chat, HASTY)
    assert "still loading" in reply.error


def test_a_server_that_goes_and_comes_back(caplog):
    caplog.set_level(logging.INFO)
    script = Scripted()
    port = next_port()
    with serving(script, port) as address:
        model = load_model(address)
        assert ground(model).text == ANSWER
    for _ in range(2):
        reply = ground(model)
        assert reply.finish is FinishReason.ERROR
        assert "nobody listens there" in reply.error
    with serving(Scripted(), port):
        assert ground(model).text == ANSWER
    said = [record.message for record in caplog.records]
    assert sum("no answer from" in text for text in said) == 1, "once, not with every frame"
    assert sum("answers again" in text for text in said) == 1


def test_a_server_that_is_away_is_not_asked_at_full_speed(monkeypatch):
    monkeypatch.setattr(server_model, "_PAUSE_S", 600.0)
    with serving(Scripted(), next_port()) as address:
        model = load_model(address)
    ground(model)
    count = []
    reply = ground(model, cancelled=lambda: count.append(1) or len(count) > 3)
    assert reply.finish is FinishReason.DEADLINE, "it still waits before the next attempt"
    assert not reply.error


@pytest.mark.parametrize(
    "lines",
    [
        events(tokens=False),
        events(logprob=0.0),
        events(logprob=float("nan")),
        events(logprob=0.5),
        [*events()[:8], *events(ANSWER[8:12], tokens=False)[:4], *events(ANSWER[12:])],
    ],
    ids=["none", "zeros", "nan", "positive", "gaps"],
)
def test_probabilities_that_cannot_be_trusted_give_constant_confidence(lines, caplog):
    with serving(Scripted(lambda handler, _: handler.stream(lines))) as address:
        model = load_model(address)
        groundings = [ask(model, [PIXELS], "tote")[0] for _ in range(2)]
    for grounding in groundings:
        assert grounding.outcome is Outcome.OK
        assert grounding.reply.text == ANSWER
        assert grounding.confidence_kind == "constant"
    assert sum("every confidence is constant" in record.message for record in caplog.records) == 1


def test_several_frames_are_asked_about_at_once():
    gate = threading.Barrier(3, timeout=PATIENCE_S)

    def chat(handler, document):
        gate.wait()  # passes only when all three requests are there
        handler.stream(events(f"{document['messages'][0]['content'][1]['text'][-5:]}"))

    with serving(Scripted(chat)) as address:
        model = load_model(address)
        prompts = [model.template.render(_query())] * 3
        prompts = [replace(p, text=f"{p.text} no {i}") for i, p in enumerate(prompts)]
        replies = model.ground(
            [Frame(PIXELS, i) for i in range(3)], prompts, generation=PATIENT,
            image=ImageSettings(),
        )  # fmt: skip
    assert [reply.text for reply in replies] == [" no 0", " no 1", " no 2"]


def test_one_of_several_fails_alone():
    def chat(handler, document):
        if document["messages"][0]["content"][1]["text"].endswith("1"):
            handler.answer(500, {"error": {"message": "no"}})
        else:
            handler.stream(events())

    with serving(Scripted(chat)) as address:
        model = load_model(address)
        prompt = model.template.render(_query())
        replies = model.ground(
            [Frame(PIXELS, i) for i in range(3)],
            [replace(prompt, text=f"{prompt.text} {i}") for i in range(3)],
            generation=PATIENT, image=ImageSettings(),
        )  # fmt: skip
    assert [reply.error is None for reply in replies] == [True, False, True]


def test_a_prompt_of_more_tokens_than_sent_is_reported(caplog):
    lines = events(prompt_tokens=1713)
    asked(lambda handler, _: handler.stream(lines))
    assert any("--image-max-tokens 256" in record.message for record in caplog.records)


def test_only_the_configured_host_is_asked(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert asked(lambda handler, _: handler.stream(events())).text == ANSWER
    elsewhere = Scripted()
    with serving(elsewhere) as other:
        reply = asked(
            lambda handler, _: handler.answer(307, b"", Location=f"{other}/v1/chat/completions")
        )
    assert reply.finish is FinishReason.ERROR
    assert elsewhere.requests == []


def test_a_request_has_its_time_limit():
    script = Scripted()
    script.models = lambda handler: script.hung_up.wait(600)
    with serving(script) as address:
        from lfmvl_ros.models.server.address import parse_address

        response = fetch(parse_address(address), "/v1/models", limit_s=0.2)
        assert response.failure is not None
        assert "0.2 s" in response.failure.sentence
        assert not script.hung_up.is_set()


def test_a_setting_that_means_nothing_to_a_server_is_named_once(caplog):
    with serving(Scripted()) as address:
        model = load_model(PerceptionSettings(model=address, image=ImageSettings(split="always")))
        for _ in range(2):
            prompt = model.template.render(_query())
            model.ground(
                [Frame(PIXELS, 0)], [prompt], generation=PATIENT,
                image=ImageSettings(split="always"),
            )  # fmt: skip
    assert sum("image.split" in record.message for record in caplog.records) == 1
    assert model.image_rules(ImageSettings(split="always")).split is False


def test_all_that_is_sent_is_stated():
    script = Scripted()
    settings = GenerationSettings(
        temperature=0.1,
        min_p=0.15,
        top_k=50,
        top_p=0.9,
        repetition_penalty=1.05,
        grammar="always",
        max_new_tokens=99,
    )
    with serving(script) as address:
        ground(load_model(address), settings)
    document = script.requests[-1][2]
    wanted = {
        "temperature": 0.1, "min_p": 0.15, "top_k": 50, "top_p": 0.9, "max_tokens": 99,
        "repeat_penalty": 1.05, "repetition_penalty": 1.05, "stream": True, "logprobs": True,
    }  # fmt: skip
    assert {name: document[name] for name in wanted} == wanted
    schema = document["response_format"]["json_schema"]["schema"]
    assert schema["items"]["properties"]["label"] == {"type": "string", "enum": ["tote"]}
    assert json.dumps(schema)


def test_the_user_error_of_a_wrong_address():
    with pytest.raises(UserError, match="can't be reached"):
        load_model("http://127.0.0.1:1")
