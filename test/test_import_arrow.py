# SPDX-License-Identifier: Apache-2.0
"""Imports follow the arrow ``ros -> models -> core``; ROS and torch stay at their edges.

Reads the source, so late imports inside functions count as well.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT, WAREHOUSE = "lfmvl_ros", "lfmvl_warehouse"
FILES = sorted(path for name in (PRODUCT, WAREHOUSE) for path in (ROOT / name).rglob("*.py"))

ROS = {
    *("rclpy", "cv_bridge", "launch", "launch_ros", "launch_testing", "ament_index_python"),
    *("rosidl_runtime_py", "ros2cli", "std_srvs", "builtin_interfaces"),
    *("rcl_interfaces", "message_filters", "image_transport", "rosbag2_py"),
}
ROS_PREFIXES = ("tf2_", "rosidl_")
ROS_SUFFIXES = ("_msgs", "_interfaces")
TORCH = {"torch", "torchvision", "transformers", "tokenizers", "safetensors", "peft", "accelerate"}

# What each part of a package may import of the other parts. The product knows the warehouse only by
# the names that setup.py registers (lfmvl_ros/registry.py).
MAY_USE = {
    "lfmvl_ros.core": {"lfmvl_ros.core"},
    "lfmvl_ros.bags": {
        f"lfmvl_ros.{part}" for part in ("bags", "core", "datasets", "models", "viz", "ros")
    },
    "lfmvl_ros.agents": {"lfmvl_ros.agents", "lfmvl_ros.core", "lfmvl_ros"},
    "lfmvl_ros.datasets": {"lfmvl_ros.datasets", "lfmvl_ros.core"},
    "lfmvl_ros.review": {"lfmvl_ros.review", "lfmvl_ros.core"},
    "lfmvl_ros.collect": {"lfmvl_ros.collect", "lfmvl_ros.core"},
    "lfmvl_ros.licences": {f"lfmvl_ros.{part}" for part in ("licences", "core", "models")},
    "lfmvl_ros.models": {"lfmvl_ros.models", "lfmvl_ros.core"},
    "lfmvl_ros.finetune": {
        f"lfmvl_ros.{part}" for part in ("finetune", "core", "datasets", "models", "viz")
    },
    "lfmvl_ros.viz": {"lfmvl_ros.viz", "lfmvl_ros.core", "lfmvl_ros.models"},
    "lfmvl_ros.evaluate": {
        f"lfmvl_ros.{part}" for part in ("evaluate", "core", "datasets", "models")
    },
    "lfmvl_ros.ros": {
        f"lfmvl_ros.{part}" for part in ("agents", "collect", "ros", "core", "models", "viz")
    },
    "lfmvl_ros.cli": {
        f"lfmvl_ros.{part}"
        for part in (
            "agents",
            "bags",
            "cli",
            "collect",
            "core",
            "datasets",
            "evaluate",
            "finetune",
            "licences",
            "models",
            "review",
            "viz",
            "ros",
        )
    },
    "lfmvl_ros": {f"lfmvl_ros.{part}" for part in ("core", "models")},
    "lfmvl_warehouse.scenes": {"lfmvl_warehouse.scenes", "lfmvl_ros.core"},
    "lfmvl_warehouse.sentences": {
        *("lfmvl_warehouse.sentences", "lfmvl_warehouse.scenes", "lfmvl_ros.core"),
    },
    "lfmvl_warehouse.demos": {
        *("lfmvl_warehouse.demos", "lfmvl_warehouse.scenes", "lfmvl_ros.core"),
    },
    "lfmvl_warehouse.training": {
        *("lfmvl_warehouse.training", "lfmvl_warehouse.scenes", "lfmvl_warehouse.sentences"),
        *(f"lfmvl_ros.{part}" for part in ("core", "datasets", "finetune", "models", "viz")),
    },
    "lfmvl_warehouse.cli": {
        *("lfmvl_warehouse.cli", "lfmvl_warehouse.scenes", "lfmvl_warehouse.training"),
        *(f"lfmvl_ros.{part}" for part in ("cli", "core", "finetune", "models", "viz")),
    },
    "lfmvl_warehouse": {
        *("lfmvl_warehouse.demos", "lfmvl_warehouse.scenes", "lfmvl_warehouse.training"),
        *(f"lfmvl_ros.{part}" for part in ("core", "datasets", "ros")),
    },
}
MAY_IMPORT_TORCH = {"lfmvl_ros.finetune", "lfmvl_ros.models", "lfmvl_warehouse.training"}
MAY_IMPORT_ROS = {"lfmvl_ros.ros"}
MAY_IMPORT_NODES = {"lfmvl_ros.ros", "lfmvl_ros.cli"}  # modules of ros/ that import ROS
WITHOUT_ROS = "lfmvl_ros.ros.sensors"  # works on messages without importing their types
CORE_LIBRARIES = {"numpy", "scipy", "filterpy", "cv2", "yaml", "rule_engine"}


def part_of(path: Path) -> str:
    """Return package and folder, such as ``lfmvl_ros.core``; the package alone for its modules."""
    return ".".join(path.relative_to(ROOT).parts[:-1][:2])


def imported(tree: ast.AST, path: Path) -> list[tuple[str, int]]:
    """Return every imported module's full name and its line; relative ones are resolved."""
    package = path.relative_to(ROOT).parts[:-1]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(name.name, node.lineno) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{name.name}" for name in node.names]
            whole = module in (PRODUCT, WAREHOUSE)
            found += [(name, node.lineno) for name in (names if whole else [module])]
    return found


