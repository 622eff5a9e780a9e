# SPDX-License-Identifier: Apache-2.0
"""Finds the objects in scanned values, with any keys and any nesting."""

from __future__ import annotations

from dataclasses import dataclass, field

from lfmvl_ros.core.calibration.confidence import Span
from lfmvl_ros.core.parsing.absence import reports_nothing
from lfmvl_ros.core.parsing.keys import (
    BOX_KEYS,
    CAPTION_KEYS,
    LABEL_KEYS,
    LIST_KEYS,
    Fields,
    fields_of,
)
from lfmvl_ros.core.parsing.labels import LabelMatcher, is_too_long
from lfmvl_ros.core.parsing.nodes import Container, Document, Node, Scalar
from lfmvl_ros.core.parsing.values import (
    XYXY,
    NoBoxError,
    RawBox,
    box_from_sides,
    looks_like_numbers,
    read_boxes,
)
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.safe_text import safe_text

_MAX_CAPTION = 1000
_MAX_LOOSE = 8  # most words outside objects that can mean "nothing there"


@dataclass(frozen=True)
class Label:
    """A label as generated, with its position; ``span`` is None if it comes from the query."""

    text: str
    span: Span | None = None


@dataclass(frozen=True)
class RawObject:
    """One object before geometry. ``index`` counts the answer's objects from 1."""

    index: int
    label: Label
    box: RawBox
    gate: Span

    @property
    def name(self) -> str:
        """Its name in messages: ``object 2 ('person')``."""
        return f"object {self.index} ({self.label.text!r})"


@dataclass
class FoundObjects:
    """All objects of an answer.

    Attributes:
        objects: label and box complete.
        rejected: a phrase for each object that can't be used.
        lost: number of objects cut off by the end of the text.
        reports_nothing: the answer has an empty list, null, or a word for nothing.
        is_list: the last value with objects is a closed list, or an object around one.
        caption: the model's description of the scene.
    """

    objects: list[RawObject] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    lost: int = 0
    reports_nothing: bool = False
    is_list: bool = False
    caption: str | None = None


def find_objects(document: Document, query: Query) -> FoundObjects:
    """Return the objects of a scanned answer. Never raises."""
    return _Finder(document, query).run()


