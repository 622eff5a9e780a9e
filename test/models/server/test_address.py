# SPDX-License-Identifier: Apache-2.0
"""Which server a ``model`` setting means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.load import check_model
from lfmvl_ros.models.server.address import api_key, is_gguf, is_server, parse_address

from ...examples import examples


@pytest.mark.parametrize(
    ("setting", "where", "path", "model", "local"),
    [
        ("http://localhost:8080/v1#name", "http://localhost:8080", "/v1", "name", True),
        ("http://jetson:8080", "http://jetson:8080", "/v1", "", False),
        ("HTTP://127.0.0.1", "http://127.0.0.1:80", "/v1", "", True),
        ("https://host/v1/", "https://host:443", "/v1", "", False),
        ("https://host/a/b#x/y", "https://host:443", "/a/b", "x/y", False),
        ("http://[::1]:8080/v1", "http://[::1]:8080", "/v1", "", True),
        ("http://10.0.0.7:1/v1#a%23b", "http://10.0.0.7:1", "/v1", "a#b", False),
        ("unix:/run/llama.sock", "unix:/run/llama.sock", "/v1", "", True),
        ("unix:///run/llama.sock#bundled", "unix:/run/llama.sock", "/v1", "bundled", True),
    ],
)
def test_addresses(setting, where, path, model, local):
    assert is_server(setting)
    found = parse_address(f" {setting} ")
    assert (found.where, found.path, found.model, found.is_local) == (where, path, model, local)


@pytest.mark.parametrize(
    "setting",
    [
        "http://", "http:///v1", "http://host:notaport/v1", "http://host:99999", "https://a b/v1",
        "http://host/v1?key=1", "unix:", "unix:relative.sock", f"unix:/{'x' * 120}", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_anything_is_loaded(setting):
    with pytest.raises(UserError, match="unix:/"):
        check_model(PerceptionSettings(model=setting))


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(UserError, match="LFMVL_API_KEY") as caught:
        parse_address("https://me:geheim@host/v1")
    assert "geheim" not in str(caught.value)


@given(st.text(max_size=40))
@examples(200)
def test_any_text_is_an_address_or_refused(text):
    for start in ("http://", "https://", "unix:"):
        try:
            found = parse_address(start + text)
        except UserError:
            continue
        again = parse_address(found.where + found.path * (found.scheme != "unix"))
        assert (again.where, again.socket) == (found.where, found.socket)


@pytest.mark.parametrize(
    "model", ["bundled", "LiquidAI/LFM2.5-VL-450M", "./dir", "answers.jsonl", "http.gguf", ""]
)
def test_other_models_are_no_servers(model):
    assert not is_server(model)
    assert is_gguf(model) == model.endswith("gguf")


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("LFMVL_API_KEY", raising=False)
    assert api_key() == ""
    monkeypatch.setenv("LFMVL_API_KEY", " sk-1 \n")
    assert api_key() == "sk-1"
    monkeypatch.setenv("LFMVL_API_KEY", "a\nHost: elsewhere")
    with pytest.raises(UserError, match="LFMVL_API_KEY"):
        api_key()
