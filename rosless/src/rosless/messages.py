# SPDX-License-Identifier: Apache-2.0
"""Message and service classes that behave like rclpy's, with a generated CDR codec.

For every definition one Python class is generated: `__init__`, `_write` (to a bytearray) and
`_read` (from a buffer) as straight-line code, in which runs of fixed-size scalars, those of nested
messages included, become one `struct` call. Alignment follows XCDR1 (OMG DDS-XTypes 1.3, 7.4.3):
a scalar of n bytes starts at a multiple of n after the 4-byte encapsulation header.
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
_NATIVE_LITTLE = sys.byteorder == "little"


class CdrError(ValueError):
    """The bytes received are no CDR sample of the type expected."""


class Message:
    """Base of all generated message classes."""

    __slots__ = ()
    _definition = None

    @classmethod
    def get_fields_and_field_types(cls):
        """{field name: type text}, for example {'height': 'uint32', 'data': 'sequence<uint8>'}."""
        return {f.name: f.type_text for f in cls._definition.fields if f.name != PLACEHOLDER}

    def _assign(self, values):
        for key, value in values.items():
            if "_" + key not in self.__slots__:
                raise AssertionError(f"Invalid arguments passed to constructor: {key}")
            setattr(self, key, value)

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
    code = _Code(described)
    space = {"__module__": f"{package}.{kind}", "_definition": described}
    fields = [f for f in described.fields if f.name != PLACEHOLDER]
    space["__slots__"] = tuple("_" + f.name for f in fields)
    space["_flat"] = all(
        f.kind == "one" and (f.is_primitive or (f.is_message and interface_class(f.base)._flat))
        for f in described.fields
    )
    cls = type(base, (Message,), space)
    for item in fields:
        slot = cls.__dict__["_" + item.name]
        nested = interface_class(item.base) if item.is_message else None
        setter = make_setter(item, slot.__set__, nested)
        setattr(cls, item.name, property(operator.attrgetter("_" + item.name), setter))
    for key, value in described.constants.items():
        setattr(cls, key, value)
    code.compile_into(cls)
    return cls


class _Code:
    """Source text of one class's `__init__`, `_write` and `_read`.

    Scalars are collected in `run` and flushed as one pack/unpack; `names` holds what the text uses.
    """

    def __init__(self, described):
        self.described = described
        self.names = {
            "np": np,
            "array": array,
            "pads": _PADS,
            "put_string": _put_string,
            "get_string": _get_string,
            "get_length": _get_length,
            "get_bytes": _get_bytes,
        }
        self.init, self.write, self.read, self.run = [], [], [], []

    def compile_into(self, cls):
        self.name("new", object.__new__)
        self.name("cls", cls)
        for item in self.described.fields:
            self.add(item)
        self.flush()
        lines = ["def __init__(self, **kwargs):"]
        lines += [f"  self._{name} = {value}" for name, value in self.init]
        lines += ["  if kwargs: self._assign(kwargs)", "def _write(b, m):"]
        lines += [f"  {line}" for line in self.write] + ["def _read(b, p):", "  m = new(cls)"]
        lines += [f"  {line}" for line in self.read] + ["  return m, p"]
        filename = f"<{self.described.name}>"
        exec(compile("\n".join(lines), filename, "exec"), self.names)  # text made above, no input
        cls.__init__ = self.names["__init__"]
        cls._write = staticmethod(self.names["_write"])
        cls._read = staticmethod(self.names["_read"])

    def name(self, key, value):
        self.names[key] = value
        return key

    def add(self, item):
        if item.name == PLACEHOLDER:
            self.run.append(("0", "_", "B"))
        elif item.kind == "one":
            self.add_single(item)
        elif item.is_primitive:
            self.add_numbers(item)
        else:
            self.add_items(item)

    def add_single(self, item):
        if item.is_primitive:
            zero = {"?": False, "c": b"\0", "f": 0.0, "d": 0.0}.get(PRIMITIVES[item.base][0], 0)
            self.init.append((item.name, repr(zero if item.default is None else item.default)))
            self.run.append((f"m._{item.name}",) * 2 + (PRIMITIVES[item.base][0],))
        elif item.base == "string":
            self.flush()
            self.init.append((item.name, repr(item.default or "")))
            self.write.append(f"put_string(b, m._{item.name})")
            self.read.append(f"m._{item.name}, p = get_string(b, p)")
        else:
            nested = interface_class(item.base)
            key = self.name(f"C_{item.name}", nested)
            self.init.append((item.name, f"{key}()"))
            if nested._flat:
                self.add_flat(f"m._{item.name}", nested)
            else:
                self.flush()
                self.write.append(f"{key}._write(b, m._{item.name})")
                self.read.append(f"m._{item.name}, p = {key}._read(b, p)")

    def add_flat(self, target, nested):
        """Fields of a nested message of fixed size join the run; reading creates it first."""
        key = self.name("F_" + nested._definition.name.replace("/", "_"), nested)
        self.read.append(f"{target} = new({key})")
        for item in nested._definition.fields:
            if item.name == PLACEHOLDER:
                self.run.append(("0", "_", "B"))
            elif item.is_message:
                self.add_flat(f"{target}._{item.name}", interface_class(item.base))
            else:
                expression = f"{target}._{item.name}"
                self.run.append((expression, expression, PRIMITIVES[item.base][0]))

    def flush(self):
        if not self.run:
            return
        key = self.name(f"R_{len(self.names)}", _aligned([code for _, _, code in self.run]))
        self.write.append(f"b += {key}[len(b) & 7].pack({', '.join(w for w, _, _ in self.run)})")
        targets = ", ".join(target for _, target, _ in self.run)
        self.read.append(f"s = {key}[p & 7]; {targets}, = s.unpack_from(b, p); p += s.size")
        self.run.clear()

    def begin_many(self, item):
        """Length (written for sequences, checked for arrays)."""
        self.flush()
        text = f"m._{item.name}"
        if item.kind == "array":
            self.write.append(f"if len({text}) != {item.size}: raise ValueError({item.name!r})")
            self.read.append(f"n = {item.size}")
        else:
            if item.size:
                self.write.append(f"if len({text}) > {item.size}: raise ValueError({item.name!r})")
            self.write.append(f"b += pads[-len(b) & 3]; b += len({text}).to_bytes(4, 'little')")
            self.read.append("n, p = get_length(b, p)")
        return text

    def add_numbers(self, item):
        text = self.begin_many(item)
        _, size, code, dtype, _ = PRIMITIVES[item.base]
        if size > 1:
            self.write.append(f"if len({text}): b += pads[4 - len(b) & {size - 1}]")
        self.read.append(f"v, p = get_bytes(b, p, n, {size})")
        if item.base == "byte":
            empty = f"[bytes(1)] * {item.size}" if item.kind == "array" else "[]"
            self.write.append(f"b += b''.join({text})")
            self.read.append(f"{text} = [bytes((x,)) for x in v]")
        elif code is None:  # bool
            empty = f"[False] * {item.size}" if item.kind == "array" else "[]"
            self.write.append(f"b += bytes({text})")
            self.read.append(f"{text} = [x != 0 for x in v]")
        elif item.kind == "array":
            key = self.name(f"D_{item.name}", np.dtype(dtype))
            empty = f"np.zeros({item.size}, {key})"
            if item.default is not None:
                empty = f"np.array({item.default!r}, {key})"
            self.write.append(f"b += {text}.tobytes()")
            self.read.append(f"{text} = np.frombuffer(v, {key}).copy()")
        else:
            empty = f"array({code!r}, {item.default or []!r})"
            self.write.append(f"b += memoryview({text}).cast('B')" if size > 1 else f"b += {text}")
            self.read.append(f"{text} = x = array({code!r}); x.frombytes(v)")
        self.init.append((item.name, empty))

    def add_items(self, item):
        """Strings or messages, several."""
        text = self.begin_many(item)
        if item.base == "string":
            one = "''"
            self.write.append(f"for x in {text}: put_string(b, x)")
            step = "x, p = get_string(b, p)"
        else:
            key = self.name(f"C_{item.name}", interface_class(item.base))
            one = f"{key}()"
            self.write.append(f"for x in {text}: {key}._write(b, x)")
            step = f"x, p = {key}._read(b, p)"
        self.read.append("if n > len(b) - p: raise ValueError('length beyond the end')")
        self.read.append(f"{text} = v = []")
        self.read.append(f"for _ in range(n): {step}; v.append(x)")
        many = f"[{one} for _ in range({item.size})]" if item.kind == "array" else "[]"
        self.init.append((item.name, repr(item.default) if item.default else many))


def _aligned(codes):
    """Eight structs for a run of scalars, indexed by buffer position modulo 8."""
    structs = []
    for position in range(8):
        start = end = position + 4  # alignment counts from after the 4-byte header; 4 = -4 mod 8
        text = "<"
        for code in codes:
            size = struct.calcsize("<" + code)
            text += "x" * (-end % size) + code
            end = start + struct.calcsize(text)
        structs.append(struct.Struct(text))
    return tuple(structs)


def _put_string(buffer, text):
    data = text.encode()
    buffer += _PADS[-len(buffer) & 3]
    buffer += (len(data) + 1).to_bytes(4, "little")
    buffer += data
    buffer += b"\0"


def _get_length(buffer, position):
    position += -position & 3
    if position + 4 > len(buffer):
        raise ValueError("the sample ends early")
    return int.from_bytes(buffer[position : position + 4], "little"), position + 4


def _get_string(buffer, position):
    length, position = _get_length(buffer, position)
    end = position + length
    if end > len(buffer):
        raise ValueError("a string ends beyond the sample")
    return str(buffer[position : end - 1], "utf-8") if length else "", end


def _get_bytes(buffer, position, count, size):
    """View of `count` items of `size` bytes and the position after them."""
    if count:
        position += (4 - position) & (size - 1)
    end = position + count * size
    if end > len(buffer):
        raise ValueError("a sequence ends beyond the sample")
    return buffer[position:end], end


if not _NATIVE_LITTLE:  # array.array and numpy would need byte swaps everywhere
    raise ImportError("rosless runs on little-endian machines only; use a real ROS 2 here")
