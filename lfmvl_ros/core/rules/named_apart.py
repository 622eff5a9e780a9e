# SPDX-License-Identifier: Apache-2.0
"""Which tracks are two objects, because one answer has named both."""

from __future__ import annotations

from lfmvl_ros.core.boxes import FloatArray, iou_matrix
from lfmvl_ros.core.report import Answer

SAME_IOU = 0.3  # boxes that overlap by this much may be of the same object
_KEPT = 1000  # ids of tracks that are remembered


class NamedApart:
    """The newest answer about each track.

    If it names another track, too, and elsewhere, the two are different objects. Boxes of one
    answer that overlap are no such evidence: models sometimes list an object twice.
    """

    def __init__(self) -> None:
        self._newest: dict[int, tuple[int, tuple[int, ...], FloatArray]] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def add(self, answer: Answer) -> None:
        """Take an answer that the tracker has applied."""
        ids, stamp_ns = answer.applied.ids, answer.grounding.stamp_ns
        sight = (stamp_ns, ids, answer.grounding.detections.xyxy_px)
        for key in ids:
            if key and stamp_ns >= self._newest.get(key, sight)[0]:
                self._newest.pop(key, None)  # to the end: the oldest are forgotten first
                self._newest[key] = sight
        while len(self._newest) > _KEPT:
            del self._newest[next(iter(self._newest))]

    def clear(self) -> None:
        """Forget all answers."""
        self._newest.clear()

    def are_two(self, one: int, other: int) -> bool:
        """Whether the newest answer about ``one`` names ``other`` elsewhere."""
        sight = self._newest.get(one)
        if sight is None or other not in sight[1]:
            return False
        _, ids, boxes = sight
        pair = boxes[[ids.index(one), ids.index(other)]]
        return bool(iou_matrix(pair[:1], pair[1:])[0, 0] < SAME_IOU)
