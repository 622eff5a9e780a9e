# SPDX-License-Identifier: Apache-2.0
"""Reads folders of MOTChallenge: ``gt/gt.txt``, ``seqinfo.ini`` and images.

The format: https://motchallenge.net/instructions, as MOT15 to MOT20 have it.
"""

from __future__ import annotations

import configparser
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_folder import images_in
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import is_inside, read_text
from lfmvl_ros.datasets.annotated_box import EMPTY, NEGATIVE
from lfmvl_ros.datasets.coco_listed import SIZE_UNREADABLE, stated_size
from lfmvl_ros.datasets.films import (
    FASTEST_HZ,
    SLOWEST_HZ,
    FilmSequence,
    ReadFilms,
    TrueBoxes,
    fitted_images,
    frame_rate,
    is_in_image,
    scaled_xyxy,
    stamps_of,
    whole,
)
from lfmvl_ros.datasets.image_sizes import RESIZED, CheckedImage
from lfmvl_ros.datasets.left_out import LeftOut

_PERSON = 1  # the class of MOTChallenge that counts
_LARGEST_FILE = 256 << 20
_LONGEST_NUMBER = 9  # digits of a file's name that may be its frame
_NEEDS = "it needs [Sequence] with frameRate, and imDir where the images are not in img1"
_IN_ORDER = "images taken as frames 1, 2, … in order: their names are other numbers"
_BY_NAME = "images taken as the frame that their name is: the names do not count 1, 2, …"


@dataclass(frozen=True)
class _Row:
    """A line of ``gt.txt``; ``reason``: why it is left out, "" where it is not."""

    line: int
    frame: int
    identity: int
    xywh_px: tuple[float, ...]
    visible: float
    reason: str


def is_mot_folder(path: Path) -> bool:
    """Tell whether a path is a folder with ``gt/gt.txt``."""
    return (path / "gt" / "gt.txt").is_file()


def read_mot_folder(path: Path) -> ReadFilms:
    """Read ``gt/gt.txt``, ``seqinfo.ini`` and the images' names and sizes, from frame 1 on.

    Boxes of other classes than persons, those that the file takes out (confidence 0), and those of
    images that are not there are left out and counted.

    Raises:
        UserError: something is missing, a line can't be read, or an image has another shape than
            ``imWidth`` and ``imHeight`` say.
    """
    section, rate_hz, images = _sequence_info(path)
    left_out, changed = LeftOut(), LeftOut()
    stated, can_be_read = stated_size(
        {"width": section.get("imWidth"), "height": section.get("imHeight")}
    )
    changed.add(SIZE_UNREADABLE, f"{path}/seqinfo.ini", int(not can_be_read) * len(images))
    _compare_length(section.get("seqLength"), len(images), left_out, changed)
    shown = fitted_images(path, [(image, [stated]) for image in images])
    resized = sum(each.is_resized for each in shown)
    changed.add(RESIZED, str(images[0]), resized)
    rows = _rows(path / "gt" / "gt.txt")
    numbers = _frame_numbers(images, rows, changed)
    truth = _truth(path, rows, numbers, shown, left_out)
    name = path.resolve().name
    film = FilmSequence(name, images, stamps_of(numbers, rate_hz, name), truth, shown)
    return ReadFilms((film,), left_out, changed)


def _sequence_info(path: Path) -> tuple[configparser.SectionProxy, float, tuple[Path, ...]]:
    info = configparser.ConfigParser(interpolation=None)
    try:
        info.read_string(read_text(path / "seqinfo.ini"))
        section = info["Sequence"]
        written = section["frameRate"]
        rate_hz = frame_rate(written)
        if rate_hz is None:
            raise ValueError(f"frameRate={written[:40]} is none from {SLOWEST_HZ:g} to "
                             f"{FASTEST_HZ:g}")  # fmt: skip
        images = _images(path, section.get("imDir", "img1"))
    except UserError as error:
        raise UserError(f"{error}; {_NEEDS}") from error
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        why = " ".join(str(error).split())
        raise UserError(f"{path}/seqinfo.ini can't be used ({why}); {_NEEDS}") from error
    if not images:
        raise UserError(f"{path} has no images in the folder that seqinfo.ini names")
    return section, rate_hz, images


