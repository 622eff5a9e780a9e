# SPDX-License-Identifier: Apache-2.0
"""JSON documents of received messages, checked before they are used.

A recorder listens to whoever publishes ``track_states`` and ``grounding``, a client of commands to
whoever publishes ``command_result``: another version of the node, another program, a test. What
can't be used raises a :class:`ValueError` with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.tracking import TrackState
from lfmvl_ros.core.user_files import json_integer, no_constant

LONGEST = 4 << 20  # characters; a thousand tracks are a tenth of it
_LARGEST_SIDE_PX = 1 << 16


def states_from(text: str) -> tuple[int, dict[str, Any]]:
    """Return the stamp (nanoseconds) and the document of a ``track_states`` message.

    Raises:
        ValueError: it is not a JSON object with the keys that drawing needs.
    """
    document = _object(text)
    stamp = _part(document, "stamp", dict)
    sec, nanosec = _part(stamp, "sec", int), _part(stamp, "nanosec", int)
    if not (0 <= sec < 1 << 32 and 0 <= nanosec < 10**9):
        raise ValueError("stamp is out of range")
    for side in ("width", "height"):
        if not 0 < _part(document, side, int) <= _LARGEST_SIDE_PX:
            raise ValueError(f"{side} is out of range")
    for track in _objects(document, "tracks"):
        _part(track, "id", int)
        _part(track, "label", str)
        TrackState(_part(track, "state", str))
        _number(track, "confidence")
        _numbers(track, "bbox", 4, limit=16.0)
        _numbers(track, "velocity", 2, limit=1e6)
    return sec * 10**9 + nanosec, document


def grounding_from(text: str) -> dict[str, Any]:
    """Return the document of a ``grounding`` message.

    Raises:
        ValueError: it is not a JSON object with the keys that the summary needs.
    """
    document = _object(text)
    for key in ("status", "query", "model"):
        _part(document, key, str)
    _number(_part(document, "timing", dict), "total_ms")
    return document


def command_result_from(text: str) -> dict[str, Any]:
    """Return the document of a ``command_result`` message.

    Raises:
        ValueError: it is not a JSON object with the keys that a client needs.
    """
    document = _object(text)
    for key in ("id", "status", "message"):
        _part(document, key, str)
    for call in _objects(document, "calls"):
        _part(call, "name", str)
        _part(call, "arguments", dict)
        _part(call, "data", dict)
    return document


def _object(text: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text)} characters")
    try:
        document = json.loads(text, parse_constant=no_constant, parse_int=json_integer)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def _objects(document: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    for part in _part(document, key, list):
        if not isinstance(part, dict):
            raise ValueError(f"{key} holds something that is not an object")
        yield part


def _part(document: dict[str, Any], key: str, kind: type) -> Any:
    value = document.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{key} is missing or of another type")
    return value


def _number(document: dict[str, Any], key: str) -> None:
    _numbers({key: [document.get(key)]}, key, 1, limit=1e12)


def _numbers(document: dict[str, Any], key: str, count: int, limit: float) -> None:
    values = _part(document, key, list)
    for value in values:
        if not is_number(value, limit):
            raise ValueError(f"{key} holds something that is not a number up to {limit:g}")
    if len(values) != count:
        raise ValueError(f"{key} has {len(values)} numbers instead of {count}")
