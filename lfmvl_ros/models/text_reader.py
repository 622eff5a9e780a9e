# SPDX-License-Identifier: Apache-2.0
"""Reads text in images with the package rapidocr: PP-OCR models that its wheel contains.

rapidocr's own pipeline is used for its two models only. Lines are cut out of the image at its full
resolution and read in both directions where the first is not certain, because its classifier of
directions is often wrong on small text. A line's confidence is the product of the probabilities of
its characters; rapidocr's mean stays near 1 where one character is wrong.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.colour import is_flat
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.readings import ReadLine
from lfmvl_ros.core.readings.lookalikes import is_broken_off
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.models.text_layout import Quad, in_reading_order, line_length_px, rectified

PACKAGE = "rapidocr"
INSTALL = "pip install 'lfmvl_ros[ocr]' (or pip install rapidocr onnxruntime)"
Pixels = NDArray[np.uint8]
_MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
MODELS = frozenset(_MODELS.values())
"""File names of the weights that are used, in the wheel of :data:`PACKAGE`."""
_CERTAIN = 0.9  # from here on, the other direction and another scale are not tried
_MOST_UPSCALING = 2.0
_LONG_SIDE_PX = 640  # to which small images are enlarged: letters of 8 px are found then
_LONGEST_SIDE_PX = 960  # to which large images are reduced before lines are looked for
_SECOND_LOOK = 1.4  # scale of a second look at large images
_LEAST_SIDE_PX, _LEAST_LETTER_PX = 4, 8  # of an image; of letters where they are looked for
_SCALES = (1.0, 0.8, 1.25)  # of further attempts
_MOST_LINES = 12  # of one image: time is bounded
_SMALL_PITCH_PX = 10.2  # from letter to letter: below, those of 11 px and less lose their details
_SMALL_LIMIT = 0.85
# Turned by 180 degrees, they are characters again.
_TURNABLE = frozenset("01689-.:/=+|_ HINOSXZMWlosxzu")
_CUT = {"Global.log_level": "critical", "Global.text_score": 0.0, "Det.limit_type": "max"}


class RapidTextReader:
    """A :class:`~lfmvl_ros.core.readings.TextReader` on one core. Thread-safe.

    Nothing is downloaded: the paths of the models are given, and they are in rapidocr's wheel.

    Raises:
        UserError: rapidocr or onnxruntime is not installed, or its models are not there.
    """

    name = PACKAGE

    def __init__(self) -> None:
        try:
            import onnxruntime  # noqa: F401  (rapidocr imports it when it reads)
            import rapidocr
        except ImportError as error:
            raise UserError(f"reading text needs the package rapidocr: {INSTALL}") from error
        folder = Path(str(rapidocr.__file__)).parent / "models"
        missing = [name for name in _MODELS.values() if not (folder / name).is_file()]
        if missing:
            raise UserError(
                f"rapidocr at {folder} has no {missing[0]}; this needs rapidocr 3.10, whose wheel "
                f"contains its models: {INSTALL}"
            )
        threads = dict.fromkeys(("intra_op_num_threads", "inter_op_num_threads"), 1)
        self._ocr = rapidocr.RapidOCR(
            params={
                **_CUT,
                "Det.limit_side_len": _LONGEST_SIDE_PX,
                **{f"{part}.model_path": str(folder / name) for part, name in _MODELS.items()},
                **{f"EngineConfig.onnxruntime.{name}": count for name, count in threads.items()},
            }
        )
        self._lock = threading.Lock()

    def read(self, pixels: Pixels, attempt: int = 0) -> tuple[ReadLine, ...]:
        """Return the lines of text in an image, in reading order.

        Args:
            pixels: ``(H, W, 3)`` uint8, RGB.
            attempt: how often the object was read before.
        """
        longest = max(pixels.shape[:2])
        if min(pixels.shape[:2]) < _LEAST_SIDE_PX:
            return ()
        image = np.ascontiguousarray(pixels[..., ::-1])
        scale = min(_MOST_UPSCALING, max(_LONG_SIDE_PX / longest, 1.0), _LONGEST_SIDE_PX / longest)
        scale *= _SCALES[attempt % len(_SCALES)]
        with self._lock:
            lines = self._lines(image, scale)
            if not lines or any(map(_is_doubtful, lines)):
                other = self._lines(image, scale * 0.75 if scale > 1 else scale * _SECOND_LOOK)
                lines = max(lines, other, key=_merit)
        return lines

    def _lines(self, image: Pixels, scale: float) -> tuple[ReadLine, ...]:
        """Return the lines that are found when the image is looked at with a scale."""
        found = self._quads(image, scale)
        if not found:
            return ()
        upright, turned = in_reading_order(found)[:_MOST_LINES], []
        for quad in upright:
            line, is_turned = self._line(rectified(image, quad))
            if line.text and line_length_px(quad) < _SMALL_PITCH_PX * len(line.text):
                line = ReadLine(line.text, line.confidence, _SMALL_LIMIT)
            turned.append((line, is_turned))
        if sum(is_turned for _, is_turned in turned) * 2 > len(turned):
            turned.reverse()  # upside down: the last line is the first
        return tuple(line for line, _ in turned if line.text)

    def _quads(self, image: Pixels, scale: float) -> list[Quad]:
        method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
        seen = image if scale == 1 else cv2.resize(image, size, interpolation=method)
        found = self._ocr(seen, use_det=True, use_cls=False, use_rec=False)
        boxes = getattr(found, "boxes", None)
        if boxes is None:
            return []
        ratio = np.array([image.shape[1] / size[0], image.shape[0] / size[1]])
        return [np.asarray(box, dtype=np.float64) * ratio for box in boxes]

    def _line(self, strip: Pixels) -> tuple[ReadLine, bool]:
        """Return the text of a line, and whether it is upside down in the strip."""
        line = self._recognised(strip)
        turnable = bool(line.text) and all(character in _TURNABLE for character in line.text)
        if line.confidence >= _CERTAIN and not turnable:
            return line, False
        other = self._recognised(np.ascontiguousarray(strip[::-1, ::-1]))
        best, worse = max(line, other, key=_sure), min(line, other, key=_sure)
        if turnable and best.confidence:  # 68-91 upside down is 16-89: either may be meant
            share = best.confidence / (best.confidence + worse.confidence)
            best = ReadLine(best.text, best.confidence * share)
        return best, best.text == other.text and other.confidence > line.confidence

    def _recognised(self, strip: Pixels) -> ReadLine:
        found: Any = self._ocr(
            strip, use_det=False, use_cls=False, use_rec=True, return_word_box=True
        )
        texts, words = found.txts or ("",), found.word_results or (None,)
        text = safe_text(texts[0])
        confidences: Sequence[float] = getattr(words[0], "confs", None) or (0.0,)
        product = math.prod(min(max(float(value), 0.0), 1.0) for value in confidences)
        return ReadLine(text, product if text else 0.0)


def why_nothing(pixels: Pixels) -> str:
    """Return why there may be no text in an image in which none was found, and what to do.

    Args:
        pixels: ``(H, W, 3)`` uint8, RGB.
    """
    height, width = pixels.shape[:2]
    size, longest = f"it has {width}x{height} pixels", max(width, height)
    if min(width, height) < _LEAST_SIDE_PX:
        return f"{size}, too few for text"
    if longest > _LONGEST_SIDE_PX * _SECOND_LOOK:
        least = math.ceil(_LEAST_LETTER_PX * longest / (_LONGEST_SIDE_PX * _SECOND_LOOK))
        return (
            f"{size}, and lines are looked for in a copy of {_LONGEST_SIDE_PX} in which letters "
            f"lower than about {least} can't be seen; cut out the object with the text"
        )
    if is_flat(pixels):
        return "it has no contrast: one colour is all that can be seen"
    return "no line of text was found in it; best is a sharp crop of one object"


def _is_doubtful(line: ReadLine) -> bool:
    return line.confidence < _CERTAIN or is_broken_off(line.text)


def _sure(line: ReadLine) -> float:
    return line.confidence


def _merit(lines: Sequence[ReadLine]) -> float:
    """Return how much of a reading can be relied upon: the expected number of right characters."""
    return sum(line.confidence * len(line.text) for line in lines)


_shared: weakref.WeakValueDictionary[str, RapidTextReader] = weakref.WeakValueDictionary()
_loading = threading.Lock()


def shared_text_reader() -> RapidTextReader:
    """Return the reader of this process; it is freed when nobody uses it any more.

    Raises:
        UserError: as :class:`RapidTextReader`.
    """
    with _loading:
        reader = _shared.get(RapidTextReader.name)
        if reader is None:
            reader = _shared[RapidTextReader.name] = RapidTextReader()
        return reader