def is_ros(top: str) -> bool:
    return top in ROS or top.startswith(ROS_PREFIXES) or top.endswith(ROS_SUFFIXES)


def is_for_core(name: str) -> bool:
    top = name.partition(".")[0]
    return is_within(name, "lfmvl_ros.core") or top in CORE_LIBRARIES | sys.stdlib_module_names


def is_within(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def violations(source: str, path: Path) -> list[str]:
    """Return what a file imports against the arrow, one line each."""
    part, found = part_of(path), []
    room = ".".join(path.relative_to(ROOT).parts[:-1])
    for name, line in imported(ast.parse(source), path):
        top = name.partition(".")[0]
        target = ".".join(name.split(".")[:2])
        where = f"{path.relative_to(ROOT)}:{line} imports {name}"
        if is_ros(top) and part not in MAY_IMPORT_ROS:
            found.append(f"{where}: only ros/ may import ROS")
        of_ros = is_within(name, "lfmvl_ros.ros") and not is_within(name, WITHOUT_ROS)
        if (room == WITHOUT_ROS and is_ros(top)) or (of_ros and part not in MAY_IMPORT_NODES):
            found.append(f"{where}: {room} works without ROS")
        if room == WITHOUT_ROS and of_ros:
            found.append(f"{where}: {room} works without ROS")
        if top in TORCH and part not in MAY_IMPORT_TORCH:
            found.append(f"{where}: only models/, finetune/ and training/ may import torch")
        if top == WAREHOUSE and is_within(part, PRODUCT):
            found.append(f"{where}: the product knows the warehouse by registered names only")
        elif target in MAY_USE and "." in target and target not in MAY_USE[part]:
            found.append(f"{where}: {part} may not use {target}")
        if part == "lfmvl_ros.core" and not is_for_core(name):
            found.append(f"{where}: core uses itself and {', '.join(sorted(CORE_LIBRARIES))} only")
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_imports_follow_the_arrow(path: Path) -> None:
    found = violations(path.read_text(encoding="utf-8"), path)
    assert not found, "\n".join(found)


def test_every_part_is_known() -> None:
    parts = {part_of(path) for path in FILES}
    assert parts <= set(MAY_USE), "a new part of the package needs its place in MAY_USE"


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("lfmvl_ros/core", "import rclpy.node"),
        ("lfmvl_ros/core", "from sensor_msgs.msg import Image"),
        ("lfmvl_ros/core", "def f():\n    import torch"),
        ("lfmvl_ros/core", "from lfmvl_ros.models.load import load_model"),
        ("lfmvl_ros/core", "from lfmvl_ros import ros"),
        ("lfmvl_ros/core", "from ..models import load"),
        ("lfmvl_ros/core", "import requests"),
        ("lfmvl_ros/models", "from lfmvl_ros.ros import qos"),
        ("lfmvl_ros/models", "import tf2_ros"),
        ("lfmvl_ros/cli", "import transformers"),
        ("lfmvl_warehouse/scenes", "from lfmvl_ros.models import load"),
        ("lfmvl_warehouse/scenes", "from lfmvl_warehouse.training.run import plan"),
        ("lfmvl_warehouse/training", "from sensor_msgs.msg import Image"),
        ("lfmvl_warehouse", "from lfmvl_ros.ros.qos import SENSOR"),
        ("lfmvl_ros/core", "from lfmvl_ros.datasets.coco import CocoFolder"),
        ("lfmvl_ros/core", "from lfmvl_ros import registry"),
        ("lfmvl_ros/cli", "def f():\n    from lfmvl_warehouse.scenes import SceneVideo"),
        ("lfmvl_ros/ros/sensors", "import lfmvl_warehouse"),
        ("lfmvl_ros", "from lfmvl_warehouse import CATALOG_FILE"),
        ("lfmvl_ros/ros", "import torch"),
        ("lfmvl_ros/ros/sensors", "from sensor_msgs.msg import Image"),
        ("lfmvl_ros/ros/sensors", "from lfmvl_ros.ros import conversions"),
        ("lfmvl_ros/ros/sensors", "from lfmvl_ros.ros.qos import SENSOR"),
        ("lfmvl_ros/ros/sensors", "from ..conversions import image_message"),
    ],
)
def test_the_check_finds_what_breaks_the_arrow(part: str, line: str) -> None:
    assert violations(line, ROOT / part / "made_up.py")


@pytest.mark.parametrize(
    ("part", "line"),
    [
        (
            "lfmvl_ros/core",
            "import json\nimport numpy as np\nfrom lfmvl_ros.core.boxes import clip",
        ),
        ("lfmvl_ros/core", "from .boxes import clip"),
        ("lfmvl_ros/models", "import torch\nfrom lfmvl_ros.core.reply import Reply"),
        ("lfmvl_ros/ros", "import rclpy\nfrom vision_msgs.msg import Detection2DArray"),
        ("lfmvl_ros/ros", "from lfmvl_ros.models.load import load_model"),
        ("lfmvl_ros/ros/sensors", "import cv2\nfrom lfmvl_ros.ros.sensors.pixels import Pixels"),
        (
            "lfmvl_ros/ros/diagnostics",
            "import rclpy\nfrom lfmvl_ros.ros.sensors.pixels import Pixels",
        ),
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
