# SPDX-License-Identifier: Apache-2.0
"""Holds events until a person has answered, or until the timeout."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from lfmvl_ros.core.config_review import ReviewSettings
from lfmvl_ros.core.review.answer import ReviewAnswer
from lfmvl_ros.core.review.item import SCHEMA
from lfmvl_ros.core.rules.event import Event, EventState
from lfmvl_ros.core.rules.rule import Rule, Unanswered


class ReviewOutcome(str, Enum):
    """Why an event is no longer held: the answer of a person, or that there was none.

    ``timeout``: nobody answered in time. ``stopped``: the node stopped.
    """

    YES = "yes"
    NO = "no"
    WRONG_LABEL = "wrong_label"
    BOX = "box"
    TIMEOUT = "timeout"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Settled:
    """An item that is no longer held.

    Attributes:
        id: of the item.
        rule: whose event it is.
        outcome: why it is no longer held.
        published: whether its event is published.
        events: to publish now.
    """

    id: str
    rule: str
    outcome: ReviewOutcome
    published: bool
    events: tuple[Event, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of topic ``review``, with state ``settled``."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "state": "settled",
            "rule": self.rule,
            "outcome": self.outcome.value,
            "published": self.published,
        }


@dataclass(frozen=True)
class GateStatus:
    """Counters of a gate.

    Attributes:
        held: events that are held now.
        asked, answered, timed_out: events that were ever held, were answered, and timed out.
        overflowed: events that were not held because ``max_held`` were.
        late: answers to events that were not held, or were no longer held.
    """

    held: int = 0
    asked: int = 0
    answered: int = 0
    timed_out: int = 0
    overflowed: int = 0
    late: int = 0


@dataclass
class _Held:
    begin: Event
    end: Event | None
    due_s: float
    publish: bool


def is_marked(event: Event, rule: Rule, settings: ReviewSettings) -> bool:
    """Whether an event must be held: its rule requires it, or its confidence is in the range."""
    if rule.review:
        return True
    if not event.tracks or not settings.max_confidence:
        return False
    least = min(track.confidence for track in event.tracks)
    return settings.min_confidence <= least < settings.max_confidence


class ReviewGate:
    """Takes events, and returns those that may be published. Not thread-safe.

    Args:
        new_id: makes the id of an item.
    """

    def __init__(self, new_id: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._new_id = new_id
        self._held: dict[str, _Held] = {}  # by item
        self._items: dict[str, str] = {}  # event -> item
        self._dropped: set[str] = set()  # dropped events that have not ended yet
        self._status = GateStatus()

    def status(self) -> GateStatus:
        """Return the counters."""
        return replace(self._status, held=len(self._held))

    def take(
        self, event: Event, rule: Rule | None, settings: ReviewSettings, now_s: float
    ) -> tuple[tuple[Event, ...], str]:
        """Take the next message about an event.

        Args:
            event: the message.
            rule: its rule; None if that is no longer in force.
            settings: in force.
            now_s: monotonic time, seconds.

        Returns:
            The events to publish now, and the id of a new item, "" without one.
        """
        if event.id in self._items:
            if event.state is EventState.END:
                self._held[self._items[event.id]].end = event
            return (), ""
        if event.id in self._dropped:
            if event.state is EventState.END:
                self._dropped.discard(event.id)
            return (), ""
        begins = event.state is EventState.BEGIN
        if not begins or rule is None or not is_marked(event, rule, settings):
            return (event,), ""
        return self._hold(event, rule, settings, now_s)

    def _hold(
        self, event: Event, rule: Rule, settings: ReviewSettings, now_s: float
    ) -> tuple[tuple[Event, ...], str]:
        publish = rule.unanswered is Unanswered.PUBLISH
        if len(self._held) >= settings.max_held:
            self._count(overflowed=1)
            if publish:
                return (event,), ""
            self._dropped.add(event.id)
            return (), ""
        item = self._new_id()
        self._held[item] = _Held(event, None, now_s + settings.timeout_s, publish)
        self._items[event.id] = item
        self._count(asked=1)
        return (), item

    def answer(self, answer: ReviewAnswer) -> Settled | None:
        """Take an answer; None where its item is not held."""
        if answer.id not in self._held:
            self._count(late=1)
            return None
        self._count(answered=1)
        return self._settle(answer.id, ReviewOutcome(answer.verdict.value), answer.verdict.confirms)

    def expire(self, now_s: float) -> list[Settled]:
        """Settle the events whose timeout has passed."""
        due = [item for item, held in self._held.items() if held.due_s <= now_s]
        self._count(timed_out=len(due))
        return [self._settle(item, ReviewOutcome.TIMEOUT, self._held[item].publish) for item in due]

    def close(self) -> list[Settled]:
        """Settle everything, because the node stops."""
        self._count(timed_out=len(self._held))
        return [
            self._settle(item, ReviewOutcome.STOPPED, held.publish)
            for item, held in list(self._held.items())
        ]

    def _settle(self, item: str, outcome: ReviewOutcome, publish: bool) -> Settled:
        held = self._held.pop(item)
        del self._items[held.begin.id]
        events = (held.begin,) if held.end is None else (held.begin, held.end)
        if not publish and held.end is None:
            self._dropped.add(held.begin.id)
        return Settled(item, held.begin.rule, outcome, publish, events if publish else ())

    def _count(self, **more: int) -> None:
        values = {name: getattr(self._status, name) + count for name, count in more.items()}
        self._status = replace(self._status, **values)
