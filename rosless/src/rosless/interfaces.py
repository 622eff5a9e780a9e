# SPDX-License-Identifier: Apache-2.0
"""Interface definitions: the field lists of messages and services.

Sources: the ROS 2 Jazzy definitions that come with `rosbags`, and what it lacks (services,
vision_msgs) in text files in `definitions/`, which `rosbags` reads.
"""

import functools
import hashlib
import json
import pathlib
from dataclasses import dataclass, field
from typing import NamedTuple


class Primitive(NamedTuple):
    """A primitive type of ROS."""

    code: str  # of struct, array.array and numpy
    type_id: int  # of REP-2011 (type_description_interfaces/msg/FieldType)


PRIMITIVES = {
    "bool": Primitive("?", 15),
    "byte": Primitive("c", 16),
    "char": Primitive("B", 3),
    "int8": Primitive("b", 2),
    "uint8": Primitive("B", 3),
    "int16": Primitive("h", 4),
    "uint16": Primitive("H", 5),
    "int32": Primitive("i", 6),
    "uint32": Primitive("I", 7),
    "int64": Primitive("q", 8),
    "uint64": Primitive("Q", 9),
    "float32": Primitive("f", 10),
    "float64": Primitive("d", 11),
}
PLACEHOLDER = "structure_needs_at_least_one_member"  # what an empty ROS message has on the wire
_FOLDER = pathlib.Path(__file__).parent / "definitions"
_DEFAULTS = {("geometry_msgs/msg/Quaternion", "w"): 1.0}  # rosbags drops the defaults of fields


@dataclass(frozen=True)
class Field:
    """One field. `kind`: one, array (of `size` items) or sequence (at most `size` if > 0)."""

    name: str
    base: str  # a key of PRIMITIVES, "string", or "package/msg/Name"
    kind: str = "one"
    size: int = 0
    bound: int = 0  # longest string, 0: any
    default: object = None

    @property
    def is_primitive(self) -> bool:
        return self.base in PRIMITIVES

    @property
    def is_number(self) -> bool:
        return self.is_primitive and self.base not in ("bool", "byte")

    @property
    def is_message(self) -> bool:
        return "/" in self.base

    @property
    def type_text(self) -> str:
        """The type as `get_fields_and_field_types()` of a rclpy message names it."""
        names = {"bool": "boolean", "byte": "octet", "char": "uint8"}
        names |= {"float32": "float", "float64": "double"}
        base = names.get(self.base, self.base).replace("/msg/", "/")
        base += f"<{self.bound}>" if self.bound else ""
        if self.kind == "one":
            return base
        if self.kind == "array":
            return f"{base}[{self.size}]"
        return f"sequence<{base}, {self.size}>" if self.size else f"sequence<{base}>"


@dataclass(frozen=True)
class Definition:
    """Fields and constants of one message, `name` is e.g. `sensor_msgs/msg/Image`."""

    name: str
    fields: tuple[Field, ...]
    constants: dict = field(default_factory=dict)


def names(package: str, kind: str) -> tuple[str, ...]:
    """Names of the interfaces that a package has, `kind` is msg or srv."""
    prefix = f"{package}/{kind}/"
    found = {key[len(prefix) :] for key in _fields() if key.startswith(prefix)}
    if kind == "srv":
        found = {name.rpartition("_")[0] for name in found}
    return tuple(sorted(found))


@functools.cache
def definition(name: str) -> Definition:
    """The definition of a message; the two halves of a service are `…_Request` and `…_Response`."""
    if name not in _fields():
        raise LookupError(f"no definition of {name}, neither in rosbags nor in {_FOLDER.name}/")
    constants, fields = _fields()[name]
    converted = [_field(name, key, node) for key, node in fields] or [Field(PLACEHOLDER, "uint8")]
    named = {key: bytes([v]) if t in ("byte", "octet") else v for key, t, v in constants}
    return Definition(name, tuple(converted), named)


@functools.cache
def _fields() -> dict:
    """{full name: (constants, fields)} of everything that is known, as rosbags puts it."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    found = dict(get_typestore(Stores.ROS2_JAZZY).fielddefs)
    for path in _FOLDER.glob("*.txt"):
        for section in path.read_text().split("=== ")[1:]:
            head, _, text = section.partition("\n")
            name, halves = f"{path.stem}/{head.strip()}", text.split("---\n")
            parts = ("_Request", "_Response") if len(halves) == 2 else ("",)
            for part, half in zip(parts, halves, strict=True):
                (found[name + part],) = get_types_from_msg(half, name).values()
    return found


def _field(name, field_name, node) -> Field:
    """Convert rosbags' description of a field: (node type, details)."""
    (node, details), kind, size = node, "one", 0
    if node.name in ("ARRAY", "SEQUENCE"):
        kind = node.name.lower()
        (node, details), size = details
    base, bound = (details, 0) if node.name == "NAME" else details
    base = "byte" if base == "octet" else base
    return Field(field_name, base, kind, size, bound, _DEFAULTS.get((name, field_name)))


def type_hash(name: str) -> str:
    """The `RIHS01_…` hash of REP-2011, e.g. of "std_msgs/msg/String"."""
    referenced = {}
    described = _describe(name, referenced)
    data = {
        "type_description": described,
        "referenced_type_descriptions": [referenced[key] for key in sorted(referenced)],
    }
    return "RIHS01_" + hashlib.sha256(json.dumps(data).encode()).hexdigest()


def _describe(name, referenced):
    fields = []
    for item in definition(name).fields:
        if item.is_primitive:
            type_id = PRIMITIVES[item.base].type_id
        else:
            type_id = 1 if item.is_message else (21 if item.bound else 17)
        if item.kind == "array":
            type_id += 48
        elif item.kind == "sequence":
            type_id += 96 if item.size else 144
        if item.is_message and item.base not in referenced:
            referenced[item.base] = None  # keeps the recursion from entering it again
            referenced[item.base] = _describe(item.base, referenced)
        details = {
            "type_id": type_id,
            "capacity": item.size,
            "string_capacity": item.bound,
            "nested_type_name": item.base if item.is_message else "",
        }
        fields.append({"name": item.name, "type": details})
    return {"type_name": name, "fields": fields}
