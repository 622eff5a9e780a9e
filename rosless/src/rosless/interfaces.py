# SPDX-License-Identifier: Apache-2.0
"""Interface definitions: the field lists of messages and services.

Sources: the text files in `definitions/` (services, vision_msgs, and what needs field defaults),
then the ROS 2 Jazzy definitions that come with `rosbags`.
"""

import ast
import functools
import hashlib
import json
import pathlib
import re
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
_LINE = re.compile(
    r"(?P<base>[A-Za-z]\w*(?:/[A-Za-z]\w*)*)(?:<=(?P<bound>\d+))?"
    r"(?P<array>\[(?P<upto><=)?(?P<size>\d*)\])?\s+(?P<name>[A-Za-z]\w*)\s*(?P<rest>.*)"
)


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
    found = {key[len(prefix) :] for key in _own_texts(package) if key.startswith(prefix)}
    if kind == "msg":
        found |= {key[len(prefix) :] for key in _store() if key.startswith(prefix)}
    return tuple(sorted(found))


@functools.cache
def definition(name: str) -> Definition:
    """The definition of a message; the two halves of a service are `…_Request` and `…_Response`."""
    package, kind, base = name.split("/")
    texts = _own_texts(package)
    if kind == "srv":
        service, _, part = base.rpartition("_")
        text = texts.get(f"{package}/srv/{service}")
        if text is not None and part in ("Request", "Response"):
            request, _, response = text.partition("---\n")
            return _parse(name, request if part == "Request" else response)
    elif name in texts:
        return _parse(name, texts[name])
    elif name in _store():
        return _from_store(name, *_store()[name])
    raise LookupError(f"no definition of {name}: it is neither in rosbags nor in {_FOLDER.name}/")


@functools.cache
def _own_texts(package: str) -> dict:
    """{full name: field list} of the package's text file, {} where it has none."""
    path = _FOLDER / f"{package}.txt"
    if not path.exists():
        return {}
    texts = {}
    for section in path.read_text().split("=== ")[1:]:
        head, _, body = section.partition("\n")
        texts[f"{package}/{head.strip()}"] = body
    return texts


@functools.cache
def _store() -> dict:
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_JAZZY).fielddefs


def _from_store(name, constants, fields) -> Definition:
    """Convert a definition of rosbags: (name, (node type, details)) for each field."""
    converted = []
    for field_name, (node, details) in fields:
        kind, size = "one", 0
        if node.name in ("ARRAY", "SEQUENCE"):
            kind = node.name.lower()
            (node, details), size = details
        base, bound = (details, 0) if node.name == "NAME" else details
        base = "byte" if base == "octet" else base
        converted.append(Field(field_name, base, kind, size, bound))
    return Definition(name, tuple(converted), {key: _constant(t, v) for key, t, v in constants})


def _constant(base, value):
    return bytes([value]) if base in ("byte", "octet") else value


def _parse(name: str, text: str) -> Definition:
    fields, constants = [], {}
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"cannot read line {line!r} in the definition of {name}")
        base, rest = match["base"], match["rest"]
        if base not in PRIMITIVES and base != "string":
            base = "/msg/".join(base.split("/"))
        if rest.startswith("=") and not match["array"]:
            constants[match["name"]] = _literal(base, rest[1:])
            continue
        kind = "one"
        if match["array"]:
            kind = "array" if match["size"] and not match["upto"] else "sequence"
        default = _literal(base, rest) if rest else None
        size, bound = int(match["size"] or 0), int(match["bound"] or 0)
        fields.append(Field(match["name"], base, kind, size, bound, default))
    return Definition(name, tuple(fields or [Field(PLACEHOLDER, "uint8")]), constants)


def _literal(base, text):
    value = ast.literal_eval(text.strip())
    return float(value) if base.startswith("float") else value


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
