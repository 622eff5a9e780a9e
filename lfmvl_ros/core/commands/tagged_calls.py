# SPDX-License-Identifier: Apache-2.0
"""Calls between tags, as LFM3 writes them.

``<tool_call><function=count><parameter=label>red crate</parameter></function></tool_call>``. Values
are texts; line ends around them don't count.
"""

from __future__ import annotations

import re

from lfmvl_ros.core.commands.calls import LONGEST_NAME, NoCallError, RawCall

_NAME = rf"[A-Za-z_][A-Za-z0-9_]{{0,{LONGEST_NAME - 1}}}"
_FUNCTION = re.compile(rf"<function=({_NAME})>\s*")
_PARAMETER = re.compile(
    rf"<parameter=({_NAME})>((?:(?!</?parameter|</?function).)*)</parameter>\s*", re.S
)
_END = "</function>"


def read_tagged_call(text: str, start: int, end: int) -> RawCall:
    """Read the one call that ``text[start:end]`` is, blanks aside.

    Raises:
        NoCallError: it is something else, or more than that.
    """
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    part = part.strip()
    head = _FUNCTION.match(part)
    if head is None:
        raise NoCallError("a call begins with <function=name>")
    at, arguments = head.end(), {}
    while not part.startswith(_END, at):
        match = _PARAMETER.match(part, at)
        if match is None:
            raise NoCallError(f"{head[1]} has something else than parameters, or does not end")
        if match[1] in arguments:
            raise NoCallError(f"the argument {match[1]} appears twice")
        arguments[match[1]] = match[2].strip("\r\n")
        at = match.end()
    if at + len(_END) != len(part):
        raise NoCallError(f"something follows the call of {head[1]}")
    return RawCall(head[1], arguments, is_text=True, span=(start, start + len(part)))
