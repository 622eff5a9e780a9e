# SPDX-License-Identifier: Apache-2.0
"""What the endpoint publishes, docs/telemetry.md lists and config/grafana.json shows is the same.

Names and types follow https://prometheus.io/docs/practices/naming. ``promtool`` (Debian package
``prometheus``) checks them too, and the expressions of the dashboard, where it is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from lfmvl_ros.core.config_telemetry import TelemetrySettings
from lfmvl_ros.core.machine_sensors import MachineSensors
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking.applied import Applied
from lfmvl_ros.ros.diagnostics.health import Health

from ...core.replies import parse
from ...domains import next_port

ROOT = Path(__file__).parents[3]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "config" / "grafana.json").read_text("utf-8"))
PAGE = (ROOT / "docs" / "telemetry.md").read_text("utf-8")
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
ALL_SENSORS = {"temperature_c": 51.0, "clock_mhz": 2400.0, "power_w": 12.0, "memory_mb": 900.0}
promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)


@pytest.fixture(scope="module")
def published() -> Iterator[str]:
    """What a scrape gets after an answer, on a machine with all sensors."""
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    from lfmvl_ros.ros.diagnostics.telemetry import Telemetry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MachineSensors, "values", lambda self: dict(ALL_SENSORS))
        settings = TelemetrySettings(port=next_port())
        endpoint = Telemetry(settings)
        try:
            grounding = parse('[{"label": "person", "bbox": [0.1, 0.1, 0.3, 0.6]}]')
            endpoint.answer(Answer(grounding, Applied(grounding.stamp_ns, (0,)), 0))
            drift = {"changes": 1, "mean.brightness": "0.5", "mean.sharpness": "0.1"}
            endpoint.report([Health(0, "model", ""), Health(1, "drift", "", drift)])
            url = f"http://127.0.0.1:{settings.port}/metrics"
            yield urllib.request.urlopen(url, timeout=10).read().decode()
        finally:
            endpoint.close()


def types(text: str) -> dict[str, str]:
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))


def series(text: str) -> set[str]:
    """Return the names of all samples."""
    return set(re.findall(r"^([a-zA-Z_:]\w*)[{ ]", text, re.M))


def asked(expression: str) -> set[str]:
    return set(re.findall(r"lfmvl_\w+", expression))


def test_what_is_published_is_documented_and_the_reverse(published: str) -> None:
    rows = re.findall(r"^\| `(lfmvl_\w+)` \| (.*?) \|", PAGE, re.M)
    assert len(rows) == len(dict(rows))
    assert {name for name, _ in rows} == set(types(published))
    for name, labels in rows:
        found = {
            label
            for names in re.findall(rf"^{name}(?:_bucket|_sum|_count)?{{(.*?)}} ", published, re.M)
            for label in re.findall(r'(\w+)="', names)
        }
        assert found - {"le"} == set(re.findall(r"`(\w+)`", labels)), name


def test_every_metric_has_help_and_a_type_that_fits_its_name(published: str) -> None:
    for name, kind in types(published).items():
        assert re.search(rf"^# HELP {name} \S", published, re.M), name
        assert (kind == "counter") == name.endswith("_total"), name
        assert re.fullmatch(r"lfmvl_[a-z_]+", name), name
    assert types(published)["lfmvl_answer_seconds"] == "histogram"
    assert set(types(published).values()) == {"counter", "gauge", "histogram"}


def test_the_dashboard_shows_what_is_published(published: str) -> None:
    names = {name for each in EXPRESSIONS for name in asked(each)}
    assert len(names) >= 7
    assert names <= series(published)
    rated = {name for each in EXPRESSIONS for name in re.findall(r"rate\((\w+)", each)}
    counted = {name for name in names if name.endswith(("_total", "_bucket"))}
    assert rated == counted  # a counter only makes sense as a rate, a gauge never does
    for part, key in re.findall(r'part=~"(.*?)", key=~?"(.*?)"', " ".join(EXPRESSIONS)):
        keys = re.findall(r'lfmvl_diagnostics{key="(.*?)",part="(.*?)"}', published)
        pattern = key.replace("\\\\", "\\")
        assert any(re.fullmatch(pattern, k) and re.fullmatch(part, p) for k, p in keys), key


def test_robots_are_kept_apart() -> None:
    """One Prometheus watches many nodes: what is summed is summed within a node."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            assert "{{instance}}" in target["legendFormat"], panel["title"]
            for names in re.findall(r"sum by \((.*?)\)", target["expr"]):
                assert "instance" in names.split(", "), panel["title"]
            labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert labels <= {"instance", "camera", "outcome", "part", "key"}


def test_the_dashboard_has_what_grafana_needs() -> None:
    assert DASHBOARD["schemaVersion"] >= 36  # data sources are objects since then
    assert DASHBOARD["title"]
    assert re.fullmatch(r"[\w-]{1,40}", DASHBOARD["uid"])
    assert "id" not in DASHBOARD  # Grafana gives it; another one overwrites a dashboard
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] == "timeseries"
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters)) > 0


def test_panels_do_not_overlap_and_fit_the_grid() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for place in places:
        assert set(place) == {"x", "y", "w", "h"}
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        assert place["y"] >= 0 < place["h"]
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]


@promtool
def test_promtool_has_nothing_against_the_metrics(published: str) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=published, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@promtool
def test_promtool_parses_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{i}", "expr": expr} for i, expr in enumerate(EXPRESSIONS)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # also YAML
    done = subprocess.run(
        ["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
