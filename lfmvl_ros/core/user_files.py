# SPDX-License-Identifier: Apache-2.0
"""Reads paths and small files that a user names: a parameter, a flag, a checkpoint's index.

A path can hold a user that does not exist or five thousand characters, and what it names can be a
pipe that never ends or JSON nested a million deep. All of that is a :class:`UserError` here, so
that no caller has to know which exception Python raises for which.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted

MAX_PATH_CHARACTERS = 4095  # PATH_MAX of Linux, without the NUL at the end
MAX_JSON_BYTES = 64 << 20  # tokenizers of 128,000 words take 10 to 20 MB


def user_path(text: str, what: str = "path") -> Path:
    """Return the path that a user gave, with ``~`` and ``~user`` expanded as in a shell.

    Args:
        text: as it was given.
        what: names it in the error.

    Raises:
        UserError: it can't be a path.
    """
    if len(text) > MAX_PATH_CHARACTERS or "\0" in text:
        reason = "a NUL character" if "\0" in text else f"{len(text)} characters"
        raise UserError(f"the {what} {quoted(text)} has {reason}; no file can be named so")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"the {what} {quoted(text)} can't be used: there is no such user"
        ) from error


def is_directory(path: Path) -> bool:
    """Return whether there is a directory; False also if it can't be accessed."""
    return os.path.isdir(path)


def is_regular_file(path: Path) -> bool:
    """Return whether there is a regular file: not a pipe, socket or device."""
    return os.path.isfile(path)


def exists(path: Path) -> bool:
    """Return whether there is anything; False also if it can't be accessed."""
    return os.path.exists(path)


def check_regular(path: Path, *, or_pipe: bool = False) -> None:
    """Raise if reading this could block or never end.

    Args:
        path: of the file.
        or_pipe: allow a pipe.

    Raises:
        UserError: it is a pipe, socket, device or directory, or can't be accessed.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror})") from error
    if not stat.S_ISREG(mode) and not (or_pipe and stat.S_ISFIFO(mode)):
        kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a directory"}
        kind = kinds.get(stat.S_IFMT(mode), "a device")
        raise UserError(f"{path} is {kind}, and a file was expected")


def read_json_object(path: Path, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        UserError: there is no such file; or it is not a regular file, larger than ``max_bytes``,
            not JSON, nested too deeply, or not an object.
    """
    check_regular(path)
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise UserError(f"{path} has {size:,} bytes; at most {max_bytes:,} are read")
        document = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise UserError(f"{path} can't be read: its JSON is nested too deeply") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read ({error})") from error
    if not isinstance(document, dict):
        raise UserError(f"{path} holds no JSON object")
    return document
