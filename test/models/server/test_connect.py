# SPDX-License-Identifier: Apache-2.0
"""What is found out about a server before the first image goes there."""

import logging

import pytest

from lfmvl_ros.core.config import ImageSettings, PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.load import load_model, notice_of
from lfmvl_ros.models.server.address import parse_address
from lfmvl_ros.models.server.connect import announcement
from lfmvl_ros.models.server.facts import facts_of, spellings

from .scripted import Scripted, serving, tokens_of


def listing(*ids):
    script = Scripted()
    script.models = {"data": [{"id": id_} for id_ in ids]}
    return script


@pytest.mark.parametrize(
    ("served", "wanted", "id_", "name"),
    [
        (["any.gguf"], "#bundled", "any.gguf", "bundled"),
        (["/m/LFM2.5-VL-450M-Q4_0.gguf"], "", None, "LiquidAI/LFM2.5-VL-450M"),
        (["LiquidAI/LFM2-VL-3B"], "", None, "LiquidAI/LFM2-VL-3B"),
        (["a", "LiquidAI/LFM2.5-VL-450M"], "#lfm2.5-vl-450m", "LiquidAI/LFM2.5-VL-450M", None),
        (["a", "b"], "#b", "b", "b"),
        (["a"], "", "a", "a"),
        ([], "#bundled", "", "bundled"),
    ],
)
def test_which_model_is_meant(served, wanted, id_, name):
    with serving(listing(*served)) as address:
        model = load_model(address + wanted)
    assert model._model_id == (served[0] if id_ is None else id_)
    assert model.name == (name or "LiquidAI/LFM2.5-VL-450M")
    known = find(model.name)
    assert known is None or model.template == known.template


@pytest.mark.parametrize(
    ("served", "wanted", "said"),
    [
        (["a", "b"], "", "name one after #: a, b"),
        (["a", "b"], "#bundled", "no model 'bundled'"),
        (["a"], "#unheard-of", "no model 'unheard-of'"),
    ],
)
def test_an_unclear_model_is_refused(served, wanted, said):
    with serving(listing(*served)) as address, pytest.raises(UserError, match=said):
        load_model(address + wanted)


def test_a_model_nothing_is_known_about_is_used_with_a_warning(caplog):
    with serving(listing("mystery")) as address:
        model = load_model(address)
    assert any("nothing is known about" in record.message for record in caplog.records)
    assert model.image_rules(ImageSettings()) == ImageTokenSettings(split=False)


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("LiquidAI/LFM2.5-VL-450M-GGUF:Q4_0", "LiquidAI/LFM2.5-VL-450M"),
        ("LFM2-VL-1.6B-F16.gguf", "LiquidAI/LFM2-VL-1.6B"),
        ("/models/LFM2.5-VL-450M-Q8_0.gguf", "LiquidAI/LFM2.5-VL-450M"),
        ("bundled-q4_0.gguf", "bundled"),
    ],
)
def test_names_of_files_and_builds_are_found_in_the_catalogue(id_, name):
    assert next(filter(None, map(facts_of, spellings(id_)))).name == name


def test_a_model_without_eyes_is_refused():
    script = Scripted()
    script.props = {"modalities": {"vision": False}}
    with serving(script) as address, pytest.raises(UserError, match="--mmproj"):
        load_model(address)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (lambda document: 50, "ignores them"),
        (lambda document: 20 + max(64, tokens_of(document)), "--image-min-tokens 32"),
        (lambda document: 20 + 9 * tokens_of(document), "resizes or tiles"),
        (lambda document: 20 + tokens_of(document), ""),
        (None, ""),
    ],
    ids=["ignored", "enlarged", "tiled", "right", "by a completion"],
)
def test_tokens_of_images_are_compared_with_ours(count, said, caplog):
    script = Scripted()
    script.count = count
    with serving(script) as address:
        model = load_model(f"{address}#lfm2.5-vl-450m")
    assert said in model.problem
    assert bool(said) == bool(model.problem) == bool(caplog.records)


def test_the_limits_that_are_set_are_those_that_are_checked():
    script = Scripted()
    with serving(script) as address:
        load_model(
            PerceptionSettings(model=address, image=ImageSettings(min_tokens=40, max_tokens=300))
        )
    counted = [tokens_of(document) for path, _, document in script.requests if document]
    assert counted == [40, 300]


def test_a_server_that_does_not_count_is_reported():
    script = Scripted()
    script.count, script.usage = None, {}
    with serving(script) as address:
        assert "does not count" in load_model(address).problem


def test_the_key_goes_into_the_header_and_nowhere_else(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("LFMVL_API_KEY", "sk-secret-7")
    script = Scripted()
    with serving(script) as address:
        model = load_model(address)
    assert script.requests
    for path, headers, document in script.requests:
        assert headers["Authorization"] == "Bearer sk-secret-7"
        assert "secret" not in path + str(document)
    assert "secret" not in caplog.text + notice_of(model) + model.name
    monkeypatch.delenv("LFMVL_API_KEY")
    script.requests.clear()
    with serving(script) as address:
        load_model(address)
    assert all("Authorization" not in headers for _, headers, _ in script.requests)


def test_a_wrong_key_is_a_sentence():
    script = Scripted()
    script.models = lambda handler: handler.answer(401, {"error": {"message": "Invalid API Key"}})
    with serving(script) as address, pytest.raises(UserError, match="LFMVL_API_KEY"):
        load_model(address)


def test_where_images_go_is_said():
    assert "sent to http://localhost:1;" in announcement(parse_address("http://localhost:1"), "")
    assert "not encrypted" not in announcement(parse_address("unix:/a.sock"), "k")
    assert "not encrypted" not in announcement(parse_address("https://host"), "k")
    text = announcement(parse_address("http://host"), "k")
    assert "images and the key in LFMVL_API_KEY can be read" in text


def test_a_loading_server_is_waited_for():
    script, left = Scripted(), [2]
    listed = script.models

    def models(handler):
        left[0] -= 1
        if left[0] >= 0:
            handler.answer(503, {"error": {"message": "Loading model"}})
        else:
            handler.answer(200, listed)

    script.models = models
    with serving(script) as address:
        assert load_model(address).name == "LiquidAI/LFM2.5-VL-450M"
