# SPDX-License-Identifier: Apache-2.0
"""Values of a checkpoint's JSON files, each checked for its type and range when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.safe_text import shortened
from lfmvl_ros.models.checkpoint_files import read_json

LARGEST_WHOLE = (1 << 32) - 1  # a GGUF file keeps whole numbers in 32 bits without a sign
_LARGEST_NUMBER = 3.4028234e38  # and others as float32
_ADVICE = "download or copy the checkpoint again"


@dataclass(frozen=True)
class Fields:
    """An object in a JSON file: every reading method names file and field in its error.

    Attributes:
        path: of the file.
        values: what the object holds, unchecked.
        inside: the field of the file that it is, "" for the file's own object.
    """

    path: Path
    values: Mapping[str, Any]
    inside: str = ""

    @classmethod
    def read(cls, path: Path) -> Fields:
        """Read a file.

        Raises:
            UserError: it is missing, unreadable or no JSON object.
        """
        return cls(path, read_json(path))

    def has(self, key: str) -> bool:
        """Return whether the field is there, and not null."""
        return self.values.get(key) is not None

    def part(self, key: str) -> Fields:
        """Return an object.

        Raises:
            UserError: it is missing or no object.
        """
        return self._object(self._there(key), key)

    def parts(self, key: str) -> list[Fields]:
        """Return a list of objects.

        Raises:
            UserError: it is missing or no such list.
        """
        return [self._object(v, f"{key}[{n}]") for n, v in enumerate(self.items(key))]

    def items(self, key: str) -> list[Any]:
        """Return a list, its items unchecked.

        Raises:
            UserError: it is missing or no list.
        """
        found = self._there(key)
        if not isinstance(found, list):
            raise self.wrong(key, found, "a list")
        return found

    def whole(
        self, key: str, least: int = 1, most: int = LARGEST_WHOLE, *, default: int | None = None
    ) -> int:
        """Return a whole number.

        Args:
            key: of the field.
            least: smallest number allowed.
            most: largest number allowed.
            default: for a field that is missing; None refuses that.

        Raises:
            UserError: it is missing, no whole number, or outside of the range.
        """
        if default is not None and key not in self.values:
            return default
        found = self._there(key)
        if type(found) is not int or not least <= found <= most:
            raise self.wrong(key, found, f"a whole number from {least:,} to {most:,}")
        return found

    def number(self, key: str) -> float:
        """Return a number above 0.

        Raises:
            UserError: it is missing, no number, or one that float32 does not hold.
        """
        found = self._there(key)
        if not is_number(found, _LARGEST_NUMBER) or not found > 0:
            raise self.wrong(key, found, f"a number above 0, up to {_LARGEST_NUMBER:.1e}")
        return float(found)

    def colours(self, key: str, *, above: float = -_LARGEST_NUMBER) -> list[float]:
        """Return three numbers, of red, green and blue.

        Raises:
            UserError: there are others, or one is not larger than ``above``.
        """
        found = self.items(key)
        known = all(is_number(one, _LARGEST_NUMBER) and one > above for one in found)
        if len(found) != 3 or not known:
            kind = "numbers above 0" if above == 0 else "numbers"
            raise self.wrong(key, found, f"a list of three {kind}, up to {_LARGEST_NUMBER:.1e}")
        return [float(one) for one in found]

    def flag(self, key: str) -> bool:
        """Return true or false.

        Raises:
            UserError: it is missing or neither.
        """
        found = self._there(key)
        if not isinstance(found, bool):
            raise self.wrong(key, found, "true or false")
        return found

    def text(self, key: str) -> str:
        """Return text.

        Raises:
            UserError: it is missing, no text, or UTF-8 has no bytes for it.
        """
        found = self._there(key)
        if not is_text(found):
            raise self.wrong(key, found, "text")
        return str(found)

    def wrong(self, key: str, found: object, expected: str) -> UserError:
        """Return the error for a field that should be something else."""
        name = f"{self.inside}.{key}" if self.inside else key
        return UserError(
            f"{self.path}: {shortened(name)} is {shortened(repr(found))}, and it should be "
            f"{expected}; {_ADVICE}"
        )

    def _there(self, key: str) -> Any:
        if key not in self.values:
            where = f" in {self.inside}" if self.inside else ""
            raise UserError(f"{self.path} lacks {key!r}{where}; {_ADVICE}")
        return self.values[key]

    def _object(self, found: Any, key: str) -> Fields:
        if not isinstance(found, dict):
            raise self.wrong(key, found, "an object")
        return Fields(self.path, found, f"{self.inside}.{key}" if self.inside else key)


def is_text(value: object) -> bool:
    r"""Return whether a value is text that UTF-8 can hold: half a character can't be stored.

    >>> is_text("tote"), is_text(None), is_text("\ud800")
    (True, False, False)
    """
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False
