# SPDX-License-Identifier: Apache-2.0
"""Writes files that are complete or absent: to a temporary name and then renamed, or line by line.

Every file that a command, a node or a training writes goes through here. A full disk, a missing
folder or a killed process never leaves an incomplete file under its name, and each failure is
reported as a :class:`UserError`.

Replacing a file by renaming is atomic within a file system (POSIX ``rename``). The temporary file
is called ``.NAME.PID.part``; only a process that is killed (SIGKILL) leaves it behind.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import shutil
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.interrupts import tidied_by
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.user_files import without_links

_WHY = {
    errno.ENOSPC: "the disk is full; free some space, or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another place",
    errno.EFBIG: "the file would be larger than this system or its limits (ulimit -f) allow",
    errno.EACCES: "permission denied; choose a place that you may write to",
    errno.EPERM: "the system does not permit it; choose another place",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another place",
    errno.EEXIST: "there is a file of this name; choose another place",
    errno.EISDIR: "there is a folder of this name; name a file",
    errno.ENOTEMPTY: "there is a folder of this name that is not empty; choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EMFILE: "too many files are open (ulimit -n)",
    errno.ELOOP: "its symbolic links form a loop; choose another place",
}


def why_not_written(what: str | Path, error: OSError) -> str:
    """Return a message for an error of the file system, with what to do.

    >>> why_not_written("a.json", OSError(errno.ENOSPC, "No space left on device"))
    'a.json: the disk is full; free some space, or choose another place'
    """
    if error.errno == errno.ENOENT and str(what).startswith("/proc"):
        return f"{what}: nothing can be written below /proc; choose another place"
    reason = _WHY.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__
    return f"{what}: {reason}"


@contextlib.contextmanager
def writing(what: str | Path) -> Iterator[None]:
    """Turn an error of the file system within the block into a :class:`UserError`.

    Also one that a library (torch, safetensors) wraps in an exception of its own.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        system = _system_error(error)
        if system is None:
            raise
        raise UserError(f"can't write {why_not_written(what, system)}") from error


