# SPDX-License-Identifier: Apache-2.0
"""Message and service classes that behave like rclpy's, and their CDR.

Every field has a codec: what a new message holds, a writer (to a bytearray), a reader (from a
buffer). Alignment follows XCDR1 (OMG DDS-XTypes 1.3, 7.4.3): a scalar of n bytes starts at a
multiple of n after the 4-byte encapsulation header.
"""

import functools
import operator
import struct
import sys
from array import array

import numpy as np

from rosless.checks import make_setter
from rosless.interfaces import PLACEHOLDER, PRIMITIVES, definition

HEADER = b"\x00\x01\x00\x00"  # plain CDR, little endian
_PADS = [bytes(n) for n in range(8)]

if sys.byteorder != "little":  # array.array and numpy would need byte swaps everywhere
    raise ImportError("rosless runs on little-endian machines only; use a real ROS 2 here")


class CdrError(ValueError):
    """The bytes received are no CDR sample of the type expected."""


class Message:
    """Base of all generated message classes."""

    __slots__ = ()
    _definition = None
    _codecs = ()  # (slot, default, write, read) of each field

    def __init__(self, **values):
        for slot, default, _, _ in self._codecs:
            setattr(self, slot, default())
        for key, value in values.items():
            if "_" + key not in self.__slots__:
                raise AssertionError(f"Invalid arguments passed to constructor: {key}")
            setattr(self, key, value)

    @classmethod
    def _write(cls, buffer, message):
        if not cls._codecs:  # DDS has no empty structure: there is one byte
            buffer.append(0)
        for slot, _, write, _ in cls._codecs:
            write(buffer, getattr(message, slot))

    @classmethod
    def _read(cls, buffer, position):
        message = object.__new__(cls)
        if not cls._codecs:
            _, position = _get_bytes(buffer, position, 1, 1)
        for slot, _, _, read in cls._codecs:
            value, position = read(buffer, position)
            setattr(message, slot, value)
        return message, position

    @classmethod
    def get_fields_and_field_types(cls):
        """{field name: type text}, for example {'height': 'uint32', 'data': 'sequence<uint8>'}."""
        return {f.name: f.type_text for f in cls._definition.fields if f.name != PLACEHOLDER}

    def __eq__(self, other):
        if not isinstance(other, type(self)):
            return False
        for slot in self.__slots__:
            mine, theirs = getattr(self, slot), getattr(other, slot)
            same = np.array_equal(mine, theirs) if isinstance(mine, np.ndarray) else mine == theirs
            if not same:
                return False
        return True

    __hash__ = None

    def __repr__(self):
        values = (f"{slot[1:]}={_text(getattr(self, slot))}" for slot in self.__slots__)
        return f"{self.__module__}.{type(self).__name__}({', '.join(values)})"


def _text(value):
    if isinstance(value, array):
        return repr(value.tolist())
    return repr(value)


class _ServiceType(type):
    def __call__(cls, *args, **kwargs):
        raise NotImplementedError("Service classes can not be instantiated")


