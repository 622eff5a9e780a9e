# SPDX-License-Identifier: Apache-2.0
"""Calls as JSON: ``{"name": "count", "arguments": {"label": "red crate"}}``, alone or in a list.

What operators and agents send, and what many models write. Also OpenAI's form, in which
``arguments`` is a text and ``function`` stands around both. Strict: a key that appears twice, or
``NaN``, is no JSON.
"""

from __future__ import annotations

import json
from typing import Any

from lfmvl_ros.core.commands.calls import LONGEST_NAME, NoCallError, RawCall
from lfmvl_ros.core.user_files import json_integer, no_constant

_KEYS = {"name", "arguments", "parameters", "id", "type", "function"}


def strict_json(text: str) -> Any:
    """Return a JSON document.

    Raises:
        NoCallError: it is not valid JSON, has a key twice, a number that is not finite, or too
            many levels.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=no_constant, parse_int=json_integer
        )
    except RecursionError:
        raise NoCallError("it is nested too deeply") from None
    except ValueError as error:
        raise NoCallError(f"it is not JSON: {error}") from None


def calls_from(document: Any, span: tuple[int, int] = (0, 0)) -> list[RawCall]:
    """Return the calls of a document.

    Raises:
        NoCallError: it is something else.
    """
    if isinstance(document, list):
        return [call_from(item, span) for item in document]
    return [call_from(document, span)]


def call_from(document: Any, span: tuple[int, int] = (0, 0)) -> RawCall:
    """Return the call of one object.

    Raises:
        NoCallError: it is something else.
    """
    if not isinstance(document, dict):
        raise NoCallError("a call is an object with name and arguments")
    unknown = set(document) - _KEYS
    if unknown:
        raise NoCallError(f"a call has no key {sorted(unknown)[0][:LONGEST_NAME]!r}")
    inner = document.get("function")
    if inner is not None:
        if "name" in document or not isinstance(inner, dict) or "function" in inner:
            raise NoCallError("function holds name and arguments")
        return call_from(inner, span)
    name = document.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise NoCallError("name has to be the name of a tool")
    if "arguments" in document and "parameters" in document:
        raise NoCallError("a call has arguments or parameters, not both")
    arguments = document.get("arguments", document.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = strict_json(arguments)
    if not isinstance(arguments, dict):
        raise NoCallError("arguments has to be an object")
    return RawCall(name, arguments, span=span)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found
