# SPDX-License-Identifier: Apache-2.0
"""The published events of one camera's rules, as the tool ``watch`` needs them."""

from __future__ import annotations

import threading

from lfmvl_ros.core.rules.event import Event, EventState


class RuleEvents:
    """Which rules are in force, and the newest event of each. Thread-safe.

    Each begin gets a serial number, so that an event that was over before anybody looked is not
    missed: :meth:`begun_after`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: tuple[str, ...] = ()
        self._serial = 0
        self._begun: dict[str, tuple[int, Event]] = {}
        self._ongoing: dict[str, dict[str, Event]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rules in force."""
        with self._lock:
            return self._names

    @property
    def serial(self) -> int:
        """How many events have begun."""
        with self._lock:
            return self._serial

    def use(self, names: tuple[str, ...]) -> None:
        """Take the names of the rules that are in force from now on."""
        with self._lock:
            self._names = names
            for left in self._begun.keys() - set(names):
                del self._begun[left]
                self._ongoing.pop(left, None)

    def note(self, event: Event) -> None:
        """Take a published event."""
        with self._lock:
            ongoing = self._ongoing.setdefault(event.rule, {})
            if event.state is EventState.END:
                ongoing.pop(event.id, None)
                return
            ongoing[event.id] = event
            if event.state is EventState.BEGIN:
                self._serial += 1
                self._begun[event.rule] = self._serial, event

    def ongoing(self, rule: str) -> Event | None:
        """Return the newest message of a rule's active event that began last."""
        with self._lock:
            return next(reversed(self._ongoing.get(rule, {}).values()), None)

    def begun_after(self, rule: str, serial: int) -> Event | None:
        """Return the newest begin of a rule that came after the given one, over or not."""
        with self._lock:
            number, event = self._begun.get(rule, (0, None))
            return event if number > serial else None
