# SPDX-License-Identifier: Apache-2.0
"""Checks on assignment to a message field, as rclpy's classes make them (AssertionError)."""

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

        def set_one(self, value):
            if not check(value):
                raise AssertionError(f"The {item.name!r} field must be {wanted}, got {value!r:.80}")
            store(self, value)

        return set_one
    convert = _converter(item, check)

    def set_many(self, value):
        converted = convert(value)
        if converted is None:
            size = {"array": f" with exactly {item.size} items", "sequence": ""}[item.kind]
            if item.kind == "sequence" and item.size:
                size = f" with at most {item.size} items"
            raise AssertionError(
                f"The {item.name!r} field must be a set or sequence{size} and each value "
                f"{wanted}, got {type(value).__name__} {value!r:.80}"
            )
        store(self, converted)

    return set_many


def _scalar_check(item, nested):
    """(predicate, what is wanted in words) for one value of the field's base type."""
    base = item.base
    if nested is not None:
        return lambda v: isinstance(v, nested), f"a sub message of type {nested.__name__!r}"
    if base == "string":
        if item.bound:
            return (
                lambda v: isinstance(v, str) and len(v) <= item.bound,
                f"string value not longer than {item.bound}",
            )
        return lambda v: isinstance(v, str), "of type 'str'"
    if base == "bool":
        return lambda v: isinstance(v, bool), "of type 'bool'"
    if base == "byte":
        return lambda v: isinstance(v, (bytes, bytearray)) and len(v) == 1, "of type 'bytes' (1)"
    if base == "float64":
        return lambda v: isinstance(v, float), "of type 'float'"
    if base == "float32":
        return _is_float32, "a float in [-3.402823466e+38, 3.402823466e+38]"
    low, high = _integer_range(base)
    signed = "an integer" if low else "an unsigned integer"
    return lambda v: isinstance(v, int) and low <= v <= high, f"{signed} in [{low}, {high}]"


def _is_float32(value):
    if not isinstance(value, float):
        return False
    return not math.isfinite(value) or -_FLOAT32_MAX <= value <= _FLOAT32_MAX


def _integer_range(base):
    info = np.iinfo(PRIMITIVES[base][3])
    return int(info.min), int(info.max)


def _converter(item, check):
    """Function from the value given to the value stored; None means refused."""
    _, _, code, dtype, _ = PRIMITIVES.get(item.base, (None,) * 5)

    def sized(value):
        if item.kind == "array":
            return len(value) == item.size
        return not item.size or len(value) <= item.size

    def listed(value):
        containers = isinstance(value, (Sequence, Set, UserList))
        if not containers or isinstance(value, (str, UserString)) or not sized(value):
            return False
        return all(map(check, value))

    if code is None:  # bool, byte, string, message: kept as given
        return lambda value: value if listed(value) else None
    if item.kind == "array":

        def to_numpy(value):
            if isinstance(value, np.ndarray):
                good = value.dtype == dtype and value.size == item.size
                return value if good else None
            return np.array(value, dtype) if listed(value) else None

        return to_numpy

    def to_array(value):
        if isinstance(value, array):
            return value if value.typecode == code and sized(value) else None
        if code == "B" and isinstance(value, (bytes, bytearray)) and sized(value):
            return array("B", value)
        return array(code, value) if listed(value) else None

    return to_array
