# SPDX-License-Identifier: Apache-2.0
"""The documentation says what the code does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.cli.main import commands
from lfmvl_ros.cli.models import to_markdown as to_table
from lfmvl_ros.collect.collector import Collector
from lfmvl_ros.core.config import (
    CameraSettings,
    OpinionSettings,
    PerceptionSettings,
    ReadingSettings,
    RecorderSettings,
)
from lfmvl_ros.core.config_collect import CollectSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.opinion.worker import OpinionStatus
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import Prompt
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.readings.worker import ReadingStatus
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.core.report import Answer, LaneStatus, PipelineStatus
from lfmvl_ros.core.review import GateStatus
from lfmvl_ros.core.rules import RuleEngine, RuleSet
from lfmvl_ros.core.settings import Group
from lfmvl_ros.core.settings_text import to_markdown
from lfmvl_ros.core.tracking import Applied, Ignored
from lfmvl_ros.ros.diagnostics.health import CameraMonitor, ModelMonitor, ModelSwap
from lfmvl_ros.ros.diagnostics.node_health import NodeHealth
from lfmvl_ros.ros.diagnostics.opinion_health import opinion_health
from lfmvl_ros.ros.diagnostics.rate_health import Placement, RateMonitor
from lfmvl_ros.ros.diagnostics.reading_health import reading_health
from lfmvl_ros.ros.diagnostics.rules_health import rules_health
from lfmvl_ros.ros.sensors.intake import FrameIntake
from lfmvl_ros.ros.sensors.rates import RateLog
from lfmvl_ros.ros.spatial.place_health import PlaceCounters, PlaceMonitor

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path for folder in (".", "docs", "docs/experiments") for path in (ROOT / folder).glob("*.md")
) + sorted((ROOT / "lfmvl_warehouse").rglob("*.md"))
MADE_BY_THE_READER = (
    "out/",
    "images/",
    "annotations/",
    "train/",
    "valid/",
)  # not files of the repository
INTERFACE = (ROOT / "docs" / "ros_interface.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("perception", PerceptionSettings),
        ("camera", CameraSettings),
        ("recorder", RecorderSettings),
    ],
)
def test_parameter_tables_are_the_declared_settings(name: str, settings: type[Group]) -> None:
    match = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", INTERFACE, re.DOTALL)
    assert match
    assert match[1].strip() == to_markdown(settings).strip()


def test_the_table_of_models_is_the_catalogue() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    match = re.search(r"<!-- catalogue -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert match
    assert match[1].strip() == to_table().strip()


def slug(heading: str) -> str:
    """Return the anchor that a renderer gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        name, _, anchor = target.partition("#")
        page = path.parent / name if name else path
        assert page.exists(), f"{path.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(path: Path) -> None:
    suffixes = "py|yaml|json|jsonl|md|txt|png|xml|rviz"
    for name in re.findall(
        rf"`([\w./-]+/[\w.-]+\.(?:{suffixes}))`", path.read_text(encoding="utf-8")
    ):
        if name.startswith(MADE_BY_THE_READER):
            continue
        places = (path.parent, ROOT, ROOT / "lfmvl_ros", ROOT / "lfmvl_warehouse")
        assert any((place / name).exists() for place in places), f"{path.name} names {name}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_that_are_named_exist(path: Path) -> None:
    """`tracker.bridge`, and `tracker.bridge: flow` with a value that it takes."""
    known = PerceptionSettings.describe()
    groups = "|".join({name.split(".")[0] for name in known if "." in name})
    text = path.read_text(encoding="utf-8")
    for name, value in re.findall(rf"`((?:{groups})\.[a-z_]+)(?:: (\w+))?`", text):
        assert name in known, f"{path.name} names {name}"
        if value and known[name].choices:
            assert value in known[name].choices, f"{path.name}: {name}: {value}"


