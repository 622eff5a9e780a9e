# SPDX-License-Identifier: Apache-2.0
"""Training scenes from a folder of pictures with boxes: decoded when needed, cropped at random."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from functools import cached_property

import cv2
import numpy as np

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.training.coco import CocoFolder, CocoPicture
from lfmvl_ros.training.geometry import grid_for
from lfmvl_ros.training.questions import MIN_VISIBILITY, Target, Vocabulary
from lfmvl_ros.training.sources import Scene, View
from lfmvl_ros.viz.video import decode_file

NO_COLOUR = -1
"""``Target.colour`` where nothing is known about it."""

ENOUGH_LEFT = 0.6
"""A box that a crop leaves less of is not asked for: where the visible part of its object ends is
not known any more."""

_WHOLE_SHARE = 0.4  # of the pictures learnt from; the others are cropped
_TARGET_SHARE = 0.8  # of the crops, which are made around one of the boxes
_SMALLEST_CROP = 0.25  # of the largest possible area
_LONGEST_PX = 768  # pictures are kept no larger: the largest grid has 416 px, a crop half of it
_CACHE_BYTES = 256 * 2**20
_MOST_VIEWS = 10
_SIDES = re.compile(r"\b(left|right|links|rechts|linke[rs]?|rechte[rs]?|gauche|droite?)\b")


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """An image (H, W, C) as EXIF's orientation, 1 to 8, says it is to be shown."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


class PictureStore:
    """Decoded pictures, the most recently used of them kept; as many as fit into some bytes."""

    def __init__(self, most_bytes: int = _CACHE_BYTES) -> None:
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._bytes, self._most = 0, most_bytes

    def pixels(self, picture: CocoPicture) -> np.ndarray:
        """uint8 (H, W, 3) RGB, the longer side at most 768.

        Raises:
            UserError: the file is no longer what it was when the training began.
        """
        key = str(picture.path)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        pixels = _decode(picture)
        self._kept[key] = pixels
        self._bytes += pixels.nbytes
        while self._bytes > self._most and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes
        return pixels


