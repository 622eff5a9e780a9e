# SPDX-License-Identifier: Apache-2.0
"""The command: what it writes can be read, and what it refuses it explains."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from lfmvl_ros.cli.parser import CommandParser
from lfmvl_ros.core.errors import UserError
from lfmvl_warehouse.cli import scenes as command
from lfmvl_warehouse.scenes.sheet import contact_sheet


def call(*words: str) -> int:
    parser = CommandParser()
    command.configure(parser)
    return command.run(parser.parse_args(list(words)))


def test_sheet_and_video_can_be_read_back(tmp_path):
    sheet, film, truth = tmp_path / "a" / "sheet.png", tmp_path / "b.mp4", tmp_path / "c.jsonl"
    assert call("--preview", str(sheet), "--count", "3", "--wh", "96x64", "--preset", "easy") == 0
    assert cv2.imread(str(sheet)).shape[2] == 3
    words = ("--wh", "160x120", "--seconds", "0.3", "--fps", "10")
    assert call("--video", str(film), "--truth", str(truth), *words) == 0
    reader = cv2.VideoCapture(str(film))
    assert int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) == 3
    lines = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2]
    assert lines[0]["objects"][0]["visible_xyxy_px"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "--preview"),
        (("--preview", "x.png", "--wh", "big"), "WIDTHxHEIGHT"),
        (("--preview", "x.png", "--wh", "5x5"), "wh"),
        (("--preview", "x.png", "--count", "0"), "--count"),
        (("--preview", "x.png", "--seed", "-1"), "--seed"),
        (("--labelled", "x", "--count", "0"), "--count"),
        (("--labelled", "x", "--wh", "5x5"), "wh"),
        (("--video", "x.mp4", "--seconds", "0"), "--seconds"),
    ],
)
def test_nonsense_is_refused_with_a_hint(words, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=hint):
        call(*words)
    assert list(tmp_path.iterdir()) == []


def test_sheets_hold_every_image():
    images = [np.full((8, 10, 3), value, np.uint8) for value in range(5)]
    sheet = contact_sheet(images, columns=2)
    assert sheet.shape == (3 * 12 - 4, 2 * 14 - 4, 3)
    for i, value in enumerate(range(5)):
        assert sheet[i // 2 * 12, i % 2 * 14, 0] == value
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
