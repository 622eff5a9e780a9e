# SPDX-License-Identifier: Apache-2.0
"""Parses a reply into a Grounding: all steps of parsing, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import iou_matrix
from lfmvl_ros.core.calibration.calibration import looseness_of
from lfmvl_ros.core.calibration.confidence import (
    CONSTANT,
    Confidence,
    ObjectSpans,
    object_confidence,
)
from lfmvl_ros.core.config import ParsingSettings
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.parsing.absence import reports_nothing
from lfmvl_ros.core.parsing.geometry import PlacedBoxes, place_boxes
from lfmvl_ros.core.parsing.labels import LabelMatcher
from lfmvl_ros.core.parsing.nodes import Document
from lfmvl_ros.core.parsing.objects import FoundObjects, RawObject, find_objects
from lfmvl_ros.core.parsing.phrases import bounded
from lfmvl_ros.core.parsing.placing import in_whole_image
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.parsing.scanner import scan
from lfmvl_ros.core.parsing.thoughts import thought_tokens, without_thoughts
from lfmvl_ros.core.prompt import Prompt
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason, Reply

MAX_OBJECTS = 300
"""An answer with more objects than this comes from a model that is stuck."""
REPEATED_IOU = 0.95
"""Boxes of one label that overlap this much are one object, named twice."""

_KEEP_ALL = ParsingSettings()
_UNFINISHED = (FinishReason.LENGTH, FinishReason.DEADLINE, FinishReason.REPETITION)


def parse_reply(
    reply: Reply,
    *,
    frame: Frame,
    prompt: Prompt,
    settings: ParsingSettings = _KEEP_ALL,
    coordinates: CoordinateScale | None = None,
) -> Grounding:
    """Parse a reply about a frame.

    Never raises because of what a model generated, and takes time linear in its length. ``repairs``
    lists everything that was repaired, ``rejected`` everything that could not be used.

    Args:
        reply: the model's answer.
        frame: the frame that it is about. Boxes are in its pixels; where it shows a region of a
            camera image only, they are in pixels of that image.
        prompt: of the request; it has the query and the number of decimals to expect.
        settings: which objects are kept; the defaults keep all.
        coordinates: the scale of this model's coordinates, which learns from the answer; None uses
            the one that the prompt states, or decides from this answer only.
    """
    if coordinates is None and prompt.scale:
        coordinates = CoordinateScale(prompt.scale)
    answer = _Answer(reply, frame.wh, prompt, settings, coordinates)
    grounding = Grounding(
        outcome=answer.outcome,
        detections=answer.detections,
        stamp_ns=frame.stamp_ns,
        frame_id=frame.frame_id,
        camera=frame.camera,
        wh=frame.wh,
        query=prompt.query,
        reply=reply,
        repairs=bounded(answer.repairs),
        rejected=bounded(answer.rejected),
        caption=answer.caption,
        confidence_kind=answer.confidence_kind,
        unknown_labels=answer.unknown_labels,
        thought_tokens=answer.thought_tokens,
    )
    return grounding if frame.region is None else in_whole_image(grounding, frame.region)


@dataclass(frozen=True)
class _Candidate:
    """An object with a valid box: row ``row`` of the placed boxes."""

    row: int
    name: str
    label: str
    known: bool


class _Answer:
    """Parses one reply; afterwards its attributes are those of the Grounding."""

    def __init__(
        self,
        reply: Reply,
        wh: tuple[int, int],
        prompt: Prompt,
        settings: ParsingSettings,
        coordinates: CoordinateScale | None,
    ) -> None:
        self.reply = reply
        self.settings = settings
        self.repairs: list[str] = []
        self.rejected: list[str] = []
        self.caption: str | None = None
        self.confidence_kind = CONSTANT
        self.unknown_labels: tuple[str, ...] = ()
        self.thought_tokens = 0
        self.detections = Detections.empty()
        if reply.finish is FinishReason.ERROR:
            self.outcome = Outcome.ERROR
            return
        self._text = without_thoughts(reply.text)
        if self._text != reply.text:
            self.thought_tokens = thought_tokens(reply.text, reply.tokens)
            self.repairs.append("thoughts were left out")
        document = scan(self._text)
        found = find_objects(document, prompt.query)
        self.caption = found.caption
        self.rejected += found.rejected
        confidence = object_confidence(reply, [_spans(item) for item in found.objects])
        placed = place_boxes(
            [item.box for item in found.objects],
            wh,
            decimals=prompt.decimals,
            sigma_steps=confidence.sigma_steps,
            coordinates=coordinates,
        )
        looseness = looseness_of(placed.xyxy_px, placed.sigma_px)
        confidence = confidence.calibrated(reply.calibration, looseness)
        self.confidence_kind = confidence.kind
        self.repairs += [placed.remark] if placed.remark else []
        sound = self._sound(found.objects, placed, prompt.query)
        self.defects = len(self.rejected)
        kept = self._without_duplicates(sound, placed)
        understood = len(kept)
        kept = self._accepted(kept, confidence)
        self._keep(kept, placed, confidence)
        self.repairs = document.repairs.phrases() + self.repairs
        self.outcome = self._outcome(document, found, understood, prompt.query)

    def _sound(
        self, objects: Sequence[RawObject], placed: PlacedBoxes, query: Query
    ) -> list[_Candidate]:
        matcher = LabelMatcher(query)
        sound = []
        for row, item in enumerate(objects):
            if placed.problems[row]:
                self.rejected.append(f"{item.name}: {placed.problems[row]}")
                continue
            self.repairs += [f"{item.name}: {repair}" for repair in placed.repairs[row]]
            label, known = matcher.match(item.label.text)
            sound.append(_Candidate(row, item.name, label, known))
        return sound

    def _without_duplicates(
        self, candidates: list[_Candidate], placed: PlacedBoxes
    ) -> list[_Candidate]:
        """Drop repeated objects, and those beyond the limit."""
        seen: set[tuple[str, bytes]] = set()
        unique = []
        for item in candidates:
            key = (item.label, placed.xyxy_px[item.row].tobytes())
            if key not in seen:
                seen.add(key)
                unique.append(item)
        capped = unique[:MAX_OBJECTS]
        boxes = placed.xyxy_px[[item.row for item in capped]]
        near = np.triu(iou_matrix(boxes, boxes) >= REPEATED_IOU, k=1)
        kept: list[int] = []
        for i, item in enumerate(capped):
            if not any(near[j, i] and capped[j].label == item.label for j in kept):
                kept.append(i)
        repeated = len(candidates) - len(unique) + len(capped) - len(kept)
        if repeated:
            self.repairs.append(f"{repeated} repeated object{'s' * (repeated > 1)} dropped")
        if len(unique) > MAX_OBJECTS:
            self.repairs.append(f"only the first {MAX_OBJECTS} of {len(unique)} objects were kept")
        return [capped[i] for i in kept]

    def _accepted(self, items: list[_Candidate], confidence: Confidence) -> list[_Candidate]:
        """Drop objects that the settings exclude."""
        accepted = []
        for item in items:
            score = float(confidence.scores[item.row])
            if not item.known and self.settings.unknown_labels == "drop":
                self.rejected.append(f"{item.name}: its label is not in the query")
            elif score < self.settings.min_score:
                limit = self.settings.min_score
                self.rejected.append(f"{item.name}: confidence {score:.3f} is below {limit:g}")
            else:
                accepted.append(item)
        return accepted

    def _keep(self, items: list[_Candidate], placed: PlacedBoxes, confidence: Confidence) -> None:
        rows = np.array([item.row for item in items], dtype=np.intp)
        self.detections = Detections(
            placed.xyxy_px[rows],
            tuple(item.label for item in items),
            confidence.scores[rows],
            placed.sigma_px[rows],
        )
        self.unknown_labels = tuple(dict.fromkeys(x.label for x in items if not x.known))

    def _outcome(
        self, document: Document, found: FoundObjects, understood: int, query: Query
    ) -> Outcome:
        if not understood or (self.defects and not len(self.detections)):
            return self._outcome_of_nothing(document, found, query)
        # A closed list is complete, even if the model was stopped right after it.
        unfinished = self.reply.finish in _UNFINISHED and not found.is_list
        if found.lost or document.cut or unfinished:
            lost = "; an unfinished object was dropped" if found.lost else ""
            self.repairs.append(f"the answer was cut off{lost}")
            return Outcome.TRUNCATED
        if not len(self.detections):
            return Outcome.EMPTY
        return Outcome.REPAIRED if self.repairs or self.defects else Outcome.OK

    def _outcome_of_nothing(self, document: Document, found: FoundObjects, query: Query) -> Outcome:
        text = self._text
        if not self.defects and not found.lost and not document.cut:
            if found.reports_nothing:
                return Outcome.EMPTY
            stopped = self.reply.finish is FinishReason.STOP
            if not document.values and stopped and reports_nothing(text, query):
                self.repairs.append("nothing found, in words instead of []")
                return Outcome.EMPTY
        if self.reply.finish is FinishReason.DEADLINE:
            return Outcome.TIMEOUT
        if not self.rejected:
            cut = bool(found.lost or document.cut)
            reason = "it was cut off before the first object" if cut else "it holds no boxes"
            if not text.strip():
                thought = text != self.reply.text
                reason = "it has thoughts only, and no answer" if thought else "it is blank"
            self.rejected.append(f"the answer: {reason}")
        return Outcome.UNPARSEABLE


def _spans(item: RawObject) -> ObjectSpans:
    a, b, c, d = (number.span for number in item.box.numbers)
    return ObjectSpans(item.gate, item.label.span, (a, b, c, d))
