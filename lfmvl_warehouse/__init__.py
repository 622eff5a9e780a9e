# SPDX-License-Identifier: Apache-2.0
"""The synthetic warehouse: scenes with exact boxes, the training on them, the bundled checkpoint.

It uses lfmvl_ros, which knows it by the names that setup.py registers, and works without it.
"""

from pathlib import Path

CATALOG_FILE = Path(__file__).resolve().parent / "bundled.yaml"
"""The catalogue entry of the bundled checkpoint, whose weights are in ``checkpoint/``."""
