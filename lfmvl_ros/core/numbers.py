# SPDX-License-Identifier: Apache-2.0
"""Whether a value of a document is a number: one rule for JSON, YAML, databases and checkpoints."""

from __future__ import annotations

import sys
from typing import TypeGuard

LARGEST = sys.float_info.max
"""The largest magnitude that a float can hold; Python's integers can be larger."""


def is_number(value: object, most: float = LARGEST) -> TypeGuard[float]:
    """Return whether a value is an integer or a float, finite, and not above ``most`` in magnitude.

    True and false are not numbers here, though Python's ``bool`` is an ``int``.

    >>> is_number(0.5), is_number(-3), is_number(True), is_number("3"), is_number(None)
    (True, True, False, False, False)
    >>> is_number(float("nan")), is_number(float("inf")), is_number(10**400), is_number(7, most=5)
    (False, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -most <= value <= most  # false for NaN