def make_folder(path: Path) -> Path:
    """Make a folder, with those above it, and return it.

    Raises:
        UserError: it can't be made.
    """
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, and move what was written there to ``path`` at the end.

    If the block raises, the temporary file is removed and a file at ``path`` stays. The suffix is
    that of ``path``, for writers that choose the format by it. A device or pipe
    (``/dev/stdout``) is yielded itself; a symbolic link stays, and the file it points to is
    replaced.

    Raises:
        UserError: the folder can't be made, or the file can't be moved.
    """
    make_folder(path.parent)
    with writing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
        if path.exists() and not path.is_file():
            yield path
            return
        target = without_links(path)
        part = _beside(target)
        with tidied_by(lambda: _remove(part)):
            try:
                yield part
                _settle(part)
                os.replace(part, target)
            finally:
                _remove(part)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` to write to; at the end it takes the place of ``path``.

    If the block raises, the temporary folder is removed and a folder at ``path`` stays.

    Raises:
        UserError: the folder can't be made or moved, or ``path`` is a file.
    """
    with writing(path):
        target = without_links(path)
    part = _beside(target)
    old = part.with_name(part.name + ".old")
    with writing(path):
        if path.exists() and not path.is_dir():
            raise FileExistsError(errno.EEXIST, "is a file", str(path))
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            for file in part.rglob("*"):
                if file.is_file():
                    _settle(file)
            if target.exists():  # a folder that has something in it can't be replaced
                os.replace(target, old)
            os.replace(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def check_output(path: Path, suffixes: Collection[str] = ()) -> None:
    """Refuse a place for a file before the work whose result is written there.

    A temporary file is made there and removed, so that whatever would fail at the end fails now.

    Args:
        path: of the file.
        suffixes: that it may have, in small letters; empty for any.

    Raises:
        UserError: it is a folder, can't be written to, or has another suffix.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(
            f"can't write {path}: a name ending in {' or '.join(sorted(suffixes))} was expected"
        )
    with writing(path):
        made = [folder for folder in path.parents if not folder.exists()]
    make_folder(path.parent)
    try:
        with writing(path):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
            if path.exists() and not path.is_file():
                return
            part = _beside(without_links(path))
            try:
                part.open("wb").close()
            finally:
                _remove(part)
    finally:
        for folder in made:  # nothing is left of a check
            with contextlib.suppress(OSError):
                folder.rmdir()


def check_output_folder(path: Path) -> None:
    """Refuse a place for a folder of results before the work whose results are written there.

    Raises:
        UserError: it is a file, or can't be made or written into.
    """
    with writing(path):
        if path.is_file():
            raise FileExistsError(errno.EEXIST, "is a file", str(path))
    check_output(path / "x")


def check_replaceable(path: Path, mark: str) -> None:
    """Refuse a folder that :func:`whole_folder` would replace, unless it is a result to replace.

    Args:
        path: of the folder; may be missing or empty.
        mark: name of a file that only such a result has. A result has no folders.

    Raises:
        UserError: it has other files or folders, which would be deleted.
    """
    with writing(path):
        found = sorted(path.iterdir()) if path.is_dir() else []
    if found and (not (path / mark).is_file() or any(entry.is_dir() for entry in found)):
        shown = ", ".join(entry.name for entry in found[:3]) + (", ..." if len(found) > 3 else "")
        raise UserError(
            f"{path} is not empty: writing a result there would delete {shown}; name a new folder"
        )


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file completely or not at all; text as UTF-8.

    Raises:
        UserError: it can't be written; what was there before stays.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    with whole_file(path) as part, part.open("wb") as file:
        file.write(content)


def write_json(path: Path, document: Any, *, indent: int | None = 1) -> None:
    """Write a document as a JSON file completely or not at all; NaN and infinities become null.

    Raises:
        UserError: as of :func:`write_whole`.
    """
    write_whole(path, json_text(finite(document), indent=indent) + "\n")


def finite(document: Any) -> Any:
    """Return a document with None in place of NaN and infinities, which JSON does not have.

    >>> finite({"ece": float("nan"), "bins": [1.0, float("inf")]})
    {'ece': None, 'bins': [1.0, None]}
    """
    if isinstance(document, dict):
        return {key: finite(value) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [finite(value) for value in document]
    if isinstance(document, float) and not math.isfinite(document):
        return None
    return document


class JsonLines:
    """A JSONL file that is written as the documents come: whole lines at any time.

    A line that can't be written completely is removed, so the file stays readable.

    Args:
        path: of the file, which is overwritten; its folder is created.
        append: continue at the end of an existing file.
        settled: flush each line to disk, so that it is there after a power failure too.

    Raises:
        UserError: it can't be opened.
    """

    def __init__(self, path: Path, *, append: bool = False, settled: bool = False) -> None:
        make_folder(path.parent)
        self._path, self._settled = path, settled
        with writing(path):
            self._file = path.open("ab" if append else "wb", buffering=0)

    def write(self, document: Any, *, allow_nan: bool = False) -> None:
        """Append a document as a line; NaN and infinities become null unless they are allowed.

        Raises:
            UserError: the line can't be written.
        """
        text = json_text(document if allow_nan else finite(document), allow_nan=allow_nan)
        line = memoryview(f"{text}\n".encode())
        with writing(self._path):
            end = self._file.tell() if self._file.seekable() else None
            try:
                while line:
                    line = line[self._file.write(line) or 0 :]
                if self._settled:
                    os.fsync(self._file.fileno())
            except BaseException:
                if end is not None:
                    with contextlib.suppress(OSError):
                        self._file.truncate(end)
                raise

    def close(self) -> None:
        """Close the file.

        Raises:
            UserError: the system reports only now that something could not be written.
        """
        with writing(self._path):
            self._file.close()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _system_error(error: BaseException) -> OSError | None:
    """Return what the system reported, None for an error of another kind."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError):
            return seen
        number = re.search(r"\(os error (\d+)\)", str(seen))  # as Rust prints it
        if number:
            return OSError(int(number[1]), os.strerror(int(number[1])))
        seen = seen.__cause__ or seen.__context__
    return None


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _beside(target: Path) -> Path:
    """Return where a file is written before it is moved to ``target``: same folder and suffix."""
    stem = target.stem
    if len(stem) > 40:  # names have at most 255 bytes
        stem = f"{stem[:30]}-{zlib.crc32(os.fsencode(stem)):08x}"
    return target.with_name(f".{stem}.{os.getpid()}.part{target.suffix}")


def _settle(path: Path) -> None:
    """Flush to disk, so that errors are reported before the file gets its name."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
