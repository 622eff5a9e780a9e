# SPDX-License-Identifier: Apache-2.0
"""Finds the objects in what the scanner read, whatever the keys and however they are nested."""

from __future__ import annotations

from dataclasses import dataclass, field

from lfmvl_ros.core.confidence import Span
from lfmvl_ros.core.parsing.absence import says_nothing
from lfmvl_ros.core.parsing.labels import LabelMatcher, clean_label, is_too_long, word_list
from lfmvl_ros.core.parsing.nodes import Container, Document, Node, Scalar
from lfmvl_ros.core.parsing.values import (
    CXCYWH,
    XYWH,
    XYXY,
    NoBoxError,
    RawBox,
    box_from_sides,
    fold_key,
    has_side_names,
    looks_like_numbers,
    read_boxes,
)
from lfmvl_ros.core.query import Query

# Keys are compared folded: lower case, letters and digits only.
_XYXY_KEYS = word_list(
    "bbox box bbox2d box2d boundingbox boundingbox2d bboxxyxy boxxyxy xyxy coordinates coords "
    "bounds rect rectangle position location region bndbox"
)
_BOX_KEYS = {
    **dict.fromkeys(_XYXY_KEYS, XYXY),
    **dict.fromkeys(("bboxxywh", "boxxywh", "xywh"), XYWH),
    **dict.fromkeys(("bboxcxcywh", "boxcxcywh", "cxcywh"), CXCYWH),
}
_LIST_KEYS = word_list(
    "objects detections results annotations predictions items instances boxes bboxes entities data "
    "answer output response"
)
_LABEL_KEYS = word_list(
    "label name class classname labelname category categoryname object objectname title phrase "
    "type tag text"
)
_CAPTION_KEYS = ("globalcaption", "caption", "scenecaption")
_MAX_CAPTION = 1000


@dataclass(frozen=True)
class Label:
    """A label as written, and where; ``span`` is None when it was taken from elsewhere."""

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
        """How messages call it: ``object 2 ('person')``."""
        return f"object {self.index} ({self.label.text!r})"


@dataclass
class Found:
    """Everything an answer holds.

    Attributes:
        objects: label and box complete.
        rejected: a phrase for each object that can't be kept.
        lost: objects that the end of the text cut off.
        says_empty: it holds a list without anything in it, or null, or a word for nothing.
        is_list: the last value with objects is a list, or an object around one, closed: complete.
        caption: the model's description of the scene.
    """

    objects: list[RawObject] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    lost: int = 0
    says_empty: bool = False
    is_list: bool = False
    caption: str | None = None


def find_objects(document: Document, query: Query) -> Found:
    """Return the objects of a scanned answer. Never raises."""
    return _Finder(document, query).run()


