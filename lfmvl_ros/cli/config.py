# SPDX-License-Identifier: Apache-2.0
"""``lfmvl config``: every setting of a node, as its parameter file or as a table."""

from __future__ import annotations

import argparse

from lfmvl_ros.core.config import CameraSettings, PerceptionSettings
from lfmvl_ros.core.settings_text import to_markdown, to_yaml

HELP = "Print every setting of perception_node with meaning, unit, range and default."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--yaml", action="store_true", help="a ROS 2 parameter file (the default)")
    form.add_argument("--markdown", action="store_true", help="the documentation's table")
    parser.add_argument("--camera", action="store_true", help="camera_node's settings instead")


def run(args: argparse.Namespace) -> int:
    """Print; return 0."""
    settings = CameraSettings if args.camera else PerceptionSettings
    if args.markdown:
        print(to_markdown(settings), end="")
        return 0
    node = "camera_node" if args.camera else "perception_node"
    print(f"# Every parameter of {node}, with its default. Copy it, keep what you change, and")
    print("# give it as params_file.")
    print(to_yaml(settings()), end="")
    return 0
