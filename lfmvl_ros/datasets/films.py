# SPDX-License-Identifier: Apache-2.0
"""The truth about a film: boxes with ids in each image; reads folders of MOTChallenge.

The format: https://motchallenge.net/instructions, as MOT15 to MOT20 have it.
"""

from __future__ import annotations

import configparser
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_folder import images_in
from lfmvl_ros.core.user_files import is_inside, read_text

_PERSON = 1  # the class of MOTChallenge that counts
FASTEST_HZ = 1000.0
FIRST_NS = 10**9
"""Stamp of a film's first image."""
_LARGEST_FILE = 256 << 20
_NEEDS = "it needs [Sequence] with frameRate, and imDir where the images are not in img1"


@dataclass(frozen=True, eq=False)
class TrueBoxes:
    """The N objects that are in one image.

    Attributes:
        ids: N texts, the same for an object in all images of a film.
        labels: N labels.
        xyxy_px: ``(N, 4)``.
        visible: ``(N,)`` visible share, 0 to 1; 1 where nothing is known.
        unsure: labels of which there may be more objects: a track of one counts only if it is on an
            object.

    Raises:
        ValueError: lengths differ, an id comes twice, or a box is not finite.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    xyxy_px: FloatArray
    visible: FloatArray
    unsure: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        n = len(self.ids)
        if len(self.labels) != n or self.xyxy_px.shape != (n, 4) or self.visible.shape != (n,):
            raise ValueError(f"labels, boxes and visible shares must be {n}, as the ids")
        if len(set(self.ids)) != n:
            raise ValueError("an id comes twice in one image")
        if not (np.isfinite(self.xyxy_px).all() and np.isfinite(self.visible).all()):
            raise ValueError("boxes and visible shares must be finite")


@dataclass(frozen=True, eq=False)
class FilmSequence:
    """The images of a film, and what is on them.

    Attributes:
        name: of the film.
        images: files, in the order of their frames.
        stamps_ns: of these images, ascending from :data:`FIRST_NS`.
        truth: by the index of the image, from 0; images without an object have an empty entry.
        wh_px: for each image the size that its boxes are about; None: its own.
        left_out: how many of what is annotated could not be used, by reason.
    """

    name: str
    images: tuple[Path, ...]
    stamps_ns: tuple[int, ...]
    truth: Mapping[int, TrueBoxes]
    wh_px: tuple[tuple[int, int] | None, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


def is_mot_folder(path: Path) -> bool:
    """Tell whether a path is a folder with ``gt/gt.txt``."""
    return (path / "gt" / "gt.txt").is_file()


def read_mot_folder(path: Path) -> FilmSequence:
    """Read ``gt/gt.txt``, ``seqinfo.ini`` and the names of the images, from frame 1 on.

    Boxes of other classes than persons, those that the file takes out (confidence 0), and those of
    images that are not there are left out and counted.

    Raises:
        UserError: something is missing, or a line can't be read.
    """
    info = configparser.ConfigParser(interpolation=None)
    try:
        info.read_string(read_text(path / "seqinfo.ini"))
        section = info["Sequence"]
        rate_hz = float(section["frameRate"])
        images = _images(path, section.get("imDir", "img1"))
        if not 0 < rate_hz <= FASTEST_HZ:
            raise ValueError(f"frameRate={rate_hz:g}")
    except UserError as error:
        raise UserError(f"{error}; {_NEEDS}") from error
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        why = " ".join(str(error).split())
        raise UserError(f"{path}/seqinfo.ini can't be used ({why}); {_NEEDS}") from error
    if not images:
        raise UserError(f"{path} has no images in the folder that seqinfo.ini names")
    stamps_ns = tuple(FIRST_NS + round(index * 1e9 / rate_hz) for index in range(len(images)))
    left_out: Counter[str] = Counter()
    truth = _truth(path / "gt" / "gt.txt", images, left_out)
    return FilmSequence(path.resolve().name, images, stamps_ns, truth, left_out=dict(left_out))


def _images(path: Path, folder: str) -> tuple[Path, ...]:
    place = path / folder
    if not is_inside(place, path) or not place.is_dir():
        raise ValueError(f"imDir={folder} is no folder in it")
    return tuple(images_in(place))


def _truth(path: Path, images: tuple[Path, ...], left_out: Counter[str]) -> dict[int, TrueBoxes]:
    rows: dict[int, dict[str, tuple[list[float], float]]] = {i: {} for i in range(len(images))}
    for number, line in enumerate(read_text(path, _LARGEST_FILE, replace=True).splitlines(), 1):
        if not line.strip():
            continue
        try:
            frame, identity, x, y, width, height, counts, *more = map(float, line.split(","))
            box = [x, y, x + width, y + height]
            if not all(map(math.isfinite, box)) or int(frame) != frame or int(identity) != identity:
                raise ValueError
            kind = more[0] if len(more) > 1 and more[0] > 0 else float(_PERSON)
            visible = more[1] if len(more) > 1 and 0 <= more[1] <= 1 else 1.0
        except (ValueError, OverflowError):
            raise UserError(
                f"line {number} of {path} can't be read; each is frame, id, left, top, width, "
                "height, confidence, class, visibility"
            ) from None
        known = rows.get(int(frame) - 1)
        if reason := _unused(known is not None, counts, kind, min(width, height)):
            left_out[reason] += 1
            continue
        assert known is not None
        if str(int(identity)) in known:
            raise UserError(
                f"line {number} of {path} has object {int(identity)} in image {int(frame)} again; "
                "each object of an image needs an id of its own"
            )
        known[str(int(identity))] = (box, visible)
    return {
        index: TrueBoxes(
            tuple(found), ("person",) * len(found),
            np.array([box for box, _ in found.values()], np.float64).reshape(-1, 4),
            np.array([visible for _, visible in found.values()], np.float64),
        )
        for index, found in rows.items()
    }  # fmt: skip


def _unused(has_image: bool, counts: float, kind: float, size_px: float) -> str:
    """Return why a row is left out; "" where it is used."""
    if counts == 0:
        return "rows that the file takes out (confidence 0)"
    if kind != _PERSON:
        return "rows of another class than 1 (person)"
    if size_px <= 0:
        return "empty boxes"
    return "" if has_image else "rows of images that are not there"