def test_values_named_in_troubleshooting_are_published() -> None:
    """What a reader is sent to look at is a key of diagnostics or grounding, or a setting."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    cells = [line.split("|")[2] for line in text.splitlines() if line.count("|") == 5]
    names = {name for cell in cells for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)`", cell)}
    outcomes = {f"outcome.{outcome.value}" for outcome in Outcome} | {o.value for o in Outcome}
    used_as_values = {"predict", "model", "bundled", "tentative", "on_demand", "camera"}
    missing = names - outcomes - used_as_values - set(PerceptionSettings.describe())
    assert len(names) > 20
    assert [name for name in sorted(missing) if f"`{name}`" not in INTERFACE] == []
    doctor = "".join(path.read_text("utf-8") for path in (ROOT / "lfmvl_ros/cli").glob("*.py"))
    findings = {
        name
        for cell in cells
        if "`lfmvl doctor`" in cell
        for name in re.findall(r"\*([a-z ]+)\*", cell)
    }
    assert len(findings) > 3
    assert [name for name in sorted(findings) if f'"{name}"' not in doctor] == []


def test_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [
        name for name in commands() if f"lfmvl {name}" not in text and f"make {name}" not in text
    ] == []


def collected(folder: Path) -> Mapping[str, object]:
    """Return the values of the part ``collect``."""
    collector = Collector(CollectSettings(folder=str(folder)), print)
    try:
        return collector.status()[1]
    finally:
        collector.close()


def test_values_of_diagnostics_are_those_of_the_monitors(tmp_path: Path) -> None:
    section = INTERFACE.split("## Diagnostics")[1].split("\n## ")[0]
    told = set(re.findall(r"`([a-z_.]+)`", section))
    outcomes = {"ok": 1}
    lane = LaneStatus(1, outcomes, 0, 0, {}, 0.1)
    status = PipelineStatus.of(
        {"": lane}, query=Query.parse("x"), enabled=True, busy_s=0.0, model="m"
    )
    ignored = {reason.value: 1 for reason in Ignored}
    reply = Reply("[]", finish=FinishReason.STOP)
    grounding = parse_reply(
        reply, frame=Frame(np.zeros((2, 2, 3), np.uint8), 1), prompt=Prompt("x", Query.parse("x"))
    )
    model = ModelMonitor(0.0).report(
        replace(status, ignored=ignored),
        PerceptionSettings(),
        Answer(grounding, Applied(1, ()), 1),
        1.0,
    )
    intake = FrameIntake(lambda _: None, lambda _: None, lambda: 0).status()
    camera = CameraMonitor("t", 0.0).report(intake, status, PerceptionSettings(), 1.0)
    imu = RateMonitor("t", 0.0).report(RateLog(lambda: 0).status(), Placement(), 1.0)
    places = PlaceMonitor().report(
        PlaceCounters(),
        images=0,
        superseded=0,
        transforms=0,
        transforms_dropped=0,
        frame_id="",
        selected=None,
    )
    rules = rules_health(RuleEngine(RuleSet()).status(), GateStatus(), "", "")
    (reading,) = reading_health(ReadingStatus(), ReadingSettings(labels=("x",)), "x")
    opinion = opinion_health(OpinionStatus(), OpinionSettings(), "x", "")
    node = NodeHealth()
    node.commands = dict.fromkeys(("done", "refused", "failed", "cancelled", "lost"), 0)
    node_commands = node.report(None, PerceptionSettings(), ModelSwap(), 1.0)[-1]
    values = (
        *node_commands.values,
        *collected(tmp_path),
        *(*camera.values, *model.values, *imu.values, *places.values, *rules.values),
        *reading.values,
        *opinion.values,
    )
    made = {key for key in values if not key.startswith("outcome.")}
    assert made <= told
    known = {"diagnostics.camera_stale_s", "diagnostics.answer_stale_s", "camera", "commands",
             "labels", "grounding", "outcome.ok", "latency_budget.target_ms", "imu", "camera_info",
             "frame_id", "drift", "places", "tracks_3d", "spatial.select",
             "tracker.reorder_window_s", "review.max_held", "collect",
             "collect.folder", "reading", "reading.labels",
             "zoom.labels", "opinion", "opinion.labels", "opinion.model"}  # fmt: skip
    assert told - made <= known


def test_topics_and_services_in_the_table_are_those_of_the_node() -> None:
    source = "".join(
        (ROOT / "lfmvl_ros" / "ros" / name).read_text(encoding="utf-8")
        for name in (
            "perception_node.py",
            "outputs.py",
            "channel.py",
            "rules_channel.py",
            "review_channel.py",
            "opinion_channel.py",
            "reading_channel.py",
            "gyroscope.py",
            "spatial/place_inputs.py",
            "spatial/place_outputs.py",
            "spatial/transform_input.py",
            "answer_service.py",
            "command_topics.py",
        )
    )

    def made(call: str) -> set[str]:
        prefix = r"(?:channel\.prefix \+ |self\.prefix \+ |prefix \+ |f)?"
        found = re.findall(rf"\b_?{call}\(\s*[\w ]+,\s*{prefix}\"([^\"]+)\"", source)
        plain = {re.sub(r"\{self\._?prefix\}", "", name) for name in found}
        return {name.replace("{name}", "<name>") for name in plain}

    def told(pattern: str) -> set[str]:
        cells = re.findall(pattern, INTERFACE, re.MULTILINE)
        return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}

    node = INTERFACE.split("## `grounding`")[0]
    assert made("(?:create_(?:lifecycle_)?)?publisher") == told(r"^\| out \| ([^|]*) \|")
    assert made("create_service") | {"~/change_state", "~/get_state"} == {
        name
        for row in node.split("## perception_node: services")[1].splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    }
    inputs = made("(?:create_subscription|_?subscribe)") | {"image_raw", "image_raw/compressed"}
    inputs |= {"depth/image", "depth/image/compressedDepth"}
    assert inputs == told(r"^\| in \| ([^|]*) \|") - {
        "compressed_input",
        "spatial.compressed_depth",
    }


def test_topics_of_the_simulated_camera_are_in_its_table() -> None:
    source = (ROOT / "lfmvl_ros" / "ros" / "view_outputs.py").read_text(encoding="utf-8")
    made = set(re.findall(r"create_publisher\(\s*\w+, \"([^\"]+)\"", source))
    section = INTERFACE.split("## camera_node and recorder_node: topics")[1].split("\n## ")[0]
    assert made == set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE))


def test_commands_name_topics_that_the_node_has():
    table, _, rest = INTERFACE.partition("Boxes are in pixels")
    topics = set(re.findall(r"`([a-z_]+(?:/compressed)?)`", table)) | {"perception"}
    named = set(re.findall(r"/lfmvl/([a-z_]+(?:/compressed)?)", rest)) - {"lifecycle_manager"}
    assert {"tracks", "grounding"} <= named <= topics
