# SPDX-License-Identifier: Apache-2.0
"""What a node does with answers besides publishing them: stored samples, and metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.loopback import is_loopback
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.diagnostics.health import OK, WARN, Health

if TYPE_CHECKING:
    from lfmvl_ros.collect.collector import Collector
    from lfmvl_ros.ros.diagnostics.telemetry import Telemetry


class SideOutputs:
    """Both are off by default, and open from :meth:`open` to :meth:`close`.

    Args:
        inform: called with a sentence for the log.
        warn: likewise.
    """

    def __init__(self, inform: Callable[[str], object], warn: Callable[[str], object]) -> None:
        self._inform, self._warn = inform, warn
        self._collector: Collector | None = None
        self._telemetry: Telemetry | None = None

    def open(self, settings: PerceptionSettings) -> None:
        """Open the outputs that the settings name, and log where they are.

        Raises:
            UserError: a folder, key or port can't be used, or a package is missing.
        """
        self.close()
        if settings.collect.folder:
            from lfmvl_ros.collect.collector import Collector  # imported only if used

            self._collector = Collector(settings.collect, self._warn)
            sealed = ", encrypted" if settings.collect.public_key else ""
            self._inform("images that the model is not certain of, and those of events, are stored"
                         f"{sealed} in {self._collector.path}")  # fmt: skip
        if settings.telemetry.port:
            from lfmvl_ros.ros.diagnostics.telemetry import Telemetry

            self._telemetry = Telemetry(settings.telemetry)
            where = f"http://{settings.telemetry.host}:{settings.telemetry.port}/metrics"
            self._inform(f"metrics: {where}")
            if not is_loopback(settings.telemetry.host):
                self._warn(f"{where} can be read by everyone on the network, without a password")

    def close(self) -> None:
        """Store the waiting samples, and close the port."""
        collector, self._collector = self._collector, None
        if collector is not None:
            collector.close()
        telemetry, self._telemetry = self._telemetry, None
        if telemetry is not None:
            telemetry.close()

    def answer(self, answer: Answer, *, drifting: bool) -> None:
        """Take an answer, in the model's thread."""
        collector, telemetry = self._collector, self._telemetry
        if telemetry is not None:
            telemetry.answer(answer)
        if collector is not None:
            collector.answer(answer, drifting=drifting)

    def snapshot(self, frame: Frame, tracks: Tracks, settings: PerceptionSettings) -> str:
        """Store the frame at which an event began; return its file name, "" if it is not stored."""
        collector = self._collector
        if collector is None:
            return ""
        return collector.event(frame, tracks, Query.parse(settings.query), settings.model)

    def report(self, healths: Sequence[Health]) -> None:
        """Take the lines of diagnostics."""
        telemetry = self._telemetry
        if telemetry is not None:
            telemetry.report(healths)

    def health(self) -> list[Health]:
        """Return the line about stored samples; nothing where none are."""
        collector = self._collector
        if collector is None:
            return []
        problem, values = collector.status()
        text = problem or f"{values['samples']} samples, {values['size_mb']} MB"
        return [Health(WARN if problem else OK, "collect", text, dict(values))]
