# SPDX-License-Identifier: Apache-2.0
"""The nouns of a rules file: zones, and rules about the tracks in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from lfmvl_ros.core.rules.condition import TrackCondition
from lfmvl_ros.core.rules.polygons import Polygon
from lfmvl_ros.core.same_label import fold_label


class Kind(str, Enum):
    """What a rule watches for.

    ``enter``: an object is in the zone. ``leave``: one that was in the zone is outside it.
    ``dwell``: one stays in the zone for ``for_s``. ``count``: more than ``above``, or fewer than
    ``below``, objects are there. ``appear``: a new object is confirmed. ``vanish``: a confirmed one
    is not there any more. ``speed``: one is faster than a limit. ``approach``: one will be here
    within ``time_s``, or is nearer than ``distance_m``. ``missing``: nothing of the label is in its
    zone.
    """

    ENTER = "enter"
    LEAVE = "leave"
    DWELL = "dwell"
    COUNT = "count"
    APPEAR = "appear"
    VANISH = "vanish"
    SPEED = "speed"
    APPROACH = "approach"
    MISSING = "missing"

    @property
    def is_moment(self) -> bool:
        """True for what happens at one time: its event ends by itself, after ``hold_s``."""
        return self in (Kind.LEAVE, Kind.APPEAR, Kind.VANISH)

    @property
    def is_of_a_track(self) -> bool:
        """True where each object has an event of its own."""
        return self not in (Kind.COUNT, Kind.MISSING)


class Point(str, Enum):
    """Which point of a box counts in a zone: the middle of its lower side, or its centre."""

    FOOT = "foot"
    CENTRE = "centre"


class Unanswered(str, Enum):
    """What becomes of an event about which nobody answers: it is dropped, or published."""

    DROP = "drop"
    PUBLISH = "publish"


@dataclass(frozen=True, eq=False)
class Zone:
    """A part of the image or of the floor.

    Attributes:
        name: as rules name it.
        polygon: corners as shares of width and height of the image, or in metres in ``frame``.
        frame: frame_id of metres; "" for the image.
    """

    name: str
    polygon: Polygon
    frame: str = ""


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule. Times in seconds, probabilities in [0, 1].

    Attributes:
        name: of the rule; its Bool topic is ``rules/<name>``.
        kind: what it watches for.
        labels: of the objects it is about; empty for all.
        selected: whether only the label counts that ``spatial.select`` names.
        zone: where the objects are; None for the whole image.
        point: which point of a box counts in an image zone.
        where: further condition on a track; None for none.
        camera: whose tracks it is about; "" for every camera.
        probability: an event begins when the rule holds with at least this probability.
        release: an event ends when the rule holds with less than this probability.
        for_s: how long it must have held before an event begins.
        clear_s: how long it must not have held before the event ends.
        lost_s: the same for an object whose track is lost.
        cool_down_s: after the end of an event, the rule begins no other for so long.
        hold_s: how long the event of a moment lasts.
        update_s: time between updates of an active event.
        over_s: time over which speed and approach are measured; by default a third of ``time_s``.
        answers: how many answers must support an absence before it is believed.
        above: count above which, or speed above which, it holds.
        below: count below which it holds.
        time_s: time to contact below which ``approach`` holds.
        distance_m: distance below which ``approach`` holds.
        to: labels of the other object of that distance; empty: the origin of the frame.
        metric: speed and approach are in metres.
        topic: whether the rule has a Bool topic.
        review: whether its events are held until a person has answered (docs/review.md).
        unanswered: what becomes of an event that is held, if nobody answers.
        text: the rule as written, to recognise whether it was changed.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()
    selected: bool = False
    zone: Zone | None = None
    point: Point = Point.FOOT
    where: TrackCondition | None = None
    camera: str = ""
    probability: float = 0.8
    release: float = 0.5
    for_s: float = 0.0
    clear_s: float = 0.5
    lost_s: float = 2.0
    cool_down_s: float = 0.0
    hold_s: float = 1.0
    update_s: float = 1.0
    over_s: float = 0.6
    answers: int = 2
    above: float | None = None
    below: float | None = None
    time_s: float | None = None
    distance_m: float | None = None
    to: tuple[str, ...] = ()
    metric: bool = False
    topic: bool = False
    review: bool = False
    unanswered: Unanswered = Unanswered.DROP
    text: str = ""

    @cached_property
    def label_keys(self) -> frozenset[str]:
        """The labels as they are compared."""
        return frozenset(map(fold_label, self.labels))

    @cached_property
    def to_keys(self) -> frozenset[str]:
        """The labels of the other object as they are compared."""
        return frozenset(map(fold_label, self.to))

    @cached_property
    def relevance_key(self) -> tuple[frozenset[str], str]:
        """Equal where the same objects count: labels and condition."""
        return self.label_keys, "" if self.where is None else self.where.text

    @cached_property
    def place_key(self) -> tuple[str, str]:
        """Equal where an object is in the same place: zone, and point of its box."""
        return "" if self.zone is None else self.zone.name, self.point.value

    @property
    def unit(self) -> str:
        """Of the value that events report; "" where there is none."""
        if self.kind is Kind.COUNT:
            return "objects"
        if self.kind is Kind.SPEED:
            return "m/s" if self.metric else "px/s"
        if self.kind is Kind.APPROACH:
            return "m" if self.metric else "s"
        return ""

    @cached_property
    def is_about_absence(self) -> bool:
        """True where the rule holds because something is not there."""
        below = self.kind is Kind.COUNT and self.below is not None
        return below or self.kind in (Kind.MISSING, Kind.VANISH)

    @cached_property
    def judges_confidence(self) -> bool:
        """True where the rule says itself what becomes of objects with a low confidence."""
        return self.review or (self.where is not None and "confidence" in self.where.fields)

    @property
    def needs_metres(self) -> bool:
        """True where the rule can only hold for objects with a position."""
        zone = self.zone is not None and bool(self.zone.frame)
        fields = self.where is not None and self.where.needs_metres
        return zone or fields or self.metric


@dataclass(frozen=True, eq=False)
class RuleSet:
    """All of a rules file.

    Attributes:
        zones: by name.
        rules: in the order of the file.
    """

    zones: dict[str, Zone] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that the rules name, each once, as first spelt."""
        found: dict[str, str] = {}
        for rule in self.rules:
            for label in (*rule.labels, *rule.to):
                found.setdefault(fold_label(label), label)
        return tuple(found.values())

    def of_camera(self, camera: str) -> RuleSet:
        """Return the rules that are about a camera."""
        kept = tuple(rule for rule in self.rules if rule.camera in ("", camera))
        return RuleSet(self.zones, kept)