class _Finder:
    def __init__(self, document: Document, query: Query) -> None:
        self.document = document
        self.query = query
        self.matcher = LabelMatcher(query)
        self.found = FoundObjects()
        self.count = 0
        self.loose = 0

    def run(self) -> FoundObjects:
        for value, (start, end) in zip(self.document.values, self.document.gaps, strict=True):
            hint = self.matcher.last_named(self.document.text[max(start, end - 400) : end])
            before = self.count
            self._walk(value, Label(hint) if hint else None, (value.start, value.start + 1))
            if self.count > before or self.found.reports_nothing:
                self.found.is_list = value.closed and not self._is_single(value)
        return self.found

    def _is_single(self, value: Container) -> bool:
        """One object or box outside a list, which another could follow."""
        if value.kind == "[":
            return looks_like_numbers(self.document, value) or self._is_corner_pair(value)
        return any(f.box_key is not None or f.has_sides for f in fields_of(self.document, value))

    def _walk(self, node: Node, hint: Label | None, gate: Span) -> None:
        """Process one value. Recursion is bounded, since the scanner limits the depth."""
        if isinstance(node, Scalar):
            self._loose_scalar(node)
        elif node.kind == "{":
            self._object(node, hint, gate)
        elif looks_like_numbers(self.document, node) or self._is_corner_pair(node):
            self._leaf(hint, node, XYXY, gate)
        elif not node.items:
            self.found.reports_nothing |= node.closed
        elif not self._labelled_list(node, gate):
            previous = node.start
            for item in node.items:
                self._walk(item, hint, (previous, item.start + 1))
                previous = item.end

    def _loose_scalar(self, node: Scalar) -> None:
        self.loose += 1
        if node.terminated and node.end - node.start <= 300 and self.loose <= _MAX_LOOSE:
            self.found.reports_nothing |= reports_nothing(self.document.string(node), self.query)

    def _is_corner_pair(self, node: Container) -> bool:
        """``[[x, y], [x, y]]``, which is one box and not two."""
        return len(node.items) == 2 and all(
            isinstance(item, Container)
            and len(item.items) == 2
            and looks_like_numbers(self.document, item)
            for item in node.items
        )

    def _labelled_list(self, node: Container, gate: Span) -> bool:
        """``["person", 0.1, 0.2, 0.3, 0.4]`` and ``["person", [0.1, 0.2, 0.3, 0.4]]``."""
        texts = [x for x in node.items if isinstance(x, Scalar) and x.kind == "string"]
        rest = [x for x in node.items if not (isinstance(x, Scalar) and x.kind == "string")]
        if len(texts) != 1 or not rest:
            return False
        box = Container("[", node.start, "", node.end, open_at_end=node.open_at_end)
        box.items = rest
        if isinstance(rest[0], Container) and len(rest) == 1:
            box = rest[0]
        if looks_like_numbers(self.document, box):
            self._leaf(self._label(texts[0]), box, XYXY, gate)
            return True
        return False

    # -- objects --------------------------------------------------------------------------------

    def _object(self, node: Container, hint: Label | None, gate: Span) -> None:
        if not node.items:
            self.found.reports_nothing |= node.closed and node.pending is None
            if node.open_at_end:
                self._lose()
            return
        label: Label | None = None
        for fields in fields_of(self.document, node):
            label = self._fields(fields, node, hint, gate, label)
            end = max(value.end for value in fields.values.values())
            gate = (end, end + 1)

    def _fields(
        self,
        fields: Fields,
        node: Container,
        hint: Label | None,
        gate: Span,
        previous: Label | None,
    ) -> Label | None:
        """Process one object; ``previous`` is the label of another one in the same brackets."""
        written = fields.label
        label = self._label(written) or previous or hint
        cut_label = written is not None and not written.terminated
        if label is None and written is None and node.open_at_end:
            cut_label = True  # It may have been in the part that was cut off.
        box_key = fields.box_key
        if box_key is None and not fields.has_sides:
            self._nested(fields, node, label)
        elif cut_label:
            self._lose()
        elif box_key is not None:
            self._leaf(label, fields.values[box_key], BOX_KEYS[box_key], gate)
        else:
            self._leaf_of_sides(label, fields, gate)
        self._caption(fields)
        return label

    def _nested(self, fields: Fields, node: Container, label: Label | None) -> None:
        """An object without a box of its own: an envelope, or ``{"person": [..], "box": [..]}``."""
        previous, any_inside = node.start, False
        for key, value in fields.values.items():
            if not isinstance(value, Container):
                continue
            hint, any_inside = label, True
            if label is None and key not in LIST_KEYS and key not in LABEL_KEYS:
                hint = self._label(fields.keys.get(key))
            self._walk(value, hint, (previous, value.start + 1))
            previous = value.end
        if any_inside:
            return
        if node.open_at_end:
            self._lose()
        elif fields.label is not None:
            self._reject(label, "it has no box")
        elif fields.values.keys().isdisjoint(CAPTION_KEYS):
            for loose in fields.values.values():
                self._walk(loose, None, (loose.start, loose.start))

    def _caption(self, fields: Fields) -> None:
        for key in CAPTION_KEYS:
            node = fields.values.get(key)
            if isinstance(node, Scalar) and node.kind == "string" and self.found.caption is None:
                self.found.caption = safe_text(self.document.string(node)[:_MAX_CAPTION]) or None

    # -- one object -----------------------------------------------------------------------------

    def _label(self, node: Node | None) -> Label | None:
        if not isinstance(node, Scalar):
            return None
        text = self.document.text[node.start : node.end]
        if node.kind == "word" and text.casefold() in ("null", "none"):
            return None
        cleaned = safe_text(self.document.string(node))
        end = node.end + (node.kind == "string")  # the closing bracket is part of the object
        return Label(cleaned, (node.start, end)) if cleaned else None

    def _leaf(self, label: Label | None, box: Node, layout: str, gate: Span) -> None:
        try:
            boxes = read_boxes(self.document, box, layout)
        except NoBoxError as error:
            self._no_box(label, error)
            return
        for raw in boxes:
            self._add(label, raw, gate)
            end = max(number.span[1] for number in raw.numbers)
            gate = (end, end + 1)

    def _leaf_of_sides(self, label: Label | None, fields: Fields, gate: Span) -> None:
        try:
            raw = box_from_sides(self.document, fields.values)
        except NoBoxError as error:
            self._no_box(label, error)
            return
        self._add(label, raw, gate)

    def _no_box(self, label: Label | None, error: NoBoxError) -> None:
        if error.cut:
            self._lose()
        else:
            self._reject(label, str(error))

    def _add(self, label: Label | None, box: RawBox, gate: Span) -> None:
        if label is None and self.matcher.only is not None:
            label = Label(self.matcher.only)
            self.document.repairs.add("label missing, taken from the query")
        if label is None:
            self._reject(None, "it has no label")
        elif is_too_long(label.text):
            shown = Label(label.text[:20] + "…")
            self._reject(shown, f"its label has {len(label.text)} characters")
        else:
            self.count += 1
            self.found.objects.append(RawObject(self.count, label, box, gate))

    def _lose(self) -> None:
        self.count += 1
        self.found.lost += 1

    def _reject(self, label: Label | None, reason: str) -> None:
        self.count += 1
        name = f" ({label.text[:60]!r})" if label is not None else ""
        self.found.rejected.append(f"object {self.count}{name}: {reason}")
