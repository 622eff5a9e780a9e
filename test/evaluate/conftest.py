# SPDX-License-Identifier: Apache-2.0
"""What tests of the evaluation share: two dozen rendered images, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lfmvl_ros.evaluate.data import EvaluationSet, evaluation_set

from ..datasets.coco_folders import scene_folder

KINDS = ("tote", "person", "forklift", "crate")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evaluate") / "images"
    scene_folder(path, count=24, wh_px=(160, 120), kinds=KINDS)
    return path


@pytest.fixture(scope="session")
def data(folder: Path) -> EvaluationSet:
    return evaluation_set(folder)
