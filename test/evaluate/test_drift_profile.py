# SPDX-License-Identifier: Apache-2.0
"""``lfmvl evaluate --drift-profile`` writes what the node compares with."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.drift import read_reference


def folder_of(path: Path, images: int) -> Path:
    """Write grey images with one box each."""
    (path / "annotations").mkdir(parents=True)
    (path / "images").mkdir()
    draw = np.random.default_rng(0)
    listed, boxes = [], []
    for i in range(images):
        name = f"{i:04}.png"
        cv2.imwrite(str(path / "images" / name), draw.integers(80, 120, (48, 64, 3), np.uint8))
        listed.append({"id": i + 1, "file_name": name, "width": 64, "height": 48})
        boxes.append({"id": i + 1, "image_id": i + 1, "category_id": 1, "bbox": [8, 8, 32, 24],
                      "area": 768, "iscrowd": 0})  # fmt: skip
    document = {"images": listed, "annotations": boxes,
                "categories": [{"id": 1, "name": "tote"}]}  # fmt: skip
    (path / "annotations" / "instances.json").write_text(json.dumps(document))
    return path


@pytest.fixture
def replies(tmp_path: Path) -> str:
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"text": '[{"label": "tote", "bbox": [0.1, 0.2, 0.6, 0.7]}]'}))
    return str(path)


def test_a_profile_is_written(tmp_path: Path, replies: str) -> None:
    data, out = folder_of(tmp_path / "data", 200), tmp_path / "profile.json"
    words = ["--model", replies, "--query", "tote", "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(data), *words, "--drift-profile", str(out)]) == 0
    reference = read_reference(out)
    assert reference.query == "tote"
    assert reference.features["brightness"].mean == pytest.approx(100 / 255, abs=0.01)
    assert reference.features["boxes[tote]"].mean == 1
    assert reference.features["boxes"].blocks == 10


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--query", "tote"], "needs 200 images"), ([], "needs --query")],
)
def test_what_makes_no_profile(
    tmp_path: Path, replies: str, words: list[str], told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    data, out = folder_of(tmp_path / "data", 12), tmp_path / "profile.json"
    words = ["--model", replies, "--out", str(tmp_path / "out"), *words]
    assert main(["evaluate", str(data), *words, "--drift-profile", str(out)]) == 2
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_a_profile_of_answers_that_failed_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = folder_of(tmp_path / "data", 200), tmp_path / "profile.json"
    replies = tmp_path / "failing.jsonl"
    replies.write_text(json.dumps({"text": "I can't do that"}))
    words = ["--model", str(replies), "--query", "tote", "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(data), *words, "--drift-profile", str(out)]) == 0
    assert "takes it as normal that 100% of the answers can't be used" in capsys.readouterr().err
