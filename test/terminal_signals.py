# SPDX-License-Identifier: Apache-2.0
"""Signals as a terminal gives them to a command, whatever the tests were started with."""

from __future__ import annotations

import signal


def default_signals() -> None:
    """Undo what a parent passes on: SIGHUP ignored by ``nohup make test``, SIGINT by ``&``."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
