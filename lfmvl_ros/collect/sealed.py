# SPDX-License-Identifier: Apache-2.0
"""Samples encrypted with age (https://age-encryption.org): the robot holds the public key only."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lfmvl_ros.collect.bounds import Bounds, remove_unfinished
from lfmvl_ros.collect.sample import OWN_NAME, Sample
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import exists, is_directory, read_bytes, read_text
from lfmvl_ros.core.whole_files import make_folder, write_whole, writing

SUFFIX = ".age"
_LARGEST_KEY = 4096
_LARGEST_SAMPLE = 256 << 20


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise UserError(
            "samples are encrypted with pyrage, which is not installed; install it: "
            "pip install pyrage (extra lfmvl_ros[sealed])"
        ) from error
    return pyrage


class SealedFolder:
    """Stores each sample as one encrypted file. Not thread-safe.

    Args:
        path: of the folder.
        public_key: ``age1…``.
        max_mb: most space, MB (10^6 bytes); the oldest files are deleted.
        max_age_days: older files are deleted.

    Raises:
        UserError: pyrage is not installed, or the key is not an age public key.
    """

    def __init__(self, path: Path, public_key: str, max_mb: float, max_age_days: float) -> None:
        pyrage = _pyrage()
        try:
            self._recipient = pyrage.x25519.Recipient.from_str(public_key.strip())
        except Exception as error:  # pyrage.RecipientError
            raise UserError(
                "collect.public_key is not an age public key; `lfmvl collected new-key FILE` "
                "prints one that begins with age1"
            ) from error
        self._encrypt = pyrage.encrypt
        self._path = make_folder(path)
        remove_unfinished(path)
        self._bounds = Bounds(max_mb, max_age_days, _files(path))

    def __len__(self) -> int:
        return len(self._bounds)

    def holds(self, name: str) -> bool:
        """Whether a sample of this name is stored; may be called from any thread."""
        return exists(self._path / f"{name}{SUFFIX}")

    @property
    def size_mb(self) -> float:
        """What the files take, MB."""
        return self._bounds.size_mb

    def add(self, sample: Sample, now_s: float | None = None) -> bool:
        """Encrypt and store a sample; False if it is stored already.

        Raises:
            UserError: it can't be written.
        """
        file = self._path / f"{sample.name}{SUFFIX}"
        if exists(file):
            return False
        data = self._encrypt(sample.to_bytes(), [self._recipient])
        write_whole(file, data)
        stored_s = time.time() if now_s is None else now_s
        self._bounds.add(file.name, len(data), stored_s)
        for name in self._bounds.surplus(stored_s):
            with contextlib.suppress(OSError):
                (self._path / name).unlink(missing_ok=True)
                self._bounds.remove(name)
        return True

    def close(self) -> None:
        """Nothing to finish: each file is complete."""


def _files(folder: Path) -> Iterator[tuple[str, int, float]]:
    """Yield name, bytes and time of each file that is a whole sample by its name."""
    for path in folder.iterdir():
        if path.suffix == SUFFIX and OWN_NAME.fullmatch(path.stem):
            with contextlib.suppress(OSError):
                facts = path.stat()
                yield path.name, facts.st_size, facts.st_mtime


def new_key(path: Path) -> str:
    """Write a new private key to a file that only its owner can read; return the public key.

    Raises:
        UserError: pyrage is not installed, or there is a file already.
    """
    pyrage = _pyrage()
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    make_folder(path.parent)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UserError(f"{path} can't be written ({error.strerror}); name a new file") from error
    try:
        with writing(path), os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"# public key: {public}\n{identity}\n")
    except BaseException:
        path.unlink(missing_ok=True)  # half a key opens nothing
        raise
    return public


def opened(folder: Path, key: Path) -> Iterator[tuple[Path, Sample | str]]:
    """Yield each encrypted file of a folder with its sample, or why it has none.

    One sample at a time is in memory.

    Raises:
        UserError: there is no folder, no key, or pyrage is not installed.
    """
    pyrage = _pyrage()
    if not is_directory(folder):
        raise UserError(f"there is no folder {folder}; give the one of collect.folder")
    text = read_text(key, _LARGEST_KEY)
    try:
        line = next(line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-"))
        identity = pyrage.x25519.Identity.from_str(line.strip())
    except Exception as error:  # StopIteration, pyrage.IdentityError
        raise UserError(
            f"{key} holds no age private key; give the file of `lfmvl collected new-key`"
        ) from error
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if not path.name.startswith("."):  # one that was not written to its end, or no sample
            yield path, _opened(path, lambda data: pyrage.decrypt(data, [identity]))


def _opened(path: Path, decrypt: Callable[[bytes], bytes]) -> Sample | str:
    try:
        data = read_bytes(path, _LARGEST_SAMPLE)
    except UserError as error:
        return str(error)
    try:
        plain = decrypt(data)
    except Exception:  # pyrage.DecryptError
        return f"{path} can't be decrypted with this key, or is damaged"
    try:
        return Sample.from_bytes(plain)
    except ValueError as error:
        return f"{path} holds no sample that can be used: {error}"
