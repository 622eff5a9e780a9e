# SPDX-License-Identifier: Apache-2.0
"""The parser of a command's words: what its help shows, and how it ends on a wrong word."""

from __future__ import annotations

import argparse
from typing import NoReturn

from lfmvl_ros.core.errors import UserError

_MOST_NAMED = 12
"""A command with more options than this names only the required ones in its usage."""


class CommandParser(argparse.ArgumentParser):
    """Ends with one sentence where it can't take a word, without the usage of sixty flags."""

    def error(self, message: str) -> NoReturn:
        """Raise a :class:`UserError` about a word."""
        raise UserError(f"{message}; `{self.prog} --help` lists what it takes")

    def format_help(self) -> str:
        """Return the help: a usage of one or two lines, and the default of each option."""
        self.formatter_class = _WithDefaults
        if self.usage is None and len(self._actions) > _MOST_NAMED:
            self.usage = " ".join(filter(None, ["%(prog)s [options]", *map(_usage, self._actions)]))
        return super().format_help()


class _WithDefaults(argparse.HelpFormatter):
    """Adds the default to the help of an option that does not say it."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        default = action.default
        nothing = default is None or default is False or default in ("", argparse.SUPPRESS, [])
        if not text or nothing or "default" in text or not action.option_strings:
            return text
        return f"{text} (default %(default)s)"


def _usage(action: argparse.Action) -> str:
    """Return how a word is given that a command needs; "" for one that may be left out."""
    name = action.metavar if isinstance(action.metavar, str) else action.dest
    if action.option_strings:
        name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        return f"{action.option_strings[-1]} {name}" if action.required else ""
    return f"{name} ..." if action.nargs == "+" else name
