# SPDX-License-Identifier: Apache-2.0
"""Write text on images in any script the machine has a font for.

ASCII goes through OpenCV's built-in font, which is quick. Everything else is drawn once per text by
Pillow, with the first font found that has all its letters, and then pasted. Letters that no font
has show as ``?`` (in the image only, never in messages or files).
"""

from __future__ import annotations

import subprocess
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.safe_text import safe_text

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Image = NDArray[np.uint8]
_HERSHEY = cv2.FONT_HERSHEY_SIMPLEX
_TO_THE_RIGHT = "\N{LEFT-TO-RIGHT MARK}"
_SIZE = 30  # Pillow's font size that is as high as OpenCV's font at scale 1
# Where fontconfig is not installed; Pillow finds these by name in the system's folders.
_KNOWN_FONTS = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansArabic-Regular.ttf",
    "wqy-microhei.ttc",
    "unifont.ttf",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "malgun.ttf",
)


def text_size(text: str, scale: float) -> tuple[int, int, int]:
    """(width, height above the line, depth below it) in pixels of what :func:`draw_text` draws."""
    text = _drawable(text)
    if text.isascii():
        (width, height), depth = cv2.getTextSize(text, _HERSHEY, scale, 1)
        return width, height, depth
    mask, ascent = _rendered(text, scale)
    return mask.shape[1], ascent, mask.shape[0] - ascent


def draw_text(
    canvas: Image, text: str, left_px: int, line_px: int, scale: float, colour: tuple[int, int, int]
) -> None:
    """Write, in place, onto an (H, W, 3) image; what lies outside is cut off.

    Args:
        canvas: to write on.
        text: any; what is not safe to show is left out (:mod:`lfmvl_ros.core.safe_text`).
        left_px: where it begins.
        line_px: the row its letters stand on.
        scale: 1 is about 22 pixels high.
        colour: in the canvas' order of channels.
    """
    text = _drawable(text)
    if text.isascii():
        cv2.putText(canvas, text, (left_px, line_px), _HERSHEY, scale, colour, 1, cv2.LINE_AA)
        return
    mask, ascent = _rendered(text, scale)
    top = line_px - ascent
    height, width = canvas.shape[:2]
    rows = slice(max(top, 0), min(top + mask.shape[0], height))
    columns = slice(max(left_px, 0), min(left_px + mask.shape[1], width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    ink = mask[rows.start - top : rows.stop - top, columns.start - left_px : columns.stop - left_px]
    share = ink[..., None].astype(np.float32) / 255
    under = canvas[rows, columns]
    canvas[rows, columns] = np.rint(under * (1 - share) + np.asarray(colour, np.float32) * share)


def labelled(label: str, *values: str) -> str:
    """A label with values behind it, also where the label runs from right to left.

    >>> labelled("tote", "#3", "0.91")
    'tote #3 0.91'
    """
    leftward = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in label)
    return " ".join((label + _TO_THE_RIGHT if leftward else label, *values))


def _drawable(text: str) -> str:
    """Return the text as it is drawn; the mark that :func:`labelled` puts in survives."""
    return _TO_THE_RIGHT.join(map(safe_text, text.split(_TO_THE_RIGHT)))


@lru_cache(maxsize=256)
def _rendered(text: str, scale: float) -> tuple[Image, int]:
    """(coverage of a text (H, W) 0 to 255, rows above the line)."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont, features

    size = max(8, round(_SIZE * scale))
    path = _font_for("".join(sorted(letter for letter in set(text) if not letter.isascii())))
    if path is None:
        font: FreeTypeFont | ImageFont.ImageFont = ImageFont.load_default(size)
        text = "".join(letter if letter.isascii() else "?" for letter in text)
    else:
        font = ImageFont.truetype(path, size)
    direction = "ltr" if features.check("raqm") and path is not None else None
    left, top, right, bottom = font.getbbox(text, direction=direction, anchor="ls")
    wh = max(1, int(right - left)), max(1, int(bottom - top))
    image = Images.new("L", wh)
    ImageDraw.Draw(image).text((-left, -top), text, 255, font, anchor="ls", direction=direction)
    return np.asarray(image), int(-top)


@lru_cache(maxsize=256)
def _font_for(letters: str) -> str | None:
    """Path or name of a font that has all these letters and those of ids and scores, or None."""
    letters = "#09." + "".join(c for c in letters if unicodedata.category(c) != "Cf")
    from PIL import ImageFont

    for name in (_asked_fontconfig(letters), *_KNOWN_FONTS):
        if name is None:
            continue
        try:
            font = ImageFont.truetype(name, _SIZE)
        except OSError:
            continue
        if _has(font, letters):
            return name
    return None


def _has(font: FreeTypeFont, letters: str) -> bool:
    """Whether a font draws each letter as something else than its sign for a missing one."""
    missing = bytes(font.getmask("\U0010ffff"))
    return all(bytes(font.getmask(letter)) != missing for letter in letters if not letter.isspace())


def _asked_fontconfig(letters: str) -> str | None:
    """The file of the font that the system would take, where it has fontconfig."""
    charset = " ".join(f"{ord(letter):x}" for letter in letters)
    command = ["fc-match", "--format=%{file}", f":charset={charset}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
