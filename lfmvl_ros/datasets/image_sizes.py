# SPDX-License-Identifier: Apache-2.0
"""Which image size boxes refer to, and how to rotate the image: the rule for folders and sequences.

Annotations state a size; the image file has one, and may have EXIF data that turn it.

1. The size is that of the image as EXIF turns it, or of the image as it is stored: so the image is
   shown, and the boxes are about it.
2. It has the same proportions, but for the rounding of a resized image: the boxes are scaled.
3. Anything else: the image may have been cropped or be another one. It can't be used.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from lfmvl_ros.core.encoded_images import damage

RESIZED = "images of another size than their annotations state: boxes scaled"
TURNED_TO_FIT = "images turned so that their boxes fit"
TURNED_UNCONFIRMED = "images turned as EXIF says, where nothing shows that their boxes are so, too"

Size = tuple[int, int]
"""Width and height in pixels."""

_ORIENTATION = 0x0112  # EXIF
_SIDEWAYS = (5, 6, 7, 8)  # its values that exchange width and height
_SAME_SHAPE = 0.02
_OTHER_SHAPE = 0.05  # of the shorter side, over the edge by more was drawn on another shape
_MANY = 300  # images whose check deserves a progress bar


@dataclass(frozen=True)
class CheckedImage:
    """An image whose size fits what its annotations state.

    Attributes:
        wh_px: its size as it is to be shown.
        orientation: how it is to be turned, as EXIF says it; 1 for not at all.
        about_px: the size that its boxes are about, upright like the image is shown.
        confirmed: whether the stated size shows that its boxes are of the image turned like this.
        other: the same image not turned, or turned, where EXIF turns it by its side.
    """

    wh_px: Size
    orientation: int
    about_px: Size
    confirmed: bool = True
    other: CheckedImage | None = None

    @property
    def is_resized(self) -> bool:
        """Whether its boxes have to be scaled."""
        return self.about_px != self.wh_px


def stored_size(path: Path) -> tuple[Size, int]:
    """Return an image file's size as it is stored, and the orientation of its EXIF data, 1 to 8.

    Only its header is read.

    Raises:
        Exception: whatever a decoder raises on damaged bytes.
    """
    with Image.open(path) as image:
        orientation = image.getexif().get(_ORIENTATION, 1)
        return image.size, orientation if orientation in range(1, 9) else 1


def shown_size(stored: Size, orientation: int) -> Size:
    """Return the size of an image as its EXIF orientation says it is to be shown.

    >>> shown_size((40, 30), 6), shown_size((40, 30), 3)
    ((30, 40), (40, 30))
    """
    return (stored[1], stored[0]) if orientation in _SIDEWAYS else stored


def fitted(stored: Size, orientation: int, stated: Collection[Size | None]) -> CheckedImage | str:
    """Return how an image is to be shown so that it fits its annotations; or why it does not.

    Args:
        stored: size of the file's pixels.
        orientation: of its EXIF data, 1 to 8.
        stated: every size that annotations state; None in it: boxes without a stated size.

    >>> fitted((640, 480), 1, [(320, 240)])
    CheckedImage(wh_px=(640, 480), orientation=1, about_px=(320, 240), confirmed=True, other=None)
    >>> fitted((640, 480), 1, [(640, 640)])
    'is 640x480, the annotations say 640x640'
    """
    turned = shown_size(stored, orientation)
    about = list(dict.fromkeys(size or turned for size in stated)) or [turned]
    if len(about) > 1:
        return f"is stated as {' and as '.join(f'{w}x{h}' for w, h in about)}"
    size, is_known = about[0], any(stated)
    ways = ((turned, orientation), (stored, 1))
    one, other = (_shown(*way, size, is_known, turned != stored) for way in ways)
    for first, second in ((one, other), (other, one)):
        if same_shape(first.wh_px, size):
            return replace(first, other=second if turned != stored else None)
    return f"is {turned[0]}x{turned[1]}, the annotations say {size[0]}x{size[1]}"


def _shown(
    wh: Size, orientation: int, size: Size, is_known: bool, is_sideways: bool
) -> CheckedImage:
    about = size if same_shape(wh, size) else (size[1], size[0])
    return CheckedImage(wh, orientation, about, orientation == 1 or (is_known and is_sideways))


def same_shape(one: Size, other: Size) -> bool:
    """Whether two sizes have the same proportions, but for rounding both sides to whole pixels.

    >>> same_shape((1000, 667), (640, 427)), same_shape((640, 480), (640, 472))
    (True, False)
    """
    across, down = one[0] * other[1], one[1] * other[0]
    rounding = max(sum(one), sum(other))
    return abs(across - down) <= min(rounding, _SAME_SHAPE * max(across, down))


def turned_to_fit(check: CheckedImage, xywh_px: NDArray[Any]) -> tuple[CheckedImage, str]:
    """Return an image turned the other way, where only then its boxes are in it.

    Annotations may state the size of the stored image and hold boxes of the one that EXIF
    turns, and the other way round, or state none.

    Args:
        check: how the stated size says it is to be shown.
        xywh_px: ``(N, 4)`` finite boxes, in pixels of the stated size.

    Returns:
        How it is to be shown, and what a reader is to be told of that; "" for nothing.
    """
    if not len(xywh_px):
        return check, ""
    if check.other is not None:
        now, then = (boxes_misfit(xywh_px, each.about_px) for each in (check, check.other))
        if now and not then:
            return check.other, TURNED_TO_FIT
        if then and not now:
            return check, ""
    return check, "" if check.confirmed else TURNED_UNCONFIRMED


def overhang_px(xywh_px: NDArray[Any], wh_px: Size) -> NDArray[Any]:
    """(N,) how far boxes reach over the edge of an image at most; 0 where one is not a number."""
    beyond = np.concatenate(
        [-xywh_px[:, :2], xywh_px[:, :2] + xywh_px[:, 2:] - np.array(wh_px)], axis=1
    )
    return np.asarray(np.nan_to_num(beyond, nan=0.0).max(axis=1, initial=0.0))


def boxes_misfit(xywh_px: NDArray[Any], wh_px: Size) -> bool:
    """Whether a box reaches so far over the edge that it is of an image of another shape."""
    return bool((overhang_px(xywh_px, wh_px) > _OTHER_SHAPE * min(wh_px)).any())


def check_image(
    path: Path, stated: Collection[Size | None] = (), *, whole: bool = True
) -> CheckedImage | str:
    """Return how an image file is to be shown; what is wrong with it in words, where something is.

    Args:
        path: of the image.
        stated: sizes according to the annotations, as of :func:`fitted`.
        whole: decode it to its end; else only its header is read.
    """
    try:
        stored, orientation = stored_size(path)
    except Exception as error:
        # Whatever a decoder raises on damaged bytes: this image can't be used.
        return f"can't be decoded ({' '.join(str(error).split())[:80] or type(error).__name__})"
    if whole and (problem := damage(path.read_bytes())):
        return problem
    return fitted(stored, orientation, stated)


def check_images(
    pictures: Sequence[tuple[Path, Collection[Size | None]]],
) -> list[CheckedImage | str]:
    """:func:`check_image` for many, with a progress bar where it takes a while."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(lambda item: check_image(*item), pictures)
        quiet = len(pictures) < _MANY
        bar = tqdm(results, total=len(pictures), desc="images", unit="image", disable=quiet)
        return list(bar)
