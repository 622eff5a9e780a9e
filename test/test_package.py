# SPDX-License-Identifier: Apache-2.0
"""What colcon and pip would install."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()


def test_manifest_names_the_package_and_its_build_type() -> None:
    assert MANIFEST.get("format") == "3"
    assert MANIFEST.findtext("name") == "lfmvl_ros"
    assert MANIFEST.findtext("export/build_type") == "ament_python"
    assert MANIFEST.findtext("license") == "Apache-2.0"


def test_maintainer_address_is_valid() -> None:
    """With a malformed address colcon silently builds the package as plain Python."""
    maintainer = MANIFEST.find("maintainer")
    assert maintainer is not None
    assert re.fullmatch(
        r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", maintainer.get("email", "")
    )


def test_every_ros_package_the_nodes_import_is_declared() -> None:
    declared = {item.text for item in MANIFEST.findall("exec_depend")}
    imported = set()
    for path in [*ROOT.glob("lfmvl_ros/ros/**/*.py"), *ROOT.glob("launch/*.py")]:
        for line in path.read_text().splitlines():
            match = re.match(r"\s*(?:from|import) (\w+)", line)
            if match and re.search(r"_msgs$|_interfaces$|^rclpy|^std_srvs|^launch", match[1]):
                imported.add(match[1])
    assert imported - declared == set()


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build from a copy of what git knows: stale build folders must not hide an omission."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if not name.startswith(("test/", "docs/")) and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*command, "--wheel-dir", str(out), str(source)], check=True)
    return set(zipfile.ZipFile(next(out.glob("*.whl"))).namelist())


@pytest.mark.parametrize(
    "pattern",
    [
        r"lfmvl_ros/models/catalog/.*\.yaml",
        r"lfmvl_warehouse/bundled\.yaml",
        r"lfmvl_warehouse/checkpoint/model\.safetensors",
        r"lfmvl_warehouse/checkpoint/tokenizer\.json",
        r".*/share/lfmvl_ros/launch/perception\.launch\.py",
        r".*/share/lfmvl_ros/launch/demo\.launch\.py",
        r".*/share/lfmvl_ros/config/default\.yaml",
        r".*/share/lfmvl_ros/config/rules/aisle\.yaml",
        r".*/share/lfmvl_ros/config/.*\.rviz",
        r".*/share/lfmvl_ros/config/fastdds_images\.xml",
        r".*/share/lfmvl_ros/config/fastdds_images_small\.xml",
        r".*/share/lfmvl_ros/config/cyclonedds_images\.xml",
        r".*/share/lfmvl_ros/package\.xml",
        r".*/share/ament_index/resource_index/packages/lfmvl_ros",
    ],
)
def test_wheel_carries(wheel_names: set[str], pattern: str) -> None:
    assert any(re.fullmatch(pattern, name) for name in wheel_names), pattern


def test_bundled_checkpoint_is_small() -> None:
    files = [
        path for path in (ROOT / "lfmvl_warehouse" / "checkpoint").rglob("*") if path.is_file()
    ]
    assert 0 < sum(path.stat().st_size for path in files) <= 30 * 2**20
