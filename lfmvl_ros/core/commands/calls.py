# SPDX-License-Identifier: Apache-2.0
"""Tool calls as they were written, before they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LONGEST_NAME = 64


@dataclass(frozen=True)
class RawCall:
    """A well-formed call.

    Attributes:
        name: name of the tool, which may not exist.
        arguments: by name: texts, numbers, booleans, None, and lists of these.
        positional: those without a name.
        is_text: all values are texts, as the syntax has no other type.
        span: where it stands in the text that was read.
    """

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    positional: tuple[object, ...] = ()
    is_text: bool = False
    span: tuple[int, int] = (0, 0)


class NoCallError(Exception):
    """A text is not a well-formed call; the message says why."""
