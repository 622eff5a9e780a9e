# SPDX-License-Identifier: Apache-2.0
"""Renders objects with a label of known text, as a camera would see them."""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
KINDS = ("code", "date", "word", "lot")
TURNS = (0, 90, 180, 270)
SLANTS = (-25, -12, 12, 25)
_WORDS = (
    "FRAGILE", "URGENT", "RETURN", "BATTERIES", "Keep dry", "This side up", "PALLET", "Coffee",
    "SHAMPOO", "Quality", "HEAVY", "Flammable", "Tomato", "Washing powder", "EXPORT", "Sample",
    "Receiving", "Zone", "Jumbo", "Milk", "Rice", "Oat flakes", "Vinegar", "HANDLE WITH CARE",
)  # fmt: skip
_FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf", "")
_LETTERS = "".join(letter for letter in string.ascii_uppercase if letter not in "OI")  # as in codes
_CAP_PX = 96  # of the printed label, before the camera
_INKS = (((250, 250, 248), (20, 20, 24)), ((242, 224, 160), (30, 26, 20)),
         ((30, 60, 130), (245, 245, 245)), ((205, 190, 165), (60, 40, 30)),
         ((200, 40, 40), (250, 240, 230)))  # fmt: skip


@dataclass(frozen=True)
class Printed:
    """A label: its text, and how it is printed and stuck onto a box.

    Attributes:
        text: one or two words or codes, in one line.
        kind: one of :data:`KINDS`.
        font: a file of matplotlib's, or "" for Pillow's own.
        inks: RGB of paper and ink.
        turn_deg: of the text in the image, clockwise.
    """

    text: str
    kind: str
    font: str
    inks: tuple[tuple[int, int, int], tuple[int, int, int]]
    turn_deg: float


def printed(rng: np.random.Generator, turn_deg: float, kind: str = "") -> Printed:
    """Return a random label; of a kind: ``lookalike`` is a code with the letters O and I."""
    kind = kind or str(rng.choice(KINDS))
    return Printed(
        _text(kind, rng), kind, str(rng.choice(_FONTS)), _INKS[rng.integers(len(_INKS))], turn_deg
    )


def _text(kind: str, rng: np.random.Generator) -> str:
    letters, digits = list(_LETTERS), list(string.digits)

    def some(of: list[str], count: int) -> str:
        return "".join(rng.choice(of, count))

    if kind == "lookalike":
        return f"LOT {some([*'OI', *letters, *digits], 6)}{some(list('OI01'), 1)}"
    if kind == "code":
        return f"{some(letters, 3)}-{some(digits, int(rng.integers(3, 6)))}-{some(letters, 1)}"
    if kind == "date":
        year, month, day = rng.integers(2024, 2032), rng.integers(1, 13), rng.integers(1, 29)
        return f"{year}-{month:02}-{day:02}"
    if kind == "lot":
        return f"LOT {some(letters + digits, 7)}"
    return str(rng.choice(_WORDS))


@lru_cache(maxsize=64)
def _font(name: str) -> ImageFont.FreeTypeFont:
    if not name:
        return ImageFont.load_default(_CAP_PX / 0.71)  # type: ignore[return-value]
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / name), round(_CAP_PX / 0.73))


@lru_cache(maxsize=8)
def _label(label: Printed) -> tuple[Pixels, float]:
    """Return the printed label and the height of its capital letters, px."""
    font = _font(label.font)
    left, top, right, bottom = font.getbbox(label.text)
    cap = font.getbbox("H")
    margin = round(0.8 * _CAP_PX)
    size = round(right - left + 2 * margin), round(bottom - top + 2 * margin)
    image = Image.new("RGB", size, label.inks[0])
    ImageDraw.Draw(image).text((margin - left, margin - top), label.text, label.inks[1], font=font)
    return np.asarray(image, np.uint8), float(cap[3] - cap[1])


@dataclass(frozen=True)
class Seen:
    """How a camera sees it once.

    Attributes:
        cap_px: height of capital letters in the image.
        blur: standard deviation of the lens, in px.
        noise: standard deviation, in grey levels.
        jpeg: quality.
        tilt: how much one side is smaller than the other, -0.25 to 0.25, across and down.
        shift: of the label, in px.
    """

    cap_px: float
    blur: float
    noise: float
    jpeg: int
    tilt: tuple[float, float]
    shift: tuple[float, float]


def seen(rng: np.random.Generator, cap_px: float) -> Seen:
    """Return a random view."""
    return Seen(
        cap_px,
        float(rng.uniform(0.3, 0.9)),
        float(rng.uniform(1, 6)),
        int(rng.integers(70, 96)),
        (float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.2, 0.2))),
        (float(rng.uniform(-3, 3)), float(rng.uniform(-3, 3))),
    )


def view(label: Printed, how: Seen, rng: np.random.Generator) -> Pixels:
    """Return the image of a box with the label on it, RGB; the box fills nearly all of it."""
    paper, cap = _label(label)
    scale = how.cap_px / cap
    height, width = paper.shape[0] * scale, paper.shape[1] * scale
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    across, down = how.tilt
    corners[:, 1] *= 1 + across * np.sign(corners[:, 0])
    corners[:, 0] *= 1 + down * np.sign(corners[:, 1])
    angle = np.deg2rad(label.turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = corners @ turn.T
    extent = np.ceil(np.ptp(corners, axis=0) * 1.25 + 8).astype(int)
    corners += extent / 2 + how.shift
    over = 4  # supersampling: a pixel integrates over its area
    canvas = np.full((extent[1] * over, extent[0] * over, 3), (150, 116, 82), np.uint8)
    canvas[:: over * 6] = (140, 106, 72)  # corrugated board
    source = np.array([[0, 0], [paper.shape[1], 0], paper.shape[1::-1], [0, paper.shape[0]]])
    matrix = cv2.getPerspectiveTransform(
        source.astype(np.float32), (corners * over).astype(np.float32)
    )
    shrinks = scale * over < 1
    if shrinks:  # without this, thin strokes fall between the samples
        paper = np.asarray(cv2.GaussianBlur(paper, (0, 0), 0.3 / scale / over), np.uint8)
    size = (canvas.shape[1], canvas.shape[0])
    cv2.warpPerspective(paper, matrix, size, canvas, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    image = cv2.resize(canvas, tuple(extent.tolist()), interpolation=cv2.INTER_AREA)
    image = cv2.GaussianBlur(image, (0, 0), how.blur).astype(np.float32)
    image += rng.normal(0, how.noise, image.shape)
    coded = cv2.imencode(
        ".jpg", image.clip(0, 255)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, how.jpeg]
    )
    return np.ascontiguousarray(cv2.imdecode(coded[1], cv2.IMREAD_COLOR)[..., ::-1])
