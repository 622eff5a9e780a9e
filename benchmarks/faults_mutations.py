# SPDX-License-Identifier: Apache-2.0
"""Damages files as disks, networks and people do: by byte, by value, by name, as a whole.

Everything random comes from the generator that is given, so that a case can be made again.
"""

from __future__ import annotations

import copy
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml

HUGE_BYTES = 8 << 20
_TEXT = (".json", ".jsonl", ".yaml", ".yml", ".txt", ".xml", ".jinja", ".md", "token")
_WORDS = (
    "", "nan", "1e999", "-1", "0", "null", "~", "[]", "{}", "true", "9" * 40, "../../../etc/passwd",
    "/etc/passwd", "/dev/zero", "a" * 5000, "\u202e\x1b[2J", "\ud800", "%00", "person", "-inf",
)  # fmt: skip
_NUMBERS = (
    0, -1, 1, 2**31, 2**32 - 1, 2**63, 10**40, 10**400, 0.5, -0.0, 5e-324, 1e308, math.nan,
    math.inf, -math.inf,
)  # fmt: skip
Mutation = Callable[[bytes, Random], bytes]


def truncated(data: bytes, rng: Random) -> bytes:
    """Cut at any place, more often near one of the ends."""
    place = rng.choice((rng.random(), rng.random() ** 4, 1 - rng.random() ** 4))
    return data[: int(place * len(data))]


def bits_flipped(data: bytes, rng: Random) -> bytes:
    """Flip one to sixty-four bits."""
    changed = bytearray(data)
    for _ in range(min(len(data), rng.choice((1, 2, 8, 64)))):
        changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def chunk_repeated(data: bytes, rng: Random) -> bytes:
    """Write a part of the file again behind itself, up to a hundred times."""
    start, end = sorted((_place(data, rng), _place(data, rng)))
    times = rng.choice((1, 2, 100)) if end - start < 10_000 else 1
    return data[:end] + data[start:end] * times + data[end:]


def chunk_removed(data: bytes, rng: Random) -> bytes:
    """Leave a part out."""
    start, end = sorted((_place(data, rng), _place(data, rng)))
    return data[:start] + data[end:]


def chunk_zeroed(data: bytes, rng: Random) -> bytes:
    """Fill a part with zeros, as a hole in a file reads."""
    start, end = sorted((_place(data, rng), _place(data, rng)))
    return data[:start] + bytes(end - start) + data[end:]


def size_changed(data: bytes, rng: Random) -> bytes:
    """Put an extreme number where a size may stand: 2, 4 or 8 bytes, of either order."""
    width = rng.choice((2, 4, 8))
    most = (1 << (8 * width)) - 1
    value = rng.choice((0, 1, most, most >> 1, (most >> 1) + 1, rng.randrange(most), 30_000))
    order: Any = rng.choice(("little", "big"))
    place = _place(data, rng)
    return data[:place] + (value & most).to_bytes(width, order) + data[place + width :]


def emptied(_data: bytes, _rng: Random) -> bytes:
    """Leave nothing."""
    return b""


def random_bytes(_data: bytes, rng: Random) -> bytes:
    """Leave nothing of the file but its name."""
    return rng.randbytes(rng.choice((1, 7, 100, 4096, 100_000)))


def made_huge(data: bytes, rng: Random) -> bytes:
    """Append megabytes of one byte."""
    return data + rng.choice((b"\0", b" ", b"[", b"\xff", b"9")) * HUGE_BYTES


def word_replaced(data: bytes, rng: Random) -> bytes:
    """Put a word that no format expects in place of a word of a text."""
    words = data.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(_WORDS).encode("utf-8", "surrogatepass")
    return b" ".join(words)


def value_replaced(data: bytes, rng: Random) -> bytes:
    """Change values anywhere in JSON, a line of JSONL, or YAML; bits where it is none of them."""
    lines = data.splitlines(keepends=True)
    try:
        return _written(changed(json.loads(data), rng), rng)
    except (ValueError, RecursionError):
        pass
    try:
        number = rng.randrange(len(lines))
        lines[number] = _written(changed(json.loads(lines[number]), rng), rng) + b"\n"
        return b"".join(lines)
    except (ValueError, RecursionError):
        pass
    try:
        found = yaml.safe_load(data)
        return yaml.safe_dump(changed(found, rng)).encode("utf-8", "replace")
    except (yaml.YAMLError, ValueError, RecursionError):
        return bits_flipped(data, rng)


