# SPDX-License-Identifier: Apache-2.0
"""Writes a small folder of MOTChallenge."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def mot_folder(path: Path, *, count: int = 20) -> Path:
    """A bright square that moves 4 px an image."""
    (path / "img1").mkdir(parents=True)
    (path / "gt").mkdir()
    rng, lines = np.random.default_rng(5), []
    image = rng.integers(40, 90, (120, 160, 3), dtype=np.uint8)
    square = rng.integers(170, 250, (32, 32, 3), dtype=np.uint8)
    for index in range(count):
        left, shown = 10 + 4 * index, image.copy()
        shown[40:72, left : left + 32] = square
        cv2.imwrite(str(path / "img1" / f"{index + 1:06}.jpg"), shown)
        lines.append(f"{index + 1},7,{left},40,32,32,1,1,1.0")
        lines.append(f"{index + 1},8,0,0,9,9,0,1,1.0")  # taken out
    (path / "gt" / "gt.txt").write_text("\n".join(lines))
    (path / "seqinfo.ini").write_text("[Sequence]\nname=square\nimDir=img1\nframeRate=20\n")
    return path
