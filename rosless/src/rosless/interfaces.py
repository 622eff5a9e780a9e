# SPDX-License-Identifier: Apache-2.0
"""Interface definitions: the field lists of messages and services.

Sources: the ROS 2 Jazzy definitions that come with `rosbags`, and what it lacks (services,
vision_msgs) in text files in `definitions/`, which `rosbags` reads.
"""

import functools
import pathlib
from dataclasses import dataclass, field

PRIMITIVES = {  # primitive type of ROS -> its code in struct, array.array and numpy
    "bool": "?",
    "byte": "c",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
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
        names = {"bool": "boolean", "byte": "octet", "float32": "float", "float64": "double"}
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
    found = {key[len(prefix) :] for key in _store().fielddefs if key.startswith(prefix)}
    if kind == "srv":
        found = {name.rpartition("_")[0] for name in found}
    return tuple(sorted(found))


@functools.cache
def definition(name: str) -> Definition:
    """The definition of a message; the two halves of a service are `…_Request` and `…_Response`."""
    if name not in _store().fielddefs:
        raise LookupError(f"no definition of {name}, neither in rosbags nor in {_FOLDER.name}/")
    constants, fields = _store().fielddefs[name]
    converted = [_field(name, key, node) for key, node in fields] or [Field(PLACEHOLDER, "uint8")]
    named = {key: bytes([v]) if t in ("byte", "octet") else v for key, t, v in constants}
    return Definition(name, tuple(converted), named)


@functools.cache
def _store():
    """A store of rosbags with all that it knows, and what it lacks."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    for path in _FOLDER.glob("*.txt"):
        for section in path.read_text().split("=== ")[1:]:
            head, _, text = section.partition("\n")
            name, halves = f"{path.stem}/{head.strip()}", text.split("---\n")
            parts = ("_Request", "_Response") if len(halves) == 2 else ("",)
            for part, half in zip(parts, halves, strict=True):
                (store.fielddefs[name + part],) = get_types_from_msg(half, name).values()
    for name, (constants, fields) in store.fielddefs.items():
        without = [(key, _without_char(node)) for key, node in fields]
        store.fielddefs[name] = constants, without
    return store


def _without_char(node):
    """A field as ROS 2 has it: its `char` is a uint8, which rosbags takes for that of IDL."""
    kind, details = node
    if kind.name in ("ARRAY", "SEQUENCE"):
        return kind, (_without_char(details[0]), details[1])
    return kind, ("uint8", 0) if details == ("char", 0) else details


def _field(name, field_name, node) -> Field:
    """Convert rosbags' description of a field: (node type, details)."""
    (node, details), kind, size = node, "one", 0
    if node.name in ("ARRAY", "SEQUENCE"):
        kind = node.name.lower()
        (node, details), size = details
    base, bound = (details, 0) if node.name == "NAME" else details
    base = "byte" if base == "octet" else base
    return Field(field_name, base, kind, size, bound, _DEFAULTS.get((name, field_name)))


@functools.cache
def type_hash(name: str) -> str:
    """The `RIHS01_…` hash of REP-2011, e.g. of "std_msgs/msg/String"."""
    return _store().hash_rihs01(name)
