# SPDX-License-Identifier: Apache-2.0
"""What other packages register: everything loads, and what is absent is explained."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lfmvl_ros import registry
from lfmvl_ros.core.errors import UserError

ROOT = Path(__file__).parents[1]
GROUPS = [value for name, value in vars(registry).items() if name.isupper()]


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_registered_loads(group: str) -> None:
    assert registry.names(group)
    for name in registry.names(group):
        assert registry.load(group, name) is not None


def test_an_unknown_name_is_explained() -> None:
    with pytest.raises(
        UserError,
        match=r"no 'moon' among lfmvl_ros.image_sources \(it has assist, picking, scene, shelf\)",
    ):
        registry.load(registry.IMAGE_SOURCES, "moon")


@pytest.fixture
def product_alone(tmp_path: Path) -> dict[str, str]:
    """An environment with the product's code and without the warehouse and its registrations."""
    (tmp_path / "lfmvl_ros").symlink_to(ROOT / "lfmvl_ros")
    program = (
        "import importlib.metadata as m\n"
        "known = m.entry_points\n"
        "def fewer(**k):\n"
        "    return () if k.get('group', '').startswith('lfmvl_ros.') else known(**k)\n"
        "m.entry_points = fewer\n"
    )
    (tmp_path / "sitecustomize.py").write_text(program)
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize("words", [["scenes"], ["train"], ["ground", "x.png", "--query", "tote"]])
def test_without_the_warehouse_its_names_are_explained(
    words: list[str], product_alone: dict[str, str], tmp_path: Path
) -> None:
    if words[0] == "ground":
        import numpy as np

        from lfmvl_ros.viz.video import write_image

        write_image(tmp_path / "x.png", np.zeros((64, 64, 3), np.uint8))
        words = [*words, "--model", "bundled"]
    done = subprocess.run(
        [sys.executable, "-m", "lfmvl_ros.cli.main", *words],
        cwd=tmp_path, env=product_alone, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "come with the package lfmvl_warehouse" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_product_alone_lists_its_commands_and_its_catalogue(
    product_alone: dict[str, str], tmp_path: Path
) -> None:
    program = (
        "from lfmvl_ros.cli.main import build_parser\n"
        "from lfmvl_ros.models.catalog import catalog\n"
        "print(build_parser().format_help(), [entry.name for entry in catalog()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=product_alone,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "doctor" in done.stdout
    assert "not installed" in done.stdout
    assert "lfm2.5-vl-450m" in done.stdout
    assert "bundled" not in done.stdout.split("[")[-1]
