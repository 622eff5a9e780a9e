# SPDX-License-Identifier: Apache-2.0
"""Commands that ``lfmvl`` offers where this package is installed."""

from lfmvl_ros.cli.command import Command

SCENES = Command(
    "draw synthetic warehouse scenes with their true boxes", "lfmvl_warehouse.cli.scenes"
)
TRAIN = Command(
    "train a small checkpoint on the synthetic scenes or your own images",
    "lfmvl_warehouse.cli.train",
)
