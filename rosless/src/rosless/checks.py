# SPDX-License-Identifier: Apache-2.0
"""Checks on assignment to a message field, as rclpy's classes make them (AssertionError)."""

import functools
import math
from array import array
from collections import UserList, UserString
from collections.abc import Sequence, Set

import numpy as np

from rosless.interfaces import PRIMITIVES

_FLOAT32_MAX = 3.402823466e38


def make_setter(item, store, nested=None):
    """The setter of a field; `store(message, value)` keeps the value, `nested` is its class."""
    check, wanted = _scalar_check(item, nested)
    if item.kind == "one":
        convert = functools.partial(_checked, check)
    else:
        convert = _converter(item, check)
        size = f" with exactly {item.size} items" if item.kind == "array" else ""
        if item.kind == "sequence" and item.size:
            size = f" with at most {item.size} items"
        wanted = f"a set or sequence{size} and each value {wanted}"

    def set_field(self, value):
        converted = convert(value)
        if converted is None:
            got = f"{type(value).__name__} {value!r:.80}"
            raise AssertionError(f"The {item.name!r} field must be {wanted}, got {got}")
        store(self, converted)

    return set_field


def _checked(check, value):
    return value if check(value) else None


def _scalar_check(item, nested):
    """(predicate, what is wanted in words) for one value of the field's base type."""
    if nested is not None:
        return lambda v: isinstance(v, nested), f"a sub message of type {nested.__name__!r}"
    if item.base == "string":
        longest = item.bound or math.inf
        text = f"string value not longer than {longest}" if item.bound else "of type 'str'"
        return lambda v: isinstance(v, str) and len(v) <= longest, text
    if item.base == "bool":
        return lambda v: isinstance(v, bool), "of type 'bool'"
    if item.base == "byte":
        return lambda v: isinstance(v, (bytes, bytearray)) and len(v) == 1, "of type 'bytes' (1)"
    if item.base == "float64":
        return lambda v: isinstance(v, float), "of type 'float'"
    if item.base == "float32":
        return _is_float32, "a float in [-3.402823466e+38, 3.402823466e+38]"
    info = np.iinfo(PRIMITIVES[item.base])
    low, high = int(info.min), int(info.max)
    return lambda v: isinstance(v, int) and low <= v <= high, f"an integer in [{low}, {high}]"


def _is_float32(value):
    if not isinstance(value, float):
        return False
    return not math.isfinite(value) or -_FLOAT32_MAX <= value <= _FLOAT32_MAX


def _converter(item, check):
    """Function from the value given to the value stored; None means refused."""
    code = PRIMITIVES[item.base] if item.is_number else None

    def sized(value):
        if item.kind == "array":
            return len(value) == item.size
        return not item.size or len(value) <= item.size

    def listed(value):
        containers = isinstance(value, (Sequence, Set, UserList))
        if not containers or isinstance(value, (str, UserString)) or not sized(value):
            return False
        return all(map(check, value))

    def to_numpy(value):
        if isinstance(value, np.ndarray):
            return value if value.dtype == code and value.size == item.size else None
        return np.array(value, code) if listed(value) else None

    def to_array(value):
        if isinstance(value, array):
            return value if value.typecode == code and sized(value) else None
        if code == "B" and isinstance(value, (bytes, bytearray)) and sized(value):
            return array("B", value)
        return array(code, value) if listed(value) else None

    if code is None:  # bool, byte, string, message: kept as given
        return functools.partial(_checked, listed)
    return to_numpy if item.kind == "array" else to_array
