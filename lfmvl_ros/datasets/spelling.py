# SPDX-License-Identifier: Apache-2.0
"""One spelling for what tools write in several: ids, flags, names of categories and of files."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import unquote

from lfmvl_ros.core.numbers import is_number

_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
_FALSE = frozenset({"", "0", "0.0", "false", "no", "none", "null", "n", "f"})


def id_key(number: object) -> str:
    """An id, the same for each way of writing it; "" for what is neither a number nor a text.

    >>> {id_key(1), id_key(1.0), id_key("1"), id_key(" 1.0 "), id_key("001")}
    {'1'}
    >>> id_key("a1"), id_key(None), id_key(True), id_key([1]), id_key(float("nan"))
    ('a1', '', '', '', '')
    """
    if not isinstance(number, str) and not is_number(number):
        return ""
    text = str(number).strip()
    if _WHOLE.fullmatch(text) and len(text) < 64:
        return str(int(text.partition(".")[0]))
    return unicodedata.normalize("NFC", text)


def is_set(flag: object) -> bool:
    """Whether a flag is set, such as ``iscrowd``, that may be a number, text or missing.

    >>> [is_set(flag) for flag in (1, "1", True, "true", 0, "0", "0.0", "False", None, [])]
    [True, True, True, True, False, False, False, False, False, False]
    """
    return flag not in (None, [], {}) and str(flag).strip().lower() not in _FALSE


def plain_text(text: object) -> str:
    """A name with each accented letter as one character (NFC), as people compare it."""
    return unicodedata.normalize("NFC", str(text))


def file_spellings(file_name: str) -> tuple[str, ...]:
    r"""Relative paths that a file name in a data set may mean, the likeliest first.

    Backslashes are slashes, and drives and leading slashes are left out: some tools write the path
    that the image had where it was labelled. ``%20`` is tried as it is and as a space.

    >>> file_spellings("C:\\new\\a%20b.jpg")
    ('new/a%20b.jpg', 'new/a b.jpg')
    """
    spellings = []
    for text in (file_name, unquote(file_name)):
        path = re.sub(r"^(file://)?([A-Za-z]:)?/*", "", text.strip().replace("\\", "/"))
        spellings.append(str(PurePosixPath(path)) if path and "\0" not in path else "")
    return tuple(dict.fromkeys(spelling for spelling in spellings if spelling))


def loose(path: str) -> str:
    r"""A relative path without the differences that file systems disagree about.

    >>> loose("Cafe\u0301.JPG") == loose("caf\u00e9.jpg")
    True
    """
    return unicodedata.normalize("NFC", path).casefold()
