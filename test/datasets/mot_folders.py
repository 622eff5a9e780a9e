# SPDX-License-Identifier: Apache-2.0
"""Writes a small folder of MOTChallenge, and the same film twice as a COCO file of videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


def coco_video(path: Path, *, count: int = 20, **of_video: object) -> dict[str, Any]:
    """Two videos of :func:`mot_folder`'s square in ``path / annotations / film.json``."""
    content: dict[str, Any] = {
        "videos": [], "images": [], "annotations": [],
        "categories": [{"id": 5, "name": "bright_square"}, {"id": 6, "name": "robot"}],
    }  # fmt: skip
    for video, name in enumerate(("one", "two"), start=1):
        mot_folder(path / name, count=count)
        content["videos"].append({"id": video, "name": name, "fps": 20, **of_video})
        for index in range(count):
            image = 100 * video + index
            content["images"].append({
                "id": image, "video_id": video, "file_name": f"{name}/img1/{index + 1:06}.jpg",
                "width": 160, "height": 120, "frame_id": index,
            })  # fmt: skip
            content["annotations"].append({
                "id": image, "image_id": image, "category_id": 5, "track_id": 7,
                "bbox": [10 + 4 * index, 40, 32, 32],
            })  # fmt: skip
    return content


def save_video(path: Path, content: dict[str, Any]) -> Path:
    """Write the file of a film, and return its path."""
    file = path / "annotations" / "film.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")
    return file
