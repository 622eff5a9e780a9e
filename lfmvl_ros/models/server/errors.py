# SPDX-License-Identifier: Apache-2.0
"""Error messages for failed requests to a server, with advice."""

from __future__ import annotations

import json
from typing import Any

from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.core.user_files import parse_json
from lfmvl_ros.models.server.address import API_KEY_VARIABLE

_LONGEST = 300
_ADVICE = (
    ("image input is not supported", "start the server with --mmproj and the model's mmproj file"),
    ("exceed_context_size", "start the server with a larger -c, or lower image.max_tokens"),
    ("loading model", "wait until the server has loaded its model"),
)
_BY_STATUS = {
    401: f"put the server's key into the environment variable {API_KEY_VARIABLE}",
    403: f"put the server's key into the environment variable {API_KEY_VARIABLE}",
    404: "check address and model name: the API is usually below /v1, the name follows #",
    413: "lower image.max_tokens, or allow larger requests in the server or its proxy",
    429: "lower trigger.max_rate_hz, or the number of clients",
}
LOADING = 503
"""Status of a server that is not ready yet."""


def json_value(text: bytes) -> Any:
    """Return the JSON value in a text of a server; None where there is none that can be read."""
    try:
        return parse_json(text)
    except ValueError:  # no JSON, or nested a thousand deep
        return None


def message_of(body: bytes) -> str:
    """Return the sentence in a server's error: OpenAI's form, FastAPI's, or whatever it is.

    >>> message_of(b'{"error": {"message": "Loading model", "type": "unavailable_error"}}')
    'Loading model'
    """
    document = json_value(body)
    if document is None:
        return _short(body[: 4 * _LONGEST].decode("utf-8", "replace"))
    found = document
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and key in found:
            found = found[key]
    if isinstance(found, dict):
        found = found.get("message", json.dumps(found))
    return _short(found if isinstance(found, str) else json.dumps(found))


def refusal(status: int, body: bytes) -> str:
    """Return what a response with an error status means, with advice where there is some.

    >>> refusal(500, b'{"error": {"message": "image input is not supported"}}').split("; ")[1]
    "start the server with --mmproj and the model's mmproj file"
    """
    message = message_of(body)
    whole = body[: 1 << 16].decode("utf-8", "replace").lower()
    advice = next((advice for mark, advice in _ADVICE if mark in whole), _BY_STATUS.get(status))
    if 300 <= status < 400:
        advice = "redirects are not followed: configure the address that it leads to"
    sentence = f"the server answered {status}" + (f": {message}" if message else "")
    return f"{sentence}; {advice}" if advice else sentence


def _short(text: str) -> str:
    return safe_text(text)[:_LONGEST]
