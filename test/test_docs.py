# SPDX-License-Identifier: Apache-2.0
"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lfmvl_ros.cli.main import COMMANDS
from lfmvl_ros.core.config import CameraSettings, PerceptionSettings
from lfmvl_ros.core.settings import Group
from lfmvl_ros.core.settings_text import to_markdown

ROOT = Path(__file__).parents[1]
INTERFACE = (ROOT / "docs" / "ros_interface.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "settings"), [("perception", PerceptionSettings), ("camera", CameraSettings)]
)
def test_parameter_tables_are_the_declared_settings(name: str, settings: type[Group]) -> None:
    match = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", INTERFACE, re.DOTALL)
    assert match
    assert match[1].strip() == to_markdown(settings).strip()


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md")))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [
        name for name in COMMANDS if f"lfmvl {name}" not in text and f"make {name}" not in text
    ] == []


def test_topics_and_services_in_the_table_are_those_of_the_node() -> None:
    source = "".join(
        (ROOT / "lfmvl_ros" / "ros" / name).read_text(encoding="utf-8")
        for name in ("perception_node.py", "outputs.py", "channel.py")
    )

    def made(call: str) -> set[str]:
        prefix = r"(?:channel\.prefix \+ |self\.prefix \+ |f)?"
        found = re.findall(rf"\b{call}\(\s*[\w ]+,\s*{prefix}\"([^\"]+)\"", source)
        return {name.replace("{self.prefix}", "") for name in found}

    def told(pattern: str) -> set[str]:
        cells = re.findall(pattern, INTERFACE, re.MULTILINE)
        return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}

    node = INTERFACE.split("## `grounding`")[0]
    assert made("(?:create_)?publisher") == told(r"^\| out \| ([^|]*) \|")
    assert made("create_service") | {"~/change_state", "~/get_state"} == {
        name
        for row in node.split("## perception_node: services")[1].splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    }
    inputs = made("(?:create_subscription|_subscribe)") | {"image_raw", "image_raw/compressed"}
    assert inputs == told(r"^\| in \| ([^|]*) \|") - {"compressed_input"}
