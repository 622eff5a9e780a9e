# SPDX-License-Identifier: Apache-2.0
"""What the model writes: tool calls in the syntax of LFM2.5, or why there is no call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum

from lfmvl_ros.core.commands.tools import Tool

START, STOP = "<|tool_call_start|>", "<|tool_call_end|>"


class Refusal(Enum):
    """Why a sentence leads to no call; the value is what the model writes."""

    OBJECT = "I know no such object."
    TOOL = "No tool of mine does that."
    UNCLEAR = "I did not understand that."


def written(calls: Sequence[Tool] | Refusal) -> str:
    """Return the answer to a sentence.

    >>> from lfmvl_ros.core.commands.tools import Count
    >>> written([Count("red crate")])
    '<|tool_call_start|>[count(label="red crate")]<|tool_call_end|>'
    >>> written(Refusal.OBJECT)
    'I know no such object.'
    """
    if isinstance(calls, Refusal):
        return calls.value
    return f"{START}[{', '.join(_written(call) for call in calls)}]{STOP}"


def _written(call: Tool) -> str:
    usual = {name: field.default for name, field in type(call).__dataclass_fields__.items()}
    given = {
        name: value
        for name, value in call.to_document()["arguments"].items()
        if value != usual[name]
    }
    arguments = ", ".join(f"{name}={_value(value)}" for name, value in given.items())
    return f"{call.name}({arguments})"


def _value(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)
