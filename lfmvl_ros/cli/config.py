# SPDX-License-Identifier: Apache-2.0
"""``lfmvl config``: every setting of a node, as its parameter file or as a table."""

from __future__ import annotations

import argparse

from lfmvl_ros.core.config import CameraSettings, PerceptionSettings, RecorderSettings
from lfmvl_ros.core.settings import Group
from lfmvl_ros.core.settings_text import to_markdown, to_yaml

HELP = "Print every setting of perception_node with meaning, unit, range and default."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--yaml", action="store_true", help="a ROS 2 parameter file (the default)")
    form.add_argument("--markdown", action="store_true", help="the documentation's table")
    node = parser.add_mutually_exclusive_group()
    node.add_argument("--camera", action="store_true", help="camera_node's settings instead")
    node.add_argument("--recorder", action="store_true", help="recorder_node's settings instead")


def run(args: argparse.Namespace) -> int:
    """Print; return 0."""
    node, settings = _node(args)
    if args.markdown:
        print(to_markdown(settings), end="")
        return 0
    print(f"# Every parameter of {node}, with its default. Copy it, keep what you change, and")
    print("# give it as params_file.")
    print(to_yaml(settings()), end="")
    return 0


def _node(args: argparse.Namespace) -> tuple[str, type[Group]]:
    """Return the node that is meant, and its settings."""
    if args.camera:
        return "camera_node", CameraSettings
    if args.recorder:
        return "recorder_node", RecorderSettings
    return "perception_node", PerceptionSettings
