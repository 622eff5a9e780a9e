# SPDX-License-Identifier: Apache-2.0
"""Only files are found: a pipe would be waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lfmvl_ros.datasets.image_finder import MISSING, ImageFinder, listed_names


@pytest.mark.parametrize("wanted", ["a.jpg", "A.JPG", "images/a.jpg"])
def test_a_pipe_is_no_image(tmp_path: Path, wanted: str) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    finder = ImageFinder(tmp_path, tmp_path / "a.json", "", listed_names([wanted]))
    assert finder.find(wanted) == MISSING
