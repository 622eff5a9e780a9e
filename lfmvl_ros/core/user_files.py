# SPDX-License-Identifier: Apache-2.0
"""Reads paths and small files that a user, or data, names: a parameter, a checkpoint's index.

A path can name a user that does not exist or have five thousand characters, and the file can be a
pipe that never ends or JSON nested a million deep. All of these raise :class:`UserError` here, so
callers need not know which exceptions Python raises.

A path that a user gives may lead anywhere. A name that stands in data (the file of an image, of
weights, of a bag) may not: :func:`inside` is the rule, for every reader of such names.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from lfmvl_ros.core.document_checks import each_once, json_kind
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.file_kinds import kind_of
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.yaml_text import parse_yaml

MAX_PATH_CHARACTERS = 4095  # PATH_MAX of Linux, without the NUL at the end
_MOST_DIGITS = 308  # of the largest float
MAX_JSON_BYTES = 64 << 20  # tokenizers of 128,000 words take 10 to 20 MB
MAX_DATA_BYTES = 4 << 30  # annotations of 100,000 images with masks take half a gigabyte


def user_path(text: str, what: str = "path") -> Path:
    """Return the path that a user gave, with ``~`` and ``~user`` expanded as in a shell.

    Args:
        text: as it was given.
        what: names it in the error.

    Raises:
        UserError: it can't be a path.
    """
    if not text.strip():  # Path("") would be the working directory
        raise UserError(f"the {what} is empty; '.' names the working directory")
    unusable = "\0" in text or not _can_be_encoded(text)
    if len(text) > MAX_PATH_CHARACTERS or unusable:
        reason = f"{len(text)} characters"
        if unusable:
            reason = "a NUL character" if "\0" in text else "half a character (a surrogate)"
        raise UserError(f"the {what} {quoted(text)} has {reason}; no file can have such a name")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"the {what} {quoted(text)} can't be used: there is no such user"
        ) from error


def _can_be_encoded(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


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


def read_bytes(path: Path, max_bytes: int, *, or_pipe: bool = False) -> bytes:
    """Return what a file holds.

    Args:
        path: of the file.
        max_bytes: that are read at most.
        or_pipe: read also a pipe, until its writer closes it.

    Raises:
        UserError: there is no such file; or it is not a regular file, or larger than ``max_bytes``.
    """
    check_regular(path, or_pipe=or_pipe)
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise UserError(f"{path} has {size:,} bytes; at most {max_bytes:,} are read")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read ({error})") from error


def read_text(
    path: Path, max_bytes: int = MAX_JSON_BYTES, *, replace: bool = False, or_pipe: bool = False
) -> str:
    """Return the text of a file, UTF-8, without a byte order mark.

    Args:
        path: of the file.
        max_bytes: that are read at most.
        replace: put U+FFFD for bytes that are not UTF-8, instead of refusing the file.
        or_pipe: read also a pipe, until its writer closes it.

    Raises:
        UserError: there is no such file; or it is not a regular file, larger than ``max_bytes``, or
            not UTF-8.
    """
    data = read_bytes(path, max_bytes, or_pipe=or_pipe)
    try:
        return data.decode("utf-8-sig", "replace" if replace else "strict")
    except UnicodeDecodeError as error:
        if (kind := kind_of(path)) not in ("", "a text file"):
            raise UserError(f"{path} is {kind}, and a text file was expected") from error
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}:{line}: can't be read: it is not UTF-8 text; save the file as UTF-8"
        ) from error


def json_integer(text: str) -> int:
    """Return an integer of a JSON text: ``parse_int`` for all JSON from elsewhere.

    Raises:
        ValueError: no float can hold it. Python takes integers of any size, and arithmetic with
            them raises ``OverflowError`` long afterwards.
    """
    if len(text.lstrip("-")) > _MOST_DIGITS:
        raise ValueError(f"an integer has {len(text)} digits, at most {_MOST_DIGITS} are read")
    return int(text)


def no_constant(name: str) -> None:
    """Refuse NaN and infinities: ``parse_constant`` of JSON that is passed on as JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is not JSON")


