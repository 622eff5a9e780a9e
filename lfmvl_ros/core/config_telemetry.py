# SPDX-License-Identifier: Apache-2.0
"""Settings of the metrics endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class TelemetrySettings(Group):
    """Metrics for Prometheus (docs/telemetry.md)."""

    port: int = setting(
        0,
        "Port on which metrics are served to Prometheus over HTTP. Set it, for example to 9464, to "
        "watch robots with Grafana. 0: no metrics.",
        low=0,
        high=65535,
        read_only=True,
    )
    host: str = setting(
        "127.0.0.1",
        "Address that the port is opened on. Set it to 0.0.0.0 only on a network that you trust: "
        "there is no password.",
        read_only=True,
    )
