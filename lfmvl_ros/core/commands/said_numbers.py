# SPDX-License-Identifier: Apache-2.0
"""Whether the numbers of calls are those that a sentence says.

A small model that has seen few long numbers writes the beginning of one: 1234 for 12345. Such a
call is valid, and about another object.
"""

from __future__ import annotations

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
    for tool in tools if said else ():
        number = _not_said(tool, said)
        if number is not None:
            raise UserError(
                f"{tool.name}: the sentence does not say {number:.15g}, but {', '.join(said)}"
            )


def _not_said(tool: Tool, said: Sequence[str]) -> float | None:
    """Return a number of a call that is not among those said; None where all are."""
    values = [float(number) for number in said]
    if isinstance(tool, Follow):
        return None if tool.id in values else tool.id
    time_s: float | None = getattr(tool, "timeout_s", None)
    if time_s is None or time_s == getattr(type(tool), "timeout_s", None):  # the usual one
        return None
    times = {value * unit for value in values for unit in _UNITS_S}
    if time_s in times or any(time_s - one in times and 2 * one != time_s for one in times):
        return None
    digits = ("".join(str(int(c)) for c in number if c.isdecimal()) for number in said)
    return time_s if any(f"{time_s:g}" in number for number in digits) else None
