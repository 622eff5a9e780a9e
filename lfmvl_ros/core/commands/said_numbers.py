# SPDX-License-Identifier: Apache-2.0
"""Whether the numbers of calls are those that a sentence says.

A small model that has seen few long numbers writes the beginning of one: 1234 for 12345. Such a
call is valid, and about another object.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence

from lfmvl_ros.core.commands.tools import Follow, Tool
from lfmvl_ros.core.errors import UserError

_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")  # digits of any script
_UNITS_S = (1, 60, 3600)


def check_numbers(sentence: str, tools: Sequence[Tool]) -> None:
    """Refuse calls with a number that a sentence does not say.

    Without a digit in the sentence, its numbers are words, and nothing is known of them. Otherwise
    an id must be one of the numbers. A time may be one of them in seconds, minutes or hours, or two
    of those together, or said in words; but no part of a longer number.

    Raises:
        UserError: says which number.

    >>> check_numbers("follow object 12345", [Follow(12345)])
    >>> check_numbers("follow object 12345", [Follow(1234)])
    Traceback (most recent call last):
        ...
    lfmvl_ros.core.errors.UserError: follow: the sentence does not say 1234, but 12345
    """
    said = [number.replace(",", ".") for number in _NUMBER.findall(sentence)]
    values = [float(number) for number in said]
    if not said:
        return
    times = {value * unit for value in values for unit in _UNITS_S}
    times |= {a + b for a, b in itertools.combinations(times, 2)}
    digits = ["".join(str(int(c)) for c in number if c.isdecimal()) for number in said]
    for tool in tools:
        value, usual = getattr(tool, "timeout_s", None), _usual_timeout_s(tool)
        if isinstance(tool, Follow):
            wrong = tool.id not in values
            value = tool.id
        elif value is None or value == usual or value in times:
            continue
        else:
            wrong = any(f"{value:g}" in number for number in digits)
        if wrong:
            raise UserError(
                f"{tool.name}: the sentence does not say {value:g}, but {', '.join(said)}"
            )


def _usual_timeout_s(tool: Tool) -> object:
    return {field.name: field.default for field in dataclasses.fields(tool)}.get("timeout_s")
