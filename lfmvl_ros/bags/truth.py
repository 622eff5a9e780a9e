# SPDX-License-Identifier: Apache-2.0
"""Annotations in a bag: a ``Detection2DArray`` topic that says what is really in each image."""

from __future__ import annotations

from typing import Any

import numpy as np

from lfmvl_ros.bags.messages import DETECTIONS
from lfmvl_ros.bags.reading import Bag
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.films import TrueBoxes
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.sensors.stamps import stamp_ns


def truth_topic(bag: Bag, wanted: str | None = None) -> str:
    """Return the topic of the annotations.

    Args:
        bag: that is read.
        wanted: its name; None: the only ``Detection2DArray`` topic, or the only one whose name ends
            in ``truth``.

    Raises:
        UserError: there is none, or several to choose from.
    """
    there = [t.name for t in bag.topics if t.kind == DETECTIONS and t.count]
    if wanted is not None:
        if wanted not in there:
            raise UserError(
                f"{wanted!r} is no topic of {DETECTIONS} in {bag.path}: {_listed(there)}"
            )
        return wanted
    named = [name for name in there if name.rpartition("/")[2].endswith("truth")]
    choice = named or there
    if not choice:
        raise UserError(
            f"{bag.path} has no annotations: no message of {DETECTIONS}, with the stamp of each "
            "image; record them into the bag, or try one of `lfmvl record --truth`"
        )
    if len(choice) > 1:
        raise UserError(
            f"{bag.path} has several topics that may be annotations; name the topic of "
            f"{DETECTIONS} with --truth: {_listed(there)}"
        )
    return choice[0]


def read_truth(bag: Bag, topic: str) -> dict[int, TrueBoxes]:
    """Return the annotations by the stamp of their image, ns.

    The score of a detection is the visible share of the object; 0 counts as not given.

    Raises:
        UserError: the bag is damaged, or a message is not an annotation.
    """
    found: dict[int, TrueBoxes] = {}
    for message in bag.messages([topic]):
        try:
            decoded = bag.decode(message)
            at_ns = stamp_ns(decoded.header.stamp)
            if at_ns in found:
                raise ValueError(f"a second one has the stamp {at_ns} ns")
            found[at_ns] = _boxes(decoded.detections)
        except (ValueError, ConversionError) as error:
            raise UserError(
                f"{topic} of {bag.path} holds a message that is not an annotation: {error}; each "
                "image has one, in which each detection has an id of its own, a label and a box"
            ) from error
    return found


def _boxes(detections: Any) -> TrueBoxes:
    ids, labels, rows, visible = [], [], [], []
    for item in detections:
        if not item.id or not item.results:
            raise ValueError("a detection without id or label")
        best = item.results[0].hypothesis
        at, size = item.bbox.center.position, (item.bbox.size_x, item.bbox.size_y)
        if min(size) < 0:
            raise ValueError(f"a box of {size[0]:g} x {size[1]:g} pixels")
        ids.append(item.id)
        labels.append(best.class_id)
        rows.append([at.x - size[0] / 2, at.y - size[1] / 2, at.x + size[0] / 2,
                     at.y + size[1] / 2])  # fmt: skip
        visible.append(best.score if 0 < best.score <= 1 else 1.0)
    return TrueBoxes(
        tuple(ids), tuple(labels), np.array(rows, np.float64).reshape(-1, 4),
        np.array(visible, np.float64),
    )  # fmt: skip


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"
