# SPDX-License-Identifier: Apache-2.0
"""Numbers with the word for what they count."""

from __future__ import annotations


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number and its word, which is in the plural unless there is one.

    >>> counted(1, "box", "boxes"), counted(0, "box", "boxes"), counted(2, "image")
    ('1 box', '0 boxes', '2 images')
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"
