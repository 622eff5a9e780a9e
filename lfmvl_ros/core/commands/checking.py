# SPDX-License-Identifier: Apache-2.0
"""From a call as it was written to a tool that may be used; errors are messages for users."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from lfmvl_ros.core.commands.arguments import arguments_of, checked
from lfmvl_ros.core.commands.calls import RawCall
from lfmvl_ros.core.commands.tools import TOOLS, Tool
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted

MOST_CALLS = 8
"""Calls in one command."""


def understand(call: RawCall, allowed: Collection[str]) -> Tool:
    """Return the tool that a call means.

    Args:
        call: as read.
        allowed: names of tools that may be used.

    Raises:
        UserError: there is no such tool, it may not be used, or its arguments are wrong.
    """
    kind = TOOLS.get(call.name)
    if kind is None:
        near = difflib.get_close_matches(call.name, TOOLS, n=1)
        meant = f"; did you mean {near[0]}?" if near else f"; the tools are {', '.join(TOOLS)}"
        raise UserError(f"there is no tool {quoted(call.name)}{meant}")
    if call.name not in allowed:
        raise UserError(f"{call.name} is not allowed; the parameter commands.allow decides")
    try:
        names = list(arguments_of(kind))
        if len(call.positional) > len(names):
            raise UserError(f"it takes {len(names)} arguments, got {len(call.positional)}")
        given = dict(zip(names, call.positional, strict=False))
        twice = [name for name in call.arguments if name in given]
        if twice:
            raise UserError(f"{twice[0]} is given twice")
        return kind(**checked(kind, {**given, **call.arguments}, is_text=call.is_text))
    except UserError as error:
        raise UserError(f"{call.name}: {error}") from error


def understand_all(calls: Sequence[RawCall], allowed: Collection[str]) -> tuple[Tool, ...]:
    """Return the tools that calls mean; one that is wrong refuses them all.

    Raises:
        UserError: as :func:`understand`, or there are too many of them.
    """
    if len(calls) > MOST_CALLS:
        raise UserError(f"at most {MOST_CALLS} calls in one command, got {len(calls)}")
    return tuple(understand(call, allowed) for call in calls)
