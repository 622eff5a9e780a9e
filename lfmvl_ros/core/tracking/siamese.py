# SPDX-License-Identifier: Apache-2.0
"""Finds an object again by its appearance: two ONNX networks, used as OpenCV's tracker does.

``cv2.TrackerNano`` defines it: a *backbone* turns a crop into features; a *head* compares those of
the object with those of a search region, and gives a score and a box for each cell of a grid
(SiamRPN, Li et al., CVPR 2018; NanoTrack, github.com/HonglinChu/NanoTrack). OpenCV's own class
keeps the object's state inside and returns whole pixels. Here a look is a function of image, box
and template, so that a late answer can be replayed, and boxes are not rounded.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted, safe_text
from lfmvl_ros.core.user_files import is_directory, user_path

ColourImage = NDArray[np.uint8]
Features = NDArray[np.float32]

FLOW = "flow"
NANO = "nano"
NANO_FOLDER = "~/.local/share/lfmvl_ros/nanotrack"
WHERE_FROM = (
    "NanoTrack's are nanotrack_backbone_sim.onnx and nanotrack_head_sim.onnx of "
    "github.com/HonglinChu/SiamTrackers, folder NanoTrack/models"
)
# As in cv2.TrackerNano: sides of the two crops, the grid of answers, and how answers are ranked.
TEMPLATE_PX, SEARCH_PX = 127, 255
CELLS, STRIDE_PX = 16, 16
CONTEXT = 0.5
PENALTY = 0.055
WINDOW_SHARE = 0.455
MEAN_STEP_PX = 8


@dataclass(frozen=True)
class Look:
    """Where the object is: box ``(4,)`` cx, cy, w, h in px of the image, and a score in [0, 1]."""

    box: FloatArray
    score: float


class SiameseNets:
    """The two networks, loaded and tried. One thread at a time uses them; others wait.

    Args:
        backbone: ONNX file; a crop ``(1, 3, side, side)``, RGB from 0 to 255, to features.
        head: ONNX file; ``input1`` (template) and ``input2`` (search region) to ``output1``
            ``(1, 2, 16, 16)``, logits of background and object, and ``output2`` ``(1, 4, 16, 16)``,
            distances to left, top, right and bottom in px of the search crop.

    Raises:
        UserError: a file can't be read, or is not such a network.
    """

    def __init__(self, backbone: Path, head: Path) -> None:
        self._backbone, self._head = _network(backbone), _network(head)
        self._lock = threading.Lock()
        ramp = (np.arange(CELLS) - CELLS // 2) * STRIDE_PX + SEARCH_PX // 2
        self._x, self._y = np.meshgrid(ramp, ramp)
        self._window = np.asarray(cv2.createHanningWindow((CELLS, CELLS), cv2.CV_32F))
        self._try(backbone, head)

    def template(self, image: ColourImage, box: FloatArray) -> Features:
        """Return the features of the object in a box ``(4,)`` cx, cy, w, h of an RGB image."""
        side = _context_side(box[2], box[3])
        with self._lock:
            return self._features(_crop(image, box, side, TEMPLATE_PX))

    def look(self, image: ColourImage, box: FloatArray, template: Features) -> Look:
        """Return where the object of a template is in an RGB image, near a box ``(4,)``."""
        context = _context_side(box[2], box[3])
        side = context * SEARCH_PX / TEMPLATE_PX
        with self._lock:
            crop = _crop(image, box, side, SEARCH_PX)
            logits, reach = self._compare(template, self._features(crop))
        return self._best(logits, reach, box, float(TEMPLATE_PX / context))

    def _best(
        self, logits: NDArray[np.float32], reach: NDArray[np.float32], box: FloatArray, zoom: float
    ) -> Look:
        """The best cell by score, by size and shape alike to the box's, and near its centre.

        ``zoom``: px of the crop per px of the image.
        """
        score = 1 / (1 + np.exp(np.clip(logits[0] - logits[1], -50, 50).astype(np.float64)))
        x1, y1 = self._x - reach[0], self._y - reach[1]
        wide = np.maximum(reach[0] + reach[2], 1.0)
        high = np.maximum(reach[1] + reach[3], 1.0)
        size = _context_side(wide, high) / _context_side(box[2] * zoom, box[3] * zoom)
        shape = wide / high / (box[2] / box[3])
        off = np.maximum(size, 1 / size) * np.maximum(shape, 1 / shape)
        rank = np.exp(-PENALTY * (off - 1)) * score
        rank = rank * (1 - WINDOW_SHARE) + self._window * WINDOW_SHARE
        best = np.unravel_index(int(rank.argmax()), rank.shape)
        centre = np.array([x1[best] + wide[best] / 2, y1[best] + high[best] / 2])
        middle = (SEARCH_PX - 1) / 2
        found = np.concatenate([box[:2] + (centre - middle) / zoom, [wide[best], high[best]]])
        found[2:] /= zoom
        return Look(found, float(score[best]))

    def _features(self, crop: ColourImage) -> Features:
        self._backbone.setInput(cv2.dnn.blobFromImage(crop))
        return np.array(self._backbone.forward(), np.float32)

    def _compare(
        self, template: Features, searched: Features
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self._head.setInput(template, "input1")
        self._head.setInput(searched, "input2")
        logits, reach = self._head.forward(["output1", "output2"])
        shape = (CELLS, CELLS)
        return (
            np.asarray(logits, np.float32).reshape(2, *shape),
            np.asarray(reach, np.float32).reshape(4, *shape),
        )

    def _try(self, backbone: Path, head: Path) -> None:
        """Run both once on a grey image."""
        grey = np.full((SEARCH_PX, SEARCH_PX, 3), 128, np.uint8)
        middle = np.array([127.0, 127.0, 60.0, 60.0])
        try:
            self.look(grey, middle, self.template(grey, middle))
        except (cv2.error, ValueError) as error:
            raise UserError(
                f"{quoted(str(backbone))} and {quoted(str(head))} do not work as backbone and head "
                f"of OpenCV's TrackerNano ({_brief(error)}): the head needs input1 and input2, and "
                f"output1 and output2 of 2 and 4 times {CELLS}x{CELLS}; {WHERE_FROM}"
            ) from error


def check_follower(follower: str) -> None:
    """Raise what :func:`load_follower` would.

    Raises:
        UserError: see there.
    """
    load_follower(follower)


def load_follower(follower: str) -> SiameseNets | None:
    """Return the networks that ``tracker.follower`` names; None for ``flow``.

    Raises:
        UserError: there are no such files, or they are not what is expected.
    """
    if follower == FLOW:
        return None
    folder = user_path(NANO_FOLDER if follower == NANO else follower, "folder of tracker.follower")
    backbone, head = _found(folder, "backbone"), _found(folder, "head")
    return SiameseNets(backbone, head)


def _found(folder: Path, role: str) -> Path:
    """The one ONNX file of a folder with ``role`` in its name."""
    expected = (
        f"tracker.follower: expected one file with {role!r} in its name that ends in .onnx in "
        f"{quoted(str(folder))}"
    )
    if not is_directory(folder):
        raise UserError(f"{expected}, which is no folder; {WHERE_FROM}")
    names = sorted(file.name for file in folder.glob("*.onnx") if role in file.name.lower())
    if len(names) != 1:
        said = ", ".join(quoted(name) for name in names) or "none"
        raise UserError(f"{expected}, found {said}; {WHERE_FROM}")
    return folder / names[0]


def _network(file: Path) -> cv2.dnn.Net:
    try:
        return cv2.dnn.readNetFromONNX(str(file))
    except cv2.error as error:
        raise UserError(
            f"{quoted(str(file))} can't be read as an ONNX network ({_brief(error)}); {WHERE_FROM}"
        ) from error


def _brief(error: Exception) -> str:
    """The reason in an OpenCV error, without where in its source it came from."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return safe_text(lines[0].rpartition("error: ")[2] if lines else type(error).__name__)[:160]


def _context_side(wide: FloatArray | float, high: FloatArray | float) -> FloatArray:
    """Side of the square that shows a box of these sides with its surroundings."""
    pad = CONTEXT * (wide + high)
    return np.asarray(np.sqrt((wide + pad) * (high + pad)))


def _crop(image: ColourImage, box: FloatArray, side: FloatArray, out_px: int) -> ColourImage:
    """The square of a side around a box's centre, ``(out_px, out_px, 3)``.

    What lies outside of the image gets the image's mean colour.
    """
    step = float(side) / out_px
    # Centres of pixels have whole numbers.
    low = np.asarray(box[:2], np.float64) - 0.5 - step * (out_px - 1) / 2
    to_image = np.array([[step, 0.0, low[0]], [0.0, step, low[1]]])
    mean = image[::MEAN_STEP_PX, ::MEAN_STEP_PX].mean(axis=(0, 1)).tolist()
    crop = cv2.warpAffine(
        image,
        to_image,
        (out_px, out_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=mean,
    )
    return np.asarray(crop, np.uint8)