def serialize(message, prefix=b""):
    """CDR of a message as bytearray: encapsulation header, `prefix` (service header), body."""
    buffer = bytearray(HEADER)
    buffer += prefix
    try:
        message._write(buffer, message)
    except (struct.error, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise TypeError(f"cannot serialize {type(message).__name__}: {error}") from error
    buffer += _PADS[-len(buffer) & 3]
    return buffer


def deserialize(data, cls, offset=4):
    """Message of class `cls` from CDR bytes whose body starts at `offset`; CdrError on garbage."""
    if len(data) < offset or data[:2] != HEADER[:2]:
        raise CdrError(
            f"{len(data)} bytes starting {bytes(data[:4]).hex()} are no little-endian CDR"
        )
    try:
        return cls._read(memoryview(data), offset)[0]
    except (struct.error, ValueError, IndexError, MemoryError) as error:
        raise CdrError(f"no valid {cls.__name__}: {error}") from error


# --------------------------------------------------------------------- classes from definitions


@functools.cache
def interface_class(name):
    """The class of an interface, e.g. `std_msgs/msg/Header`, `std_srvs/srv/SetBool[_Request]`."""
    package, kind, base = name.split("/")
    if kind == "srv" and not base.endswith(("_Request", "_Response")):
        parts = {part: interface_class(f"{name}_{part}") for part in ("Request", "Response")}
        return _ServiceType(base, (), {"__module__": f"{package}.srv", "_name": name, **parts})
    return _message_class(definition(name))


def _message_class(described):
    package, kind, base = described.name.split("/")
    fields = [f for f in described.fields if f.name != PLACEHOLDER]
    space = {
        "__module__": f"{package}.{kind}",
        "__slots__": tuple("_" + f.name for f in fields),
        "_definition": described,
        "_codecs": tuple(("_" + f.name, *_codec(f)) for f in fields),
    }
    cls = type(base, (Message,), space)
    for item in fields:
        slot = cls.__dict__["_" + item.name]
        nested = interface_class(item.base) if item.is_message else None
        setter = make_setter(item, slot.__set__, nested)
        setattr(cls, item.name, property(operator.attrgetter("_" + item.name), setter))
    for key, value in described.constants.items():
        setattr(cls, key, value)
    return cls


# -------------------------------------------------------------------------- codecs of the fields


def _codec(item):
    """(default, write, read) of a field: `default()`, `write(buffer, value)`, `read(buffer, p)`.

    Readers return the value and the position after it.
    """
    if item.is_message:
        cls = interface_class(item.base)
        single = (cls, cls._write, cls._read)
    elif item.base == "string":
        single = (str, _put_string, _get_string)
    else:
        single = _scalar(PRIMITIVES[item.base])
    if item.kind != "one":
        return _numbers(item) if item.is_number else _items(item, *single)
    return single if item.default is None else (lambda: item.default, *single[1:])


def _scalar(code):
    packer = struct.Struct("<" + code)
    size, zero = packer.size, packer.unpack(bytes(packer.size))[0]

    def write(buffer, value):
        buffer += _PADS[(4 - len(buffer)) % size]
        buffer += packer.pack(value)

    def read(buffer, position):
        position += (4 - position) % size
        return packer.unpack_from(buffer, position)[0], position + size

    return lambda: zero, write, read


_, _put_uint32, _get_uint32 = _scalar("I")


def _put_string(buffer, text):
    data = text.encode()
    _put_uint32(buffer, len(data) + 1)
    buffer += data
    buffer += b"\0"


def _get_string(buffer, position):
    length, position = _get_uint32(buffer, position)
    data, end = _get_bytes(buffer, position, length, 1)
    return str(data[:-1], "utf-8"), end


def _put_count(item, buffer, count):
    """Write the length of a sequence; check that of an array, which is not written."""
    if item.kind == "array" and count != item.size:
        raise ValueError(f"{item.name} must have {item.size} items, got {count}")
    if item.kind == "sequence":
        if item.size and count > item.size:
            raise ValueError(f"{item.name} may have {item.size} items, got {count}")
        _put_uint32(buffer, count)


def _get_count(item, buffer, position):
    return (item.size, position) if item.kind == "array" else _get_uint32(buffer, position)


def _get_bytes(buffer, position, count, size):
    """View of `count` items of `size` bytes and the position after them."""
    if count:
        position += (4 - position) % size
    end = position + count * size
    if end > len(buffer):
        raise ValueError("the sample ends early")
    return buffer[position:end], end


def _items(item, default, write_one, read_one):
    """Several strings, messages, bools or bytes: a list."""
    count = item.size if item.kind == "array" else 0

    def write(buffer, values):
        _put_count(item, buffer, len(values))
        for value in values:
            write_one(buffer, value)

    def read(buffer, position):
        count, position = _get_count(item, buffer, position)
        values = []
        for _ in range(count):
            value, position = read_one(buffer, position)
            values.append(value)
        return values, position

    return lambda: [default() for _ in range(count)], write, read


def _numbers(item):
    """Several numbers: a numpy array of fixed size, or an array.array."""
    code, fixed = PRIMITIVES[item.base], item.kind == "array"
    size = struct.calcsize(code)

    def default():
        return np.zeros(item.size, code) if fixed else array(code)

    def write(buffer, values):
        _put_count(item, buffer, len(values))
        if len(values):
            buffer += _PADS[(4 - len(buffer)) % size]
            buffer += values.tobytes() if fixed else memoryview(values).cast("B")

    def read(buffer, position):
        count, position = _get_count(item, buffer, position)
        data, position = _get_bytes(buffer, position, count, size)
        if fixed:
            return np.frombuffer(data, code).copy(), position
        values = array(code)
        values.frombytes(data)
        return values, position

    return default, write, read
