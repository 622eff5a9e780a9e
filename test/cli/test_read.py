# SPDX-License-Identifier: Apache-2.0
"""``lfmvl read``: text, or a reason; never nothing without a word."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfmvl_ros.cli.main import main

needs_reader = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("rapidocr", "onnxruntime"))),
    reason="rapidocr, of the extra ocr, is missing",
)


@needs_reader
def test_text_on_nothing_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = np.zeros((120, 400, 4), np.uint8)  # black on transparent black
    image[..., 3] = cv2.putText(np.zeros((120, 400), np.uint8), "HELLO 42", (20, 80), 0, 2, 255, 4)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    assert main(["read", str(tmp_path / "a.png")]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["lines"][0]["text"] == "HELLO 42"
    assert "is transparent; it is read over a plain background" in said.err


@needs_reader
def test_nothing_is_said_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((60, 80, 3), 128, np.uint8))
    assert main(["read", str(tmp_path / "a.png")]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {"lines": []}
    assert f"note: no text in {tmp_path / 'a.png'}: it has no contrast" in said.err