def parse_json(text: str | bytes, *, once: bool = False) -> Any:
    """Return the document of a JSON text.

    Args:
        text: of the document.
        once: refuse a key that stands in one object twice. Python keeps the last one, as do other
            programs that read a checkpoint's files.

    Raises:
        ValueError: it is empty, not JSON, nested too deeply, or holds an integer that no float can
            hold.
    """
    if not text.strip():
        raise ValueError("it is empty; a JSON document was expected")
    try:
        hook = each_once if once else None
        return json.loads(text, parse_int=json_integer, object_pairs_hook=hook)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"it is no JSON: {error.msg}, {where}") from error
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


def read_json_document(path: Path, max_bytes: int = MAX_JSON_BYTES, *, once: bool = False) -> Any:
    """Return the document in a JSON file.

    Args:
        path: of the file.
        max_bytes: that are read at most.
        once: as of :func:`parse_json`.

    Raises:
        UserError: as of :func:`read_text`; or it is not JSON, or nested too deeply.
    """
    text = read_text(path, max_bytes)
    try:
        return parse_json(text, once=once)
    except ValueError as error:
        raise UserError(f"{path} can't be read ({error})") from error


def read_json_object(
    path: Path, max_bytes: int = MAX_JSON_BYTES, *, once: bool = False
) -> dict[str, Any]:
    """Return the JSON object in a file; arguments as of :func:`read_json_document`.

    Raises:
        UserError: as :func:`read_json_document`; or it is not a JSON object.
    """
    document = read_json_document(path, max_bytes, once=once)
    if not isinstance(document, dict):
        kind = json_kind(document)
        raise UserError(f"{path} holds {kind}, and a JSON object, {{…}}, was expected")
    return document


def read_yaml(path: Path, max_bytes: int = MAX_JSON_BYTES, loader: Any = yaml.SafeLoader) -> Any:
    """Return the document in a YAML file.

    Raises:
        UserError: as :func:`read_text`; or it is empty, not YAML, or has a key twice.
    """
    text = read_text(path, max_bytes)
    if not text.strip():
        raise UserError(f"{path} is empty; a YAML document was expected")
    try:
        return parse_yaml(text, loader, once=True)
    except ValueError as error:
        raise UserError(f"{path} can't be read as YAML ({error})") from error


def without_links(path: Path) -> Path:
    """Return the absolute path that a path's links lead to; what is not there is kept.

    Raises:
        OSError: ``ELOOP``, the links form a loop. ``Path.resolve`` raises for it only before
            Python 3.13.
    """
    loop = OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    try:
        found = path.resolve()
    except RuntimeError as error:
        raise loop from error
    if any(part.is_symlink() for part in (found, *found.parents)):
        raise loop
    return found


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path, its links followed, is in a folder, its links followed."""
    try:
        return is_below(path, without_links(folder))
    except (OSError, ValueError):  # a loop of links, a NUL character
        return False


def is_below(path: Path, real_folder: Path) -> bool:
    """Return whether a path, its links followed, is in a folder, for many paths of one folder.

    Args:
        path: of anything.
        real_folder: as :func:`without_links` returns it.
    """
    try:
        return without_links(path).is_relative_to(real_folder)
    except (OSError, ValueError):
        return False


def inside(folder: Path, name: str, owner: str | Path, *, root: Path | None = None) -> Path:
    r"""Return the path of a file that data in a folder names.

    Args:
        folder: that the name is relative to.
        name: as the data have it, with ``/`` or ``\``.
        owner: what the name stands in, for the message.
        root: folder that links may lead to; ``folder`` by default.

    Raises:
        UserError: it is absolute, has ``..`` in it, or a link leads out of ``root``.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    away = parts.is_absolute() or ".." in parts.parts or "\0" in name or name[1:3] in (":/", ":\\")
    if away or not is_inside(folder / parts, folder if root is None else root):
        raise UserError(
            f"{owner} names {quoted(name)}, which is outside of {folder}; a name in data stays in "
            "its folder: copy the file there"
        )
    return folder / parts
