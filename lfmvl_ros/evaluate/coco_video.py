# SPDX-License-Identifier: Apache-2.0
"""Reads video sequences with ids from a COCO file with ``videos``, such as COCO-VID and TAO.

``images`` belong to a video (``video_id``) and have a number in it (``frame_id`` or
``frame_index``); ``annotations`` have a ``track_id`` or ``instance_id`` that stays with the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted, shown_value
from lfmvl_ros.core.user_files import MAX_DATA_BYTES, read_json_object
from lfmvl_ros.datasets.coco_ids import objects_of
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
)
from lfmvl_ros.datasets.image_sizes import RESIZED, CheckedImage, Size, turned_to_fit
from lfmvl_ros.evaluate.coco_video_images import (
    NUMBERS,
    PARTS,
    VideoImage,
    VideoReader,
    name_of,
)

_RATES = ("fps", "frame_rate", "framerate")
_OWN_RATE = "videos at the rate that the file gives them, not at --fps"
_NO_RATE = "videos at --fps: the rate that the file gives them can't be used"
_MOST_SIDES = 10.0  # of the image: what is larger is a slip of the pen


def is_coco_video(path: Path) -> bool:
    """Tell whether a path is a JSON file: a folder is a set of images, whatever its files hold."""
    return path.suffix.lower() == ".json" and not path.is_dir()


def read_coco_video(path: Path, rate_hz: float | None) -> ReadFilms:
    """Return the videos of a file that have images, in its order.

    Args:
        path: of the JSON file.
        rate_hz: of the frame numbers, where a video does not state its own.

    Raises:
        UserError: it is not such a file, most images are missing, an image has another aspect ratio
            than the stated one, an id stands for two things, or a rate is missing.
    """
    content = read_json_object(path, MAX_DATA_BYTES, once=True)
    lacking = [part for part in PARTS if not isinstance(content.get(part), list)]
    if lacking or not content["videos"]:
        raise UserError(
            f"{path} is no film in COCO format (it needs lists {', '.join(PARTS)}; "
            f"{', '.join(lacking) or 'videos'} is missing or empty). For images without ids, give "
            "their folder"
        )
    reader = VideoReader(path, content)
    reader.read_images()
    for annotation in objects_of(content["annotations"]):
        reader.add_box(annotation)
    films = []
    for number, video in reader.videos.items():
        mine = reader.by_video.get(number, [])
        if mine:
            films.append(_sequence(reader, video, mine, rate_hz))
        else:
            reader.left_out.add("videos without an image", name_of(video))
    if not films:
        raise UserError(f"no image of {path} belongs to one of its videos (video_id)")
    return ReadFilms(tuple(films), reader.left_out, reader.changed)


def _sequence(
    reader: VideoReader, video: Mapping[str, Any], pictures: list[VideoImage], rate_hz: float | None
) -> FilmSequence:
    name = name_of(video)
    rate = _rate(reader, video, rate_hz)
    pictures, numbers = _in_order(reader.path, name, pictures)
    stamps_ns = stamps_of(numbers, rate, f"video {quoted(name)} of {reader.path}")
    there = frozenset(box.label for picture in pictures for box in picture.boxes.values())
    labels = reader.labels()
    checks = fitted_images(reader.path, [(each.path, each.stated) for each in pictures])
    shown, truth = [], {}
    for index, (picture, check) in enumerate(zip(pictures, checks, strict=True)):
        unsure = _unsure(picture, labels, there)
        upright, truth[index] = _truth(reader, picture, check, unsure)
        shown.append(upright)
    files = tuple(picture.path for picture in pictures)
    return FilmSequence(name, files, stamps_ns, truth, tuple(shown))


def _rate(reader: VideoReader, video: Mapping[str, Any], given_hz: float | None) -> float:
    """Return the rate of a video: its own, else the one that is given."""
    written = {key: video[key] for key in _RATES if video.get(key) is not None}
    own = next((rate for value in written.values() if (rate := frame_rate(value))), None)
    found = ", ".join(f"{key} {shown_value(value, 40)}" for key, value in written.items())
    name = quoted(name_of(video))
    if own is not None:
        if given_hz not in (None, own):
            reader.changed.add(_OWN_RATE, f"{name} at {own:g}")
        return own
    if given_hz is None:
        why = f"({found}; " if found else "("
        raise UserError(
            f"video {name} of {reader.path} has no {' or '.join(_RATES)} that can be used {why}"
            f"{SLOWEST_HZ:g} to {FASTEST_HZ:g} are taken); give the rate of its frame numbers with "
            "--fps"
        )
    if found:
        reader.changed.add(_NO_RATE, f"{name}: {found}")
    return given_hz


def _in_order(
    path: Path, name: str, pictures: list[VideoImage]
) -> tuple[list[VideoImage], list[float]]:
    """Return the images in the order of their numbers, and these numbers."""
    numbered = [picture.number for picture in pictures]
    if None in numbered and any(number is not None for number in numbered):
        raise UserError(
            f"video {quoted(name)} of {path} has images with a number ({' or '.join(NUMBERS)}) "
            "and others without one that can be used; give all of them, or none"
        )
    if None in numbered:
        return pictures, [float(i) for i in range(len(pictures))]
    pictures = sorted(pictures, key=lambda picture: picture.number or 0.0)
    numbers = [picture.number or 0.0 for picture in pictures]
    if len(set(numbers)) < len(numbers):
        raise UserError(
            f"video {quoted(name)} of {path} has two images of one number "
            f"({' or '.join(NUMBERS)}); each needs its own"
        )
    return pictures, numbers


def _truth(
    reader: VideoReader, picture: VideoImage, check: CheckedImage, unsure: frozenset[str]
) -> tuple[CheckedImage, TrueBoxes]:
    """Return how an image is to be shown, and what is on it."""
    boxes = list(picture.boxes.values())
    xywh_px = np.array([box.xywh_px for box in boxes], np.float64).reshape(-1, 4)
    check, note = turned_to_fit(check, xywh_px)
    reader.changed.add(note, picture.path.name, int(bool(note)))
    reader.changed.add(RESIZED, picture.path.name, int(check.is_resized and bool(boxes)))
    usable = [_is_usable(box.xywh_px, check.about_px) for box in boxes]
    reader.left_out.add(
        "boxes outside their image, or far larger", picture.path.name, usable.count(False)
    )
    kept = [box for box, is_kept in zip(boxes, usable, strict=True) if is_kept]
    return check, TrueBoxes(
        tuple(box.identity for box in kept), tuple(box.label for box in kept),
        scaled_xyxy(xywh_px[usable], check), np.array([box.visible for box in kept]), unsure,
    )  # fmt: skip


def _is_usable(xywh_px: Sequence[float], wh_px: Size) -> bool:
    """Return whether a part of a box is in its image, and its sides are of the image's order."""
    width, height = xywh_px[2:]
    is_small = width <= _MOST_SIDES * wh_px[0] and height <= _MOST_SIDES * wh_px[1]
    return is_small and is_in_image(xywh_px, wh_px)


def _unsure(picture: VideoImage, labels: frozenset[str], there: frozenset[str]) -> frozenset[str]:
    """Return the labels of which there may be more objects in an image."""
    known = picture.looked_for
    return frozenset() if known is None else labels - ((there | known.absent) - known.unfinished)
