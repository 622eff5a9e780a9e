# SPDX-License-Identifier: Apache-2.0
"""Imports follow the arrow ``ros -> models -> core``; ROS and torch stay at their edges.

Reads the source, so late imports inside functions count as well.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import lfmvl_ros

ROOT = Path(lfmvl_ros.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

ROS = {
    *("rclpy", "cv_bridge", "launch", "launch_ros", "launch_testing", "ament_index_python"),
    *("rosidl_runtime_py", "ros2cli", "std_srvs", "builtin_interfaces"),
    *("rcl_interfaces", "message_filters", "image_transport", "rosbag2_py"),
}
ROS_PREFIXES = ("tf2_", "rosidl_")
ROS_SUFFIXES = ("_msgs", "_interfaces")
TORCH = {"torch", "torchvision", "transformers", "tokenizers", "safetensors", "peft", "accelerate"}

# What each part of the package may import of the other parts.
MAY_USE = {
    "core": {"core"},
    "models": {"models", "core"},
    "scenes": {"scenes", "core"},
    "viz": {"viz", "core", "models", "scenes"},
    "training": {"training", "core", "models", "scenes", "viz"},
    "ros": {"ros", "core", "models", "viz", "scenes"},
    "cli": {"cli", "core", "models", "viz", "scenes", "training", "ros"},
}
MAY_IMPORT_TORCH = {"models", "training"}
MAY_IMPORT_ROS = {"ros"}
WITHOUT_ROS = ("ros/sensors",)  # rooms of ros/ that work on messages without importing their types
CORE_LIBRARIES = {"numpy", "scipy", "filterpy", "cv2", "lfmvl_ros"}


def part_of(path: Path) -> str:
    inside = path.relative_to(ROOT).parts
    return inside[0] if len(inside) > 1 else ""


def imported(tree: ast.AST, path: Path) -> list[tuple[str, int]]:
    """Return every imported module's full name and its line; relative ones are resolved."""
    package = ("lfmvl_ros", *path.relative_to(ROOT).parts[:-1])
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(name.name, node.lineno) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{name.name}" for name in node.names]
            found += [
                (name, node.lineno) for name in (names if module == "lfmvl_ros" else [module])
            ]
    return found


def is_ros(top: str) -> bool:
    return top in ROS or top.startswith(ROS_PREFIXES) or top.endswith(ROS_SUFFIXES)


def is_within(name: str, package: str, *, but: str) -> bool:
    """True for a module of the package that is not one of the package ``but`` below it."""
    return f"{name}.".startswith(f"{package}.") and not f"{name}.".startswith(f"{but}.")


def violations(source: str, path: Path) -> list[str]:
    """Return what a file imports against the arrow, one line each."""
    part, found = part_of(path), []
    room = path.parent.relative_to(ROOT).as_posix()
    for name, line in imported(ast.parse(source), path):
        top, _, rest = name.partition(".")
        where = f"{path.relative_to(ROOT.parent)}:{line} imports {name}"
        if is_ros(top) and part not in MAY_IMPORT_ROS:
            found.append(f"{where}: only ros/ may import ROS")
        own = f"lfmvl_ros.{room.replace('/', '.')}"
        if room in WITHOUT_ROS and (is_ros(top) or is_within(name, "lfmvl_ros.ros", but=own)):
            found.append(f"{where}: {room} works without ROS")
        if top in TORCH and part not in MAY_IMPORT_TORCH:
            found.append(f"{where}: only models/ and training/ may import torch")
        if top == "lfmvl_ros" and part in MAY_USE and rest:
            target = rest.partition(".")[0]
            if target in MAY_USE and target not in MAY_USE[part]:
                found.append(f"{where}: {part} may not use {target}")
        if part == "core" and top not in CORE_LIBRARIES and top not in sys.stdlib_module_names:
            found.append(f"{where}: core uses {', '.join(sorted(CORE_LIBRARIES))} only")
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_imports_follow_the_arrow(path: Path) -> None:
    found = violations(path.read_text(encoding="utf-8"), path)
    assert not found, "\n".join(found)


def test_every_part_is_known() -> None:
    parts = {part_of(path) for path in FILES} - {"", "data"}
    assert parts <= set(MAY_USE), "a new part of the package needs its place in MAY_USE"


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("core", "import rclpy.node"),
        ("core", "from sensor_msgs.msg import Image"),
        ("core", "def f():\n    import torch"),
        ("core", "from lfmvl_ros.models.load import load_model"),
        ("core", "from lfmvl_ros import ros"),
        ("core", "from ..models import base"),
        ("core", "import yaml"),
        ("models", "from lfmvl_ros.ros import qos"),
        ("models", "import tf2_ros"),
        ("cli", "import transformers"),
        ("scenes", "from lfmvl_ros.models import base"),
        ("ros", "import torch"),
        ("ros/sensors", "from sensor_msgs.msg import Image"),
        ("ros/sensors", "from lfmvl_ros.ros import conversions"),
        ("ros/sensors", "from lfmvl_ros.ros.qos import SENSOR"),
        ("ros/sensors", "from ..conversions import image_message"),
    ],
)
def test_the_check_finds_what_breaks_the_arrow(part: str, line: str) -> None:
    assert violations(line, ROOT / part / "made_up.py")


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("core", "import json\nimport numpy as np\nfrom lfmvl_ros.core.boxes import clip"),
        ("core", "from .boxes import clip"),
        ("models", "import torch\nfrom lfmvl_ros.core.reply import Reply"),
        ("ros", "import rclpy\nfrom vision_msgs.msg import Detection2DArray"),
        ("ros", "from lfmvl_ros.models.load import load_model"),
        ("ros/sensors", "import cv2\nfrom lfmvl_ros.ros.sensors.pixels import Pixels"),
        ("ros/diagnostics", "import rclpy\nfrom lfmvl_ros.ros.sensors.pixels import Pixels"),
    ],
)
def test_the_check_lets_the_rest_pass(part: str, line: str) -> None:
    assert not violations(line, ROOT / part / "made_up.py")


def test_every_checkpoint_is_read_without_its_python():
    """``from_pretrained`` of an Auto class says trust_remote_code=False, by NO_REMOTE_CODE."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = getattr(node.func.value, "id", "")
            if node.func.attr == "from_pretrained" and owner.startswith("Auto"):
                spread = {getattr(word.value, "id", "") for word in node.keywords if not word.arg}
                assert "NO_REMOTE_CODE" in spread, f"{path}:{node.lineno}"
