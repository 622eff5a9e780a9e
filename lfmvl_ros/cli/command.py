# SPDX-License-Identifier: Apache-2.0
"""How ``lfmvl`` finds a command."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A line of ``lfmvl --help``, and the module with ``HELP``, ``configure`` and ``run``.

    The module is imported when the command is called.
    """

    line: str
    module: str
