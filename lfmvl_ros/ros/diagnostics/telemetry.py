# SPDX-License-Identifier: Apache-2.0
"""Metrics of a node for Prometheus, over HTTP. No ROS in here; docs/telemetry.md has the names."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lfmvl_ros.core.config_telemetry import TelemetrySettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.machine_sensors import MachineSensors
from lfmvl_ros.core.report import Answer
from lfmvl_ros.ros.diagnostics.health import Health

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_MACHINE = {
    "temperature_c": ("lfmvl_machine_temperature_celsius", "The hottest sensor.", 1.0),
    "clock_mhz": ("lfmvl_machine_clock_hertz", "Mean of the cores.", 1e6),
    "power_w": ("lfmvl_machine_power_watts", "Sum of what is measured.", 1.0),
    "memory_mb": ("lfmvl_process_memory_bytes", "Resident memory of the node.", 1e6),
}


class Telemetry:
    """An open endpoint.

    Args:
        settings: with a port.

    Raises:
        UserError: prometheus-client is not installed, or the port can't be opened.
    """

    def __init__(self, settings: TelemetrySettings) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise UserError(
                "telemetry.port needs prometheus-client, which is not installed; install it: "
                "pip install prometheus-client (extra lfmvl_ros[telemetry])"
            ) from error
        # A `_created` series beside each counter: nobody asks for it, and it doubles their number.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call, unused-ignore]
        registry = prometheus.CollectorRegistry()
        self._answers = prometheus.Counter(
            "lfmvl_answers", "Answers of the model.", ["camera", "outcome"], registry=registry
        )
        self._boxes = prometheus.Counter(
            "lfmvl_boxes", "Boxes in answers.", ["camera"], registry=registry
        )
        self._times = prometheus.Histogram(
            "lfmvl_answer_seconds", "Time that the model took for an answer.", ["camera"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._snapshot = _Snapshot()
        registry.register(self._snapshot)
        try:
            self._server, self._thread = prometheus.start_http_server(
                settings.port, addr=settings.host, registry=registry
            )
            self._server.set_app(_only_metrics(self._server.get_app()))
        except (OSError, OverflowError) as error:
            raise UserError(
                f"telemetry: {settings.host} port {settings.port} can't be opened ({error}); set "
                "telemetry.port to a free one, and telemetry.host to an address of this machine"
            ) from error

    def answer(self, answer: Answer) -> None:
        """Count an answer."""
        grounding = answer.grounding
        self._answers.labels(grounding.camera, grounding.outcome.value).inc()
        self._boxes.labels(grounding.camera).inc(len(grounding.detections))
        self._times.labels(grounding.camera).observe(grounding.reply.times.total_s)

    def report(self, healths: Sequence[Health]) -> None:
        """Take the lines of diagnostics, once a second."""
        self._snapshot.healths = tuple(healths)

    def close(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)


def _only_metrics(serve: Any) -> Any:
    """Return a WSGI application that answers 404 on any path but ``/metrics``."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == "/metrics":
            found: Iterable[bytes] = serve(environ, start_response)
            return found
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"metrics are at /metrics\n"]

    return application


class _Snapshot:
    """Makes metrics of the newest diagnostics and the machine's sensors when they are fetched."""

    def __init__(self) -> None:
        self.healths: tuple[Health, ...] = ()
        self._sensors, self._lock = MachineSensors(), threading.Lock()

    def describe(self) -> Iterable[Any]:
        """Return no descriptions: the values are found at each request."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield the metrics."""
        from prometheus_client.core import GaugeMetricFamily

        level = GaugeMetricFamily(
            "lfmvl_health_level", "Level in /diagnostics: 0 ok, 1 warning, 2 error.",
            labels=["part"],
        )  # fmt: skip
        values = GaugeMetricFamily(
            "lfmvl_diagnostics", "Numbers in /diagnostics.", labels=["part", "key"]
        )
        for health in self.healths:
            level.add_metric([health.part], health.level)
            for key, value in health.values.items():
                number = _number(value)
                if number is not None:
                    values.add_metric([health.part, key], number)
        yield level
        yield values
        with self._lock:
            machine = self._sensors.values()
        for key, value in machine.items():
            name, words, scale = _MACHINE[key]
            yield GaugeMetricFamily(name, words, value=value * scale)


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
