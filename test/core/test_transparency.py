# SPDX-License-Identifier: Apache-2.0
"""What is drawn on nothing can be seen on a background that differs from it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lfmvl_ros.core.transparency import over_background


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize(("ink", "background"), [(0, 255), (1, 0)])
def test_a_drawing_on_nothing_gets_a_background(
    tmp_path: Path, depth: type, ink: int, background: int
) -> None:
    full = np.iinfo(depth).max
    image = np.zeros((8, 10, 4), depth)
    image[..., :3] = ink * full  # the colour below the transparency is the same
    image[2:4, 3:6, 3] = full
    cv2.imwrite(str(tmp_path / "a.png"), image)
    found = over_background(tmp_path / "a.png")
    assert found is not None
    pixels, share = found
    assert share == pytest.approx(1 - 6 / 80)
    assert (pixels[2:4, 3:6] == ink * 255).all()
    assert (pixels[0] == background).all()


def test_colours_keep_their_order(tmp_path: Path) -> None:
    image = np.full((4, 4, 4), 255, np.uint8)
    image[..., :3] = (10, 20, 30)  # OpenCV writes blue first
    image[0, 0, 3] = 0
    cv2.imwrite(str(tmp_path / "a.png"), image)
    found = over_background(tmp_path / "a.png")
    assert found is not None
    assert found[0][1, 1].tolist() == [30, 20, 10]


def test_an_image_without_transparency_is_none(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4, 4), 255, np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((4, 4, 3), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "c.jpg"), np.full((4, 4), 9, np.uint8))
    assert all(over_background(path) is None for path in sorted(tmp_path.iterdir()))