def nested(data: bytes, rng: Random) -> bytes:
    """Nest a text in brackets that never end."""
    bracket = rng.choice((b"[", b'{"a":', b"- ", b"<a>"))
    place = _place(data, rng)
    return data[:place] + bracket * 100_000 + data[place:]


BYTES: tuple[Mutation, ...] = (
    truncated, truncated, bits_flipped, bits_flipped, chunk_repeated, chunk_removed, chunk_zeroed,
    size_changed, size_changed, emptied, random_bytes,
)  # fmt: skip
TEXTS: tuple[Mutation, ...] = (
    value_replaced, value_replaced, value_replaced, value_replaced, word_replaced, word_replaced,
    truncated, bits_flipped, chunk_repeated, chunk_removed, emptied, random_bytes,
)  # fmt: skip


def mutated(data: bytes, suffix: str, rng: Random) -> tuple[bytes, str]:
    """Return damaged content, and what was done to it."""
    kinds = TEXTS if suffix in _TEXT else BYTES
    chosen = [rng.choice(kinds) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    if rng.random() < 0.01:
        chosen.append(nested if suffix in _TEXT else made_huge)
    for mutation in chosen:
        data = mutation(data or b"\0", rng)
    return data, " + ".join(mutation.__name__ for mutation in chosen)


def damage(folder: Path, rng: Random, *, pipes: bool = True) -> dict[str, str]:
    """Damage one to three files of a folder; return what was done, by their paths in it.

    Args:
        folder: of the files.
        rng: all that is random.
        pipes: whether a pipe that nobody writes to may stand in the place of a file.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    done: dict[str, str] = {}
    for path in rng.sample(files, min(len(files), rng.choice((1, 1, 1, 2, 3)))):
        if not path.is_file():  # it went with its folder
            continue
        name = str(path.relative_to(folder))
        if rng.random() < 0.06:
            done[name] = _replaced(path, files, rng, pipes)
            continue
        content, done[name] = mutated(path.read_bytes(), path.suffix or path.name, rng)
        path.write_bytes(content)
    return done


def _replaced(path: Path, files: list[Path], rng: Random, pipes: bool) -> str:
    """Put something else in the place of a file."""
    kinds = ["missing", "folder", "endless", "loop", "another file", *(["pipe"] if pipes else [])]
    what = rng.choice(kinds)
    other = rng.choice(files)
    content = other.read_bytes() if other.is_file() else b""
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "endless":
        path.symlink_to("/dev/zero")
    elif what == "loop":
        path.symlink_to(path)
    elif what == "another file":
        path.write_bytes(content)
    return what


def fresh_copy(folder: Path, target: Path) -> Path:
    """Copy a folder over what is at ``target``."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(folder, target, symlinks=True))


def _place(data: bytes, rng: Random) -> int:
    """Return a place in the data, half of the time in its first 256 bytes: headers are there."""
    most = max(len(data), 1)
    return rng.randrange(min(most, 256) if rng.random() < 0.5 else most)


def _written(document: Any, rng: Random) -> bytes:
    return json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def changed(document: Any, rng: Random) -> Any:
    """Return a document of which one to three values are others, or are missing."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(document))
        if not places:
            return rng.choice((*_WORDS, *_NUMBERS))
        holder, key = rng.choice(places)
        if rng.random() < 0.15:
            del holder[key]
        elif rng.random() < 0.1 and isinstance(holder, dict):
            holder[rng.choice(_WORDS)] = holder.pop(key)
        else:
            holder[key] = _another(holder[key], document, rng)
    return document


def _another(value: Any, document: Any, rng: Random) -> Any:
    """Return a value in place of another: of the same type more often than not."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    if numeric and rng.random() < 0.6:
        return rng.choice(_NUMBERS)
    if isinstance(value, str) and rng.random() < 0.6:
        return rng.choice(_WORDS)
    if isinstance(value, list) and rng.random() < 0.4:
        return value * rng.choice((0, 2, 1000 if len(value) < 20 else 2))
    kinds: tuple[Any, ...] = (None, True, [], {}, [[]], {"a": 1}, *_WORDS, *_NUMBERS)
    return rng.choice(kinds) if rng.random() < 0.8 else copy.deepcopy(document)


def _places(document: Any) -> Any:
    """Yield every place of a document that holds a value: container and key."""
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(
            holder, list) else ()  # fmt: skip
        if len(keys) > 5000:  # words of a tokenizer: a few stand for all
            keys = list(keys)[:50]
        for key in keys:
            yield holder, key
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])
