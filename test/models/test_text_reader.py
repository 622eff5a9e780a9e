# SPDX-License-Identifier: Apache-2.0
"""The real reader on rendered text, in any direction, without a network."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.readings.reading import text_key
from lfmvl_ros.models import text_reader
from lfmvl_ros.models.text_layout import in_reading_order, rectified

HAS_READER = all(map(importlib.util.find_spec, ("rapidocr", "onnxruntime")))
needs_reader = pytest.mark.skipif(not HAS_READER, reason="rapidocr, of the extra ocr, is missing")


def label(*lines: str, scale: float = 0.7) -> np.ndarray:
    """Return a white label on a brown box, RGB."""
    image = np.full((70 + 40 * len(lines), 320, 3), (150, 116, 82), np.uint8)
    image[15:-15, 15:-15] = 245
    for number, line in enumerate(lines):
        place = (35, 60 + 40 * number)
        cv2.putText(
            image, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 24), 2, cv2.LINE_AA
        )
    return image


def slanted(image: np.ndarray, degrees: float) -> np.ndarray:
    height, width = image.shape[:2]
    side = int(np.hypot(width, height))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    matrix[:, 2] += ((side - width) / 2, (side - height) / 2)
    return cv2.warpAffine(image, matrix, (side, side), borderValue=(150, 116, 82))


@pytest.fixture(scope="module")
def reader():
    return text_reader.shared_text_reader()


@needs_reader
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_text_in_each_direction(reader, quarters):
    image = np.ascontiguousarray(np.rot90(label("SKU 4827-K"), quarters))
    (line,) = reader.read(image)
    assert text_key(line.text) == "SKU4827-K"
    assert line.confidence > 0.8


@needs_reader
@pytest.mark.parametrize("degrees", [-30, -12, 12, 30])
def test_slanted_text(reader, degrees):
    (line,) = reader.read(slanted(label("2027-03-28"), degrees))
    assert line.text == "2027-03-28"


@needs_reader
@pytest.mark.parametrize("attempt", range(4))
def test_small_text_is_enlarged_in_each_attempt(reader, attempt):
    small = cv2.resize(label("BATTERY"), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    (line,) = reader.read(small, attempt)
    assert line.text == "BATTERY"


@needs_reader
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_lines_are_in_reading_order(reader, quarters):
    image = np.ascontiguousarray(np.rot90(label("ACME", "LOT 27B", "2027-03-28"), quarters))
    texts = [text_key(line.text) for line in reader.read(image)]
    assert texts == ["ACME", "LOT27B", "2027-03-28"]


@needs_reader
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 5), (64, 64), (1500, 2000)])
def test_images_without_text_of_any_shape_have_none(reader, shape):
    assert reader.read(np.full((*shape, 3), 128, np.uint8)) == ()


@needs_reader
def test_a_number_that_is_another_upside_down_is_not_certain(reader):
    for quarters in (0, 2):
        for line in reader.read(np.ascontiguousarray(np.rot90(label("68-91"), quarters))):
            assert line.confidence < 0.9


@needs_reader
def test_the_reader_is_shared_and_freed(reader):
    assert text_reader.shared_text_reader() is reader
    assert reader.name in text_reader._shared


_WATCHED = """
import sys
calls = []
sys.addaudithook(
    lambda event, args: calls.append((event, args[1:]))
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto") else None
)
import numpy as np
from lfmvl_ros.models.text_reader import RapidTextReader
print(RapidTextReader().read(np.load(sys.argv[1])))
print("calls", calls)
"""


@needs_reader
def test_reading_makes_no_connection(tmp_path):
    np.save(tmp_path / "label.npy", label("ACME"))
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, str(tmp_path / "label.npy")],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert "ACME" in done.stdout
    assert "calls []" in done.stdout


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(UserError, match=r"needs the package rapidocr: pip install 'lfmvl_ros\[ocr"):
        text_reader.RapidTextReader()


@needs_reader
def test_a_wheel_without_models_is_refused_instead_of_downloading(monkeypatch, tmp_path):
    import rapidocr

    monkeypatch.setattr(rapidocr, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(UserError, match=r"has no PP-OCRv6_det_small\.onnx"):
        text_reader.RapidTextReader()


def test_a_strip_is_level_and_as_long_as_its_line():
    image = label("ACME")
    quad = np.array([[20.0, 30.0], [220.0, 30.0], [220.0, 80.0], [20.0, 80.0]])
    assert rectified(image, quad).shape[0] == 48
    assert 195 < rectified(image, quad).shape[1] < 210
    upright = np.array([[20.0, 0.0], [60.0, 0.0], [60.0, 90.0], [20.0, 90.0]])
    assert rectified(image, upright).shape[1] > 90


def test_lines_side_by_side_are_read_from_left_to_right():
    def at(x: float, y: float) -> np.ndarray:
        return np.array([[x, y], [x + 90, y], [x + 90, y + 20], [x, y + 20]], np.float64)

    order = in_reading_order([at(0, 60), at(200, 2), at(0, 30), at(0, 0)])
    assert [quad[0].tolist() for quad in order] == [[0, 0], [200, 2], [0, 30], [0, 60]]


@pytest.mark.parametrize(
    ("wh_px", "says"),
    [
        ((3, 90), "it has 3x90 pixels, too few for text"),
        ((9000, 40), r"copy of 960 in which letters lower than about 54 can't be seen; cut out"),
        ((400, 300), "it has no contrast"),
    ],
)
def test_why_nothing_was_read(wh_px, says):
    assert re.search(says, text_reader.why_nothing(np.full((wh_px[1], wh_px[0], 3), 9, np.uint8)))


def test_an_image_with_contrast_may_have_no_text():
    assert "no line of text" in text_reader.why_nothing(label("SKU"))
