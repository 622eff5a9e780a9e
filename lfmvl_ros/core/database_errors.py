# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a SQLite file, in words; for every file of ours that is one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from lfmvl_ros.core.errors import UserError


@contextmanager
def database_errors(what: str, advice: str) -> Iterator[None]:
    """Turn what SQLite raises into a sentence.

    Args:
        what: names the file, such as ``the memory out/memory.db``.
        advice: what to do.

    Raises:
        UserError: the file can't be opened, read or written, or is damaged.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise UserError(f"{what} can't be used ({error}); {advice}") from error
    except UnicodeDecodeError as error:  # of SQLite's own message, which quotes damaged names
        raise UserError(
            f"{what} can't be used (it is damaged: a name in it is not UTF-8 text); {advice}"
        ) from error