class _Finder:
    def __init__(self, document: Document, query: Query) -> None:
        self.document = document
        self.query = query
        self.matcher = LabelMatcher(query)
        self.found = Found()
        self.count = 0

    def run(self) -> Found:
        for value, (start, end) in zip(self.document.values, self.document.gaps, strict=True):
            hint = self.matcher.last_named(self.document.text[max(start, end - 400) : end])
            before = self.count
            self._walk(value, Label(hint) if hint else None, (value.start, value.start + 1))
            if self.count > before or self.found.says_empty:
                self.found.is_list = value.closed and not self._is_single(value)
        return self.found

    def _is_single(self, value: Container) -> bool:
        """One object or box by itself, which another could follow."""
        if value.kind == "[":
            return looks_like_numbers(self.document, value) or self._is_corner_pair(value)
        names = {fold_key(self.document.string(key)) for key in value.keys if key is not None}
        return not names.isdisjoint(_BOX_KEYS) or has_side_names(names)

    def _walk(self, node: Node, hint: Label | None, gate: Span) -> None:
        """Look at one value. Recursion is bounded: the scanner limits the depth."""
        if isinstance(node, Scalar):
            self._loose_scalar(node)
        elif node.kind == "{":
            self._object(node, hint, gate)
        elif looks_like_numbers(self.document, node) or self._is_corner_pair(node):
            self._leaf(hint, node, XYXY, gate)
        elif not node.items:
            self.found.says_empty |= node.closed
        elif not self._labelled_list(node, gate):
            previous = node.start
            for item in node.items:
                self._walk(item, hint, (previous, item.start + 1))
                previous = item.end

    def _loose_scalar(self, node: Scalar) -> None:
        text = self.document.string(node) if node.end - node.start <= 300 else ""
        self.found.says_empty |= node.terminated and says_nothing(text, self.query)

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
            self.found.says_empty |= node.closed and node.pending is None
            if node.open_at_end:
                self._lose()
            return
        label: Label | None = None
        for fields in self._groups(node):
            label = self._fields(fields, node, hint, gate, label)
            end = max(value.end for value in fields.values())
            gate = (end, end + 1)

    def _groups(self, node: Container) -> list[dict[str, Node]]:
        """Split an object that repeats its keys: ``{label, bbox, label, bbox}`` holds two.

        A key that comes again before there is a box replaces the first, as JSON readers do.
        """
        groups: list[dict[str, Node]] = [{}]
        for key, item in zip(node.keys, node.items, strict=True):
            name = fold_key(self.document.string(key)) if key is not None else ""
            name = name or f"#{len(groups[-1])}"
            if name in groups[-1]:
                self.document.mends.add("repeated key", item.start)
                if any(box_key in groups[-1] for box_key in _BOX_KEYS):
                    groups.append({})
            groups[-1][name] = item
        return groups

    def _fields(
        self,
        fields: dict[str, Node],
        node: Container,
        hint: Label | None,
        gate: Span,
        previous: Label | None,
    ) -> Label | None:
        label_node = next(
            (fields[k] for k in _LABEL_KEYS if isinstance(fields.get(k), Scalar)), None
        )
        label = self._label(label_node) or previous or hint
        cut_label = isinstance(label_node, Scalar) and not label_node.terminated
        if label_node is None and node.open_at_end and hint is None and previous is None:
            cut_label = True  # The label may have stood behind the end.
        box_key = next((key for key in fields if key in _BOX_KEYS), None)
        if box_key is not None or has_side_names(set(fields)):
            if cut_label:
                self._lose()
            elif box_key is not None:
                self._leaf(label, fields[box_key], _BOX_KEYS[box_key], gate)
            else:
                self._leaf_of_sides(label, fields, gate)
        else:
            self._nested(fields, node, label, has_label=label_node is not None)
        self._caption(fields)
        return label

    def _nested(
        self, fields: dict[str, Node], node: Container, label: Label | None, *, has_label: bool
    ) -> None:
        """An object without a box of its own: an envelope, or ``{"person": [..], "box": [..]}``."""
        inner = [(k, x) for k, x in fields.items() if isinstance(x, Container)]
        previous = node.start
        for key, value in inner:
            hint = label
            if label is None and key not in _LIST_KEYS and key not in _LABEL_KEYS:
                hint = self._key_label(node, value)
            self._walk(value, hint, (previous, value.start + 1))
            previous = value.end
        if inner:
            return
        if has_label and not node.open_at_end:
            self._reject(label, "it has no box")
        elif node.open_at_end:
            self._lose()
        elif not any(key in fields for key in _CAPTION_KEYS):
            for loose in fields.values():
                self._walk(loose, None, (loose.start, loose.start))

    def _key_label(self, node: Container, value: Node) -> Label | None:
        for key, item in zip(node.keys, node.items, strict=True):
            if item is value and key is not None:
                return self._label(key)
        return None

    def _caption(self, fields: dict[str, Node]) -> None:
        for key in _CAPTION_KEYS:
            node = fields.get(key)
            if isinstance(node, Scalar) and node.kind == "string" and self.found.caption is None:
                self.found.caption = clean_label(self.document.string(node)[:_MAX_CAPTION]) or None

    # -- one object -----------------------------------------------------------------------------

    def _label(self, node: Node | None) -> Label | None:
        if not isinstance(node, Scalar):
            return None
        text = self.document.text[node.start : node.end]
        if node.kind == "word" and text.casefold() in ("null", "none"):
            return None
        cleaned = clean_label(self.document.string(node))
        return Label(cleaned, (node.start, node.end)) if cleaned else None

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

    def _leaf_of_sides(self, label: Label | None, fields: dict[str, Node], gate: Span) -> None:
        try:
            raw = box_from_sides(self.document, fields)
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
            self.document.mends.add("label missing, taken from the query")
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
