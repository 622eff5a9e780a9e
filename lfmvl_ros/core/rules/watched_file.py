# SPDX-License-Identifier: Apache-2.0
"""A rules file that is read again when it changes."""

from __future__ import annotations

import os
from pathlib import Path

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.rules.rule import RuleSet
from lfmvl_ros.core.rules.rules_file import load_rules
from lfmvl_ros.core.user_files import user_path

_Signature = tuple[int, int, int, int] | None


def read_rules(path: str) -> RuleSet:
    """Return the rules of a file; none for "".

    Raises:
        UserError: the file can't be used.
    """
    return load_rules(user_path(path, "rules file")) if path else RuleSet()


class WatchedRules:
    """The rules of a file, as of the last time that it could be used.

    Args:
        path: of the file; "" for no rules.

    Attributes:
        path: in use.
        rules: in force; none before the file could be used.
        problem: why the present state of the file is not in force; "" when it is.
    """

    def __init__(self, path: str) -> None:
        self.path, self.problem, self.rules = path, "", RuleSet()
        self._seen = _signature(path)
        self._read()

    def poll(self, path: str) -> RuleSet | None:
        """Return new rules when the file, or its name, has changed; None when there are none.

        While the file has errors, or is missing, the previous rules stay in force.
        """
        now = _signature(path)
        if path == self.path and now == self._seen:
            return None
        self.path, self._seen = path, now
        return self.rules if self._read() else None

    def _read(self) -> bool:
        try:
            self.rules, self.problem = read_rules(self.path), ""
        except UserError as error:
            self.problem = str(error)
        return not self.problem


def _signature(path: str) -> _Signature:
    """What changes when the file does; None without a file."""
    if not path:
        return None
    try:
        found = os.stat(Path(user_path(path, "rules file")))
    except (OSError, UserError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