def _images(path: Path, folder: str) -> tuple[Path, ...]:
    place = path / folder
    if not is_inside(place, path) or not place.is_dir():
        raise ValueError(f"imDir={folder} is no folder in it")
    return tuple(images_in(place))


def _compare_length(written: str | None, count: int, left_out: LeftOut, changed: LeftOut) -> None:
    """Count what ``seqLength`` announces, and is not there; and the other way round."""
    if written is None or not written.strip().isdecimal():
        return
    length = int(written)
    left_out.add("images of seqLength that are not there", count=length - count)
    changed.add("images beyond seqLength, taken as without objects", count=count - length)


def _rows(path: Path) -> list[_Row]:
    rows = []
    for number, line in enumerate(read_text(path, _LARGEST_FILE, replace=True).splitlines(), 1):
        if not line.strip():
            continue
        try:
            frame, identity, x, y, width, height, counts, *more = map(float, line.split(","))
            if not all(map(math.isfinite, (x, y, width, height))):
                raise ValueError
            if not whole(frame) or not whole(identity):
                raise ValueError
        except (ValueError, OverflowError):
            raise UserError(
                f"line {number} of {path} can't be read ({quoted(line, 60)}); each is frame, id, "
                "left, top, width, height, confidence, class, visibility"
            ) from None
        kind = more[0] if len(more) > 1 and more[0] > 0 else float(_PERSON)
        visible = more[1] if len(more) > 1 and 0 <= more[1] <= 1 else 1.0
        reason = _unused(counts, kind, min(width, height))
        box = (x, y, width, height)
        rows.append(_Row(number, int(frame), int(identity), box, visible, reason))
    return rows


def _unused(counts: float, kind: float, size_px: float) -> str:
    """Return why a row is left out; "" where it is used."""
    if counts == 0:
        return "rows that the file takes out (confidence 0)"
    if kind != _PERSON:
        return "rows of another class than 1 (person)"
    return "" if size_px > 0 else NEGATIVE if size_px < 0 else EMPTY


def _frame_numbers(images: Sequence[Path], rows: Sequence[_Row], changed: LeftOut) -> list[int]:
    """Return the frame of each image: 1, 2, … unless their names are numbers that fit better."""
    in_order = list(range(1, len(images) + 1))
    stems = [image.stem for image in images]
    if not all(stem.isdecimal() and len(stem) <= _LONGEST_NUMBER for stem in stems):
        return in_order
    by_name = [int(stem) for stem in stems]
    if by_name == in_order or len(set(by_name)) < len(by_name):
        return in_order
    frames = {row.frame for row in rows if not row.reason}
    if len(frames - set(by_name)) <= len(frames - set(in_order)):
        changed.add(_BY_NAME, images[0].name, len(images))
        return by_name
    changed.add(_IN_ORDER, images[0].name, len(images))
    return in_order


def _truth(
    path: Path, rows: Sequence[_Row], numbers: Sequence[int], shown: Sequence[CheckedImage],
    left_out: LeftOut,
) -> dict[int, TrueBoxes]:  # fmt: skip
    index_of = {number: index for index, number in enumerate(numbers)}
    known: dict[int, dict[str, _Row]] = {index: {} for index in range(len(numbers))}
    for row in rows:
        index = index_of.get(row.frame)
        reason = row.reason or ("rows of images that are not there" if index is None else "")
        if reason or index is None:
            left_out.add(reason, f"line {row.line}")
        elif not is_in_image(row.xywh_px, shown[index].about_px):
            left_out.add("boxes outside their image", f"line {row.line}")
        elif str(row.identity) in known[index]:
            raise UserError(
                f"line {row.line} of {path / 'gt' / 'gt.txt'} has object {row.identity} in image "
                f"{row.frame} again; each object of an image needs an id of its own"
            )
        else:
            known[index][str(row.identity)] = row
    return {
        index: TrueBoxes(
            tuple(found), ("person",) * len(found),
            scaled_xyxy(np.array([row.xywh_px for row in found.values()], np.float64)
                        .reshape(-1, 4), shown[index]),
            np.array([row.visible for row in found.values()], np.float64),
        )
        for index, found in known.items()
    }  # fmt: skip
