# SPDX-License-Identifier: Apache-2.0
"""The endpoint without a node: its port, its values, its errors."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

import pytest

from lfmvl_ros.core.config_telemetry import TelemetrySettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.diagnostics.health import Health

from ...domains import next_port


def test_numbers_of_diagnostics_are_offered_and_the_port_is_given_back() -> None:
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    from lfmvl_ros.ros.diagnostics.telemetry import Telemetry

    settings = TelemetrySettings(port=next_port())
    url = f"http://127.0.0.1:{settings.port}/metrics"
    for _ in range(2):
        endpoint = Telemetry(settings)
        try:
            values = {"fps": "29.5", "topic": "/camera", "wrong": float("nan"), "count": 3}
            endpoint.report([Health(1, 'camera "a"', "text", values)])
            text = urllib.request.urlopen(url, timeout=10).read().decode()
            for path in ("", "other", "metrics/x"):
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    urllib.request.urlopen(url.replace("metrics", path), timeout=10)
            with pytest.raises(UserError, match="can't be opened"):
                Telemetry(settings)
        finally:
            endpoint.close()
        assert 'lfmvl_health_level{part="camera \\"a\\""} 1.0' in text
        assert 'lfmvl_diagnostics{key="fps",part="camera \\"a\\""} 29.5' in text
        assert 'lfmvl_diagnostics{key="count",part="camera \\"a\\""} 3.0' in text
        assert "topic" not in text
        assert "wrong" not in text
        assert "lfmvl_process_memory_bytes" in text


def test_without_the_package_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from lfmvl_ros.ros.diagnostics.telemetry import Telemetry

    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(UserError, match="pip install prometheus-client"):
        Telemetry(TelemetrySettings(port=9464))
