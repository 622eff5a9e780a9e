# SPDX-License-Identifier: Apache-2.0
"""A parsed answer: which objects of a query were found in which frame, and how confidently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import normalise
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.latency.budget import Choice
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.timeline import check_stamp, stamp_document

SCHEMA = "lfmvl/grounding/1"


class Outcome(str, Enum):
    """How an answer ended. The first four are evidence about the scene, the last three are not."""

    OK = "ok"
    EMPTY = "empty"
    REPAIRED = "repaired"
    TRUNCATED = "truncated"
    UNPARSEABLE = "unparseable"
    TIMEOUT = "timeout"
    ERROR = "error"

    @property
    def is_evidence(self) -> bool:
        """True when the objects that the answer names may correct tracks.

        ``truncated`` is evidence of the objects it names, but others may be in the part that was
        cut off; see :attr:`is_evidence_of_absence`.
        """
        return self in (Outcome.OK, Outcome.EMPTY, Outcome.REPAIRED, Outcome.TRUNCATED)

    @property
    def is_evidence_of_absence(self) -> bool:
        """True when an object that the answer does not name was really not seen."""
        return self in (Outcome.OK, Outcome.EMPTY, Outcome.REPAIRED)


@dataclass(frozen=True, eq=False)
class Grounding:
    """The parsed content of one reply, as it is published.

    Attributes:
        outcome: how it ended.
        detections: the objects, in pixels of the frame that the model saw.
        stamp_ns, frame_id, camera, wh: of that frame; ``wh`` is (width, height) in pixels.
        region: the part of the frame that the model saw, which says nothing about the rest; None:
            all of it.
        query: the query, with its version.
        reply: what the model generated, with tokens and times.
        repairs: what had to be repaired to parse it, one phrase each.
        rejected: objects that were not used, one phrase each, with the reason.
        caption: the model's ``global_caption`` when it gave one.
        confidence_kind: what the scores are: ``token`` (token probabilities, uncalibrated),
            ``calibrated``, or ``constant`` (the backend gave none); see
            ``core/calibration/confidence.py``.
        unknown_labels: labels of detections that are not in the query.
        thought_tokens: how many of the reply's tokens were thoughts, which are not parsed.
        budget: what the latency budget chose for the image; None where there is none.
        revision: commit of the checkpoint on its hub; "" if it does not come from a hub.

    Raises:
        ValueError: the region is one of an image of another size, or the stamp is no integer.
    """

    outcome: Outcome
    detections: Detections
    stamp_ns: int
    frame_id: str
    camera: str
    wh: tuple[int, int]
    query: Query
    reply: Reply
    repairs: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    caption: str | None = None
    confidence_kind: str = "constant"
    unknown_labels: tuple[str, ...] = ()
    thought_tokens: int = 0
    budget: Choice | None = None
    revision: str = ""
    region: Region | None = None

    def __post_init__(self) -> None:
        check_stamp("Grounding.stamp_ns", self.stamp_ns)
        if self.region is not None and self.region.wh != self.wh:
            raise ValueError(
                f"Grounding.region is of an image of {self.region.wh}, the frame is {self.wh}"
            )

    @property
    def shows_whole_image(self) -> bool:
        """Whether its objects are those of the image, so that none means that nothing is there."""
        known = len(self.detections) > 0 or self.outcome.is_evidence_of_absence
        return known and self.region is None

    def to_dict(
        self,
        ids: tuple[str, ...] | None = None,
        places: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Return the JSON document of topic ``grounding`` (schema ``lfmvl/grounding/1``).

        Args:
            ids: track id of each detection, where known; None leaves the key out.
            places: where tracks are, by id
                (:meth:`lfmvl_ros.core.spatial.places.Places.documents`); the others have none.
        """
        times = self.reply.times
        return {
            "schema": SCHEMA,
            "stamp": stamp_document(self.stamp_ns),
            "frame_id": self.frame_id,
            "camera": self.camera,
            "width": self.wh[0],
            "height": self.wh[1],
            "region": None if self.region is None else _shares(self.region),
            "query": self.query.text,
            "query_version": self.query.version,
            "status": self.outcome.value,
            "objects": self._objects(ids, places or {}),
            "confidence_kind": self.confidence_kind,
            "unknown_labels": list(self.unknown_labels),
            "global_caption": self.caption,
            "repairs": list(self.repairs),
            "rejected": list(self.rejected),
            "error": self.reply.error,
            "model": self.reply.model,
            "revision": self.revision,
            "image_tokens": self.reply.image_tokens,
            "output_tokens": len(self.reply.tokens),
            "thought_tokens": self.thought_tokens,
            "forwards": self.reply.forwards,
            "timing": {
                "preprocess_ms": round(times.preprocess_s * 1e3, 3),
                "vision_ms": round(times.vision_s * 1e3, 3),
                "prefill_ms": round(times.prefill_s * 1e3, 3),
                "decode_ms": round(times.decode_s * 1e3, 3),
                "total_ms": round(times.total_s * 1e3, 3),
            },
            "latency_budget": None if self.budget is None else self.budget.to_dict(),
        }

    def _objects(
        self, ids: tuple[str, ...] | None, places: Mapping[int, Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """The detections of :meth:`to_dict`."""
        found = self.detections
        objects: list[dict[str, Any]] = []
        for i, xyxy in enumerate(normalise(found.xyxy_px, self.wh).tolist()):
            item: dict[str, Any] = {
                "label": found.labels[i],
                "confidence": round(float(found.scores[i]), 4),
                "bbox": [round(value, 5) for value in xyxy],
            }
            if ids is not None and ids[i]:
                item["id"] = ids[i]
                if places and (place := places.get(int(ids[i]))) is not None:
                    item["place"] = place
            objects.append(item)
        return objects


def _shares(region: Region) -> list[float]:
    """A region as the boxes of the document are: shares of width and height."""
    box = normalise(np.array([region.xyxy_px], dtype=np.float64), region.wh)[0]
    return [round(value, 5) for value in box.tolist()]
