# SPDX-License-Identifier: Apache-2.0
"""Watches the answers about one camera for drift, and reports it. No ROS in here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from lfmvl_ros.core.camera_names import health_name
from lfmvl_ros.core.config_drift import DriftSettings
from lfmvl_ros.core.drift import (
    DriftMonitor,
    DriftStatus,
    MachineFeatures,
    Reference,
    features_of,
    read_reference,
)
from lfmvl_ros.core.drift.events import DriftEvent, DriftEvents
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.user_files import user_path
from lfmvl_ros.ros.diagnostics.health import OK, WARN, Health


class DriftWatch:
    """One camera's answers compared with the reference; they come from the model's thread.

    Args:
        settings: of the node.
        camera: name; "" when it is the only one.
        warn: called with a sentence when a change begins.
        publish: called with each event, in their order, from :meth:`start` to :meth:`stop`.

    Raises:
        UserError: the profile can't be read.
    """

    def __init__(
        self,
        settings: DriftSettings,
        camera: str,
        warn: Callable[[str], None],
        publish: Callable[[DriftEvent], None],
    ) -> None:
        self._camera, self._warn, self._publish = camera, warn, publish
        self._events, self._active = DriftEvents(camera), False
        self._lock, self._machine = threading.Lock(), MachineFeatures()
        self._monitor = DriftMonitor(profile_of(settings), settings.learn_answers)

    def start(self) -> None:
        """Begin to publish events."""
        with self._lock:
            self._active = True

    def stop(self) -> None:
        """End every event, because the node stops. Call it while the publisher is active."""
        with self._lock:
            if self._active:
                self._send(self._events.close())
            self._active = False

    def answer(self, answer: Answer) -> None:
        """Take an answer; those about a part of the image are not what the reference is of."""
        if answer.grounding.region is not None:
            return
        grounding, frame = answer.grounding, answer.frame
        features = features_of(grounding, None if frame is None else frame.pixels)
        features |= self._machine.values()
        subject = grounding.query.text, grounding.reply.model
        with self._lock:
            begun = self._monitor.add(features, *subject)
            if self._active:
                changes, cleared = self._monitor.changes, self._monitor.cleared
                where = grounding.stamp_ns, grounding.frame_id
                self._send(self._events.update(changes, cleared, subject, *where))
        for change in begun:
            self._warn(f"drift: {change}")

    def _send(self, events: Iterable[DriftEvent]) -> None:
        for event in events:
            self._publish(event)

    @property
    def is_drifting(self) -> bool:
        """Whether a change is reported now."""
        with self._lock:
            return self._monitor.has_changed

    def health(self) -> Health:
        """Return the line for diagnostics."""
        with self._lock:
            status = self._monitor.status()
        part = health_name("drift", self._camera)
        level, message = _judge(status)
        values: dict[str, object] = {
            "answers": status.answers,
            "to_learn": status.to_learn,
            "watched": status.watched,
            "changes": len(status.changes),
            "changes_begun": status.begun,
            "without_values": ", ".join(status.without_values),
            "not_in_reference": ", ".join(status.not_in_reference),
        }
        values |= {f"mean.{name}": f"{value:.4g}" for name, value in status.means.items()}
        return Health(level, part, message, values)


def _judge(status: DriftStatus) -> tuple[int, str]:
    if status.problem:
        return WARN, status.problem
    found = list(map(str, status.changes))
    if status.without_values:
        names = ", ".join(status.without_values)
        found.append(f"the reference has {names}, of which answers have no values; not compared")
    if found:
        return WARN, "; ".join(found)
    if status.to_learn:
        return OK, f"learning what is normal: {status.to_learn} answers to go"
    return OK, f"{status.watched} figures are as in the reference"


def profile_of(settings: DriftSettings) -> Reference | None:
    """Return the profile that the settings name; None where there is none.

    Raises:
        UserError: it can't be read.
    """
    if not settings.watch or not settings.profile:
        return None
    return read_reference(user_path(settings.profile, "drift.profile"))