def _decode(picture: CocoPicture) -> np.ndarray:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    stored = decode_file(picture.path, flags) if picture.path.is_file() else None
    if stored is None:
        raise UserError(
            f"{picture.path} can't be read any more; put it back, or remove it from the "
            "annotations and start a new training"
        )
    shown = turned(stored, picture.orientation)
    height, width = shown.shape[:2]
    if (width, height) != picture.wh_px:
        raise UserError(
            f"{picture.path} is {width}x{height} now and was {picture.wh_px[0]}x"
            f"{picture.wh_px[1]} when the training began; start a new one"
        )
    scale = _LONGEST_PX / max(width, height)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        shown = cv2.resize(np.ascontiguousarray(shown), size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(shown[..., ::-1])


def random_window(
    rng: np.random.Generator, wh_px: tuple[int, int], proportions: float, xyxy: np.ndarray
) -> tuple[int, int, int, int]:
    """A window of a picture, most often one with an object in it.

    Args:
        rng: decides size and place: a quarter to all of the area there is.
        wh_px: size of the picture.
        proportions: width by height of the window, but for rounding.
        xyxy: (N, 4) the picture's boxes, normalised.

    Returns:
        Left, top, right and bottom edge in pixels.
    """
    scale = np.sqrt(rng.uniform(_SMALLEST_CROP, 1.0))
    height = min(wh_px[1], wh_px[0] / proportions) * scale
    sides = np.array([height * proportions, height]).round().astype(int)
    sides = np.clip(sides, 1, wh_px)
    first, last = np.zeros(2), np.array(wh_px) - sides
    if len(xyxy) and rng.random() < _TARGET_SHARE:
        box = xyxy[int(rng.integers(len(xyxy)))]
        middle = (box[:2] + box[2:]) / 2 * wh_px
        first, last = np.clip(middle - sides, 0, last), np.clip(middle, 0, last)
    left, top = rng.uniform(first, last).round().astype(int)
    return int(left), int(top), int(left + sides[0]), int(top + sides[1])


def boxes_in(window: np.ndarray, xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as a crop shows them.

    Args:
        window: (4,) the crop, normalised to the picture.
        xyxy: (N, 4) boxes, normalised to the picture, none of them empty.

    Returns:
        xyxy (N, 4) normalised to the crop and clipped to it; share (N,) of each box's area that
        is inside.
    """
    size = window[2:] - window[:2]
    inside = np.clip((xyxy - np.tile(window[:2], 2)) / np.tile(size, 2), 0.0, 1.0)
    area = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1)
    left = np.prod((inside[:, 2:] - inside[:, :2]) * size, axis=1)
    return inside, np.clip(left / area, 0.0, 1.0)


class CocoScenes:
    """Pictures of a folder in COCO format as a source of training scenes.

    Args:
        folder: what :func:`lfmvl_ros.training.coco_reading.read_folder` returns.
        judged: give the held-out pictures, whole, instead of those to learn from.
    """

    def __init__(self, folder: CocoFolder, *, judged: bool = False) -> None:
        self.folder, self._judged = folder, judged
        self.vocabulary = Vocabulary(folder.categories, (), folder.names)
        self._pictures = folder.held_out if judged else folder.training
        self._store = PictureStore()
        self._may_mirror = not any(_SIDES.search(name.lower()) for name in folder.categories)

    def held_out(self) -> CocoScenes:
        """The pictures that are kept for judging."""
        return CocoScenes(self.folder, judged=True)

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The commonest picture sizes, one for each grid; all of them where it is about judging."""
        sizes: dict[object, Counter[tuple[int, int]]] = {}
        for picture in self._pictures:
            sizes.setdefault(grid_for(picture.wh_px), Counter())[picture.wh_px] += 1
        most = sorted(sizes.items(), key=lambda item: -item[1].total())
        most = most if self._judged else most[:_MOST_VIEWS]
        return tuple(
            View(counts.most_common(1)[0][0], grid, counts.total()) for grid, counts in most
        )

    @cached_property
    def _by_grid(self) -> dict[object, list[CocoPicture]]:
        members: dict[object, list[CocoPicture]] = {}
        for picture in self._pictures:
            members.setdefault(grid_for(picture.wh_px), []).append(picture)
        return members

    def draw(self, rng: np.random.Generator, wh_px: tuple[int, int], max_objects: int) -> Scene:
        """A picture that the processor gives the same grid as this size, or a crop of any picture.

        Pixels come in the size they have. ``max_objects`` changes nothing: pictures are as they
        are, and questions limit their answers themselves.
        """
        del max_objects
        alike = self._by_grid.get(grid_for(wh_px), [])
        if alike and (self._judged or rng.random() < _WHOLE_SHARE):
            return self.whole(alike[int(rng.integers(len(alike)))])
        picture = self._pictures[int(rng.integers(len(self._pictures)))]
        pixels = self._store.pixels(picture)
        height, width = pixels.shape[:2]
        window = random_window(rng, (width, height), wh_px[0] / wh_px[1], picture.xyxy)
        left, top, right, bottom = window
        normalised = np.array(window) / [width, height, width, height]
        return self._scene(
            picture, pixels[top:bottom, left:right], *boxes_in(normalised, picture.xyxy)
        )

    def whole(self, picture: CocoPicture) -> Scene:
        """A picture as it is, with all of its boxes."""
        pixels = self._store.pixels(picture)
        return self._scene(picture, pixels, picture.xyxy, np.ones(len(picture.xyxy)))

    def _scene(
        self, picture: CocoPicture, pixels: np.ndarray, xyxy: np.ndarray, share: np.ndarray
    ) -> Scene:
        targets = tuple(
            Target(
                names=self.folder.names[kind],
                kind=int(kind),
                colour=NO_COLOUR,
                xyxy=box,
                visibility=float(left) if left >= ENOUGH_LEFT else min(left, MIN_VISIBILITY / 2),
            )
            for kind, box, left in zip(picture.kinds, xyxy, share, strict=True)
            if left > 0
        )
        return Scene(pixels, targets, may_mirror=self._may_mirror)
