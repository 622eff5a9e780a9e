# SPDX-License-Identifier: Apache-2.0
"""docs/architecture.md names every module, by itself or by the folder that it is in.

That its links lead somewhere is tested for all pages in test_docs.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
# Folders of files with many different jobs: a link to one of them says nothing about its files.
ROOMS = ("lfmvl_ros", "lfmvl_ros/core", "lfmvl_ros/models", "lfmvl_ros/ros", "lfmvl_warehouse")


def linked(text: str) -> set[Path]:
    """Return the files and folders that the text of the page links to."""
    targets = re.findall(r"\]\(([^)\s#]+)", text)
    return {(PAGE.parent / name).resolve() for name in targets if not name.startswith("http")}


def unnamed(text: str, package: str) -> list[str]:
    """Return the modules of a package that neither a link nor one to their folder names."""
    links = linked(text) - {ROOT / room for room in ROOMS}
    return [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__init__.py" and not path.name.startswith("_")
        if not {path.resolve(), path.parent.resolve()} & links
    ]


@pytest.mark.parametrize("package", ["lfmvl_ros", "lfmvl_warehouse"])
def test_every_module_is_named(package: str) -> None:
    missing = unnamed(PAGE.read_text(encoding="utf-8"), package)
    assert missing == [], f"add a row to docs/architecture.md for {missing}"


def test_a_module_without_its_row_is_found() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if "core/timeline.py" not in line]
    assert unnamed("\n".join(rows), "lfmvl_ros") == ["lfmvl_ros/core/timeline.py"]


def test_a_link_to_a_room_names_none_of_its_files() -> None:
    text = "[core](../lfmvl_ros/core) and [tracking](../lfmvl_ros/core/tracking)"
    missing = unnamed(text, "lfmvl_ros")
    assert "lfmvl_ros/core/frame.py" in missing
    assert "lfmvl_ros/core/tracking/tracker.py" not in missing
