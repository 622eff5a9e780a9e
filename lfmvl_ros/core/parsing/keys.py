# SPDX-License-Identifier: Apache-2.0
"""The names models give to label, box and lists, and an object's values under them."""

from __future__ import annotations

from dataclasses import dataclass, field

from lfmvl_ros.core.parsing.labels import word_list
from lfmvl_ros.core.parsing.nodes import Container, Document, Node, Scalar
from lfmvl_ros.core.parsing.values import CXCYWH, XYWH, XYXY, fold_key, has_side_names

# Keys are compared folded: lower case, letters and digits only.
_XYXY_KEYS = word_list(
    "bbox box bbox2d box2d boundingbox boundingbox2d bboxxyxy boxxyxy xyxy coordinates coords "
    "bounds rect rectangle position location region bndbox"
)
BOX_KEYS = {
    **dict.fromkeys(_XYXY_KEYS, XYXY),
    **dict.fromkeys(("bboxxywh", "boxxywh", "xywh"), XYWH),
    **dict.fromkeys(("bboxcxcywh", "boxcxcywh", "cxcywh"), CXCYWH),
}
"""Keys of a box, and the layout they declare."""
LIST_KEYS = word_list(
    "objects detections results annotations predictions items instances boxes bboxes entities data "
    "answer output response"
)
"""Keys of lists of objects; any other key above a box is a label."""
LABEL_KEYS = word_list(
    "label name class classname labelname category categoryname object objectname title phrase "
    "type tag text"
)
"""Keys of a label, the most reliable first."""
CAPTION_KEYS = ("globalcaption", "caption", "scenecaption")


@dataclass
class Fields:
    """The values of one object by folded key, and the keys as they were written."""

    values: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)

    @property
    def box_key(self) -> str | None:
        """The key of its box; None when it has none."""
        return next((key for key in self.values if key in BOX_KEYS), None)

    @property
    def has_sides(self) -> bool:
        """True when its own keys name the sides of a box."""
        return has_side_names(set(self.values))

    @property
    def label(self) -> Scalar | None:
        """The value of its most reliable label key; None when it has none."""
        for key in LABEL_KEYS:
            node = self.values.get(key)
            if isinstance(node, Scalar):
                return node
        return None


def fields_of(document: Document, node: Container) -> list[Fields]:
    """Return the fields of an object, as two or more where it repeats its keys.

    ``{label, bbox, label, bbox}`` holds two objects that lost the bracket between them. A key that
    comes again before there is a box replaces the first, as JSON readers do.
    """
    groups = [Fields()]
    for key, item in zip(node.keys, node.items, strict=True):
        name = fold_key(document.string(key)) if key is not None else ""
        name = name or f"#{len(groups[-1].values)}"
        if name in groups[-1].values:
            document.repairs.add("repeated key", item.start)
            if groups[-1].box_key is not None:
                groups.append(Fields())
        groups[-1].values[name] = item
        if key is not None:
            groups[-1].keys[name] = key
    return groups
