# SPDX-License-Identifier: Apache-2.0
"""Reads films with ids from a COCO file with ``videos``: COCO-VID, TAO, and what is made of others.

``images`` belong to a video (``video_id``) and have a number in it (``frame_id`` or
``frame_index``); ``annotations`` have a ``track_id`` or ``instance_id`` that stays with the object.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import MAX_DATA_BYTES, read_json_object
from lfmvl_ros.datasets.coco import names_of
from lfmvl_ros.datasets.coco_files import split_of
from lfmvl_ros.datasets.coco_listed import box_of, file_name_of, objects_of
from lfmvl_ros.datasets.films import FASTEST_HZ, FIRST_NS, FilmSequence, TrueBoxes
from lfmvl_ros.datasets.image_finder import ImageFinder, listed_names
from lfmvl_ros.datasets.spelling import id_key, is_set, plain_text
from lfmvl_ros.evaluate.occlusion import hidden_share

_PARTS = ("videos", "images", "annotations", "categories")
_IDS = ("track_id", "instance_id")
_NUMBERS = ("frame_id", "frame_index")
_RATES = ("fps", "frame_rate", "framerate")
_MOST_SIDES = 10.0  # of the image: what is larger is a slip of the pen
_MOST_MISSING = 0.5


@dataclass
class _Picture:
    """An image of a video, and what is on it."""

    path: Path
    number: float | None
    wh_px: tuple[int, int] | None
    unsure: Mapping[str, Any]
    ids: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    xywh_px: list[list[float]] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)


def is_coco_video(path: Path) -> bool:
    """Tell whether a path is a JSON file: a folder is a set of images, whatever its files hold."""
    return path.suffix.lower() == ".json" and not path.is_dir()


def read_coco_video(
    path: Path, rate_hz: float | None
) -> tuple[tuple[FilmSequence, ...], dict[str, int]]:
    """Return the videos of a file that have images, in its order, and what is left out, by reason.

    Args:
        path: of the JSON file.
        rate_hz: of the frame numbers, where a video does not state its own.

    Raises:
        UserError: it is no such file, most images are missing, an object comes twice in an image,
            or a rate is missing.
    """
    content = read_json_object(path, MAX_DATA_BYTES)
    lacking = [part for part in _PARTS if not isinstance(content.get(part), list)]
    if lacking or not content["videos"]:
        raise UserError(
            f"{path} is no film in COCO format (it needs lists {', '.join(_PARTS)}; "
            f"{', '.join(lacking) or 'videos'} is missing or empty). For images without ids, give "
            "their folder"
        )
    left_out: Counter[str] = Counter()
    labels = _labels(content["categories"], left_out)
    pictures, by_video = _pictures(path, content, left_out)
    _add_boxes(path, content["annotations"], pictures, labels, left_out)
    films = []
    for video in objects_of(content["videos"]):
        mine = by_video.get(id_key(video.get("id")), [])
        if not mine:
            left_out["videos without an image"] += 1
            continue
        films.append(_sequence(path, video, mine, labels, rate_hz))
    if not films:
        raise UserError(f"no image of {path} belongs to one of its videos (video_id)")
    return tuple(films), dict(left_out)


def _labels(categories: Sequence[Any], left_out: Counter[str]) -> dict[str, str]:
    found = {}
    for category in objects_of(list(categories)):
        name = plain_text(category.get("name", ""))
        try:
            found[id_key(category.get("id"))] = names_of(name)[0]
        except UserError:
            left_out[f"categories that can't be asked for, such as {quoted(name)}"] += 1
    return found


def _pictures(
    path: Path, content: Mapping[str, Any], left_out: Counter[str]
) -> tuple[dict[str, _Picture | None], dict[str, list[_Picture]]]:
    """Return the images by their id, None for those that can't be used, and those by video."""
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    images = list(objects_of(content["images"]))
    listed = listed_names([file_name_of(image) for image in images])
    finder = ImageFinder(root, path, split_of(Path(path.name)), listed)
    listed_videos = list(objects_of(content["videos"]))
    videos = {id_key(video.get("id")): video for video in listed_videos}
    if len(videos) < len(listed_videos):
        raise UserError(f"{path} lists two videos with one id; each needs an id of its own")
    by_id: dict[str, _Picture | None] = {}
    by_video: dict[str, list[_Picture]] = {}
    missing = 0
    for image in images:
        number, video = id_key(image.get("id")), id_key(image.get("video_id"))
        if number in by_id:
            raise UserError(f"{path} has image {number} twice; each image needs an id of its own")
        by_id[number] = None
        if video not in videos:
            left_out["images of no video"] += 1
            continue
        found = finder.find(file_name_of(image))
        if isinstance(found, str):
            left_out[found] += 1
            missing += 1
            continue
        unsure = {**videos[video], **image}
        picture = _Picture(found, _number(image), _size(image), unsure)
        by_id[number] = picture
        by_video.setdefault(video, []).append(picture)
    if missing > _MOST_MISSING * len(images):
        raise UserError(
            f"{missing} of {len(images)} images of {path} are missing; put them where its "
            f"file_name says, below {root}"
        )
    return by_id, by_video


def _number(image: Mapping[str, Any]) -> float | None:
    for key in _NUMBERS:
        try:
            number = float(image[key])
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(number) and abs(number) < 1e9:
            return number
    return None


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    try:
        wh = int(image["width"]), int(image["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return wh if min(wh) > 0 else None


def _add_boxes(
    path: Path, annotations: Sequence[Any], pictures: Mapping[str, _Picture | None],
    labels: Mapping[str, str], left_out: Counter[str],
) -> None:  # fmt: skip
    """Put the boxes into their images; a crowd becomes an object of which nothing is visible."""
    for box in objects_of(list(annotations)):
        image, label = id_key(box.get("image_id")), labels.get(id_key(box.get("category_id")))
        picture = pictures.get(image)
        identity = next((id_key(box[key]) for key in _IDS if box.get(key) is not None), "")
        crowd = is_set(box.get("iscrowd"))
        xywh = box_of(box)[0]
        if image not in pictures:
            left_out["boxes of an image that is not listed"] += 1
        elif picture is None:
            left_out["boxes of unusable images"] += 1
        elif label is None:
            left_out["boxes of a category that is not listed or can't be asked for"] += 1
        elif xywh is None or not all(map(math.isfinite, xywh)) or min(xywh[2:]) <= 0:
            left_out["empty boxes"] += 1
        elif not _is_in_image(xywh, picture.wh_px):
            left_out["boxes outside their image, or far larger"] += 1
        elif not identity and not crowd:
            left_out[f"boxes without {' or '.join(_IDS)}"] += 1
        else:
            identity = f"crowd {len(picture.ids)}" if crowd else identity
            if identity in picture.ids:
                raise UserError(
                    f"{path} has object {identity} twice in image {image}; each object of an image "
                    "needs an id of its own"
                )
            hidden = 1.0 if crowd else hidden_share(box)
            picture.ids.append(identity)
            picture.kinds.append(label)
            picture.xywh_px.append(xywh)
            picture.visible.append(1.0 if math.isnan(hidden) else 1 - hidden)


def _is_in_image(xywh: Sequence[float], wh_px: tuple[int, int] | None) -> bool:
    """Return whether a part of a box is in its image, and its sides are of the image's order."""
    if wh_px is None:  # not stated
        return True
    x, y, width, height = xywh
    inside = x < wh_px[0] and y < wh_px[1] and x + width > 0 and y + height > 0
    return inside and width <= _MOST_SIDES * wh_px[0] and height <= _MOST_SIDES * wh_px[1]


def _sequence(
    path: Path, video: Mapping[str, Any], pictures: list[_Picture], labels: Mapping[str, str],
    rate_hz: float | None,
) -> FilmSequence:  # fmt: skip
    name = str(video.get("name") or video.get("file_name") or video.get("id"))
    rate = next((found for key in _RATES if (found := _rate(video.get(key)))), rate_hz)
    if rate is None:
        raise UserError(
            f"video {quoted(name)} of {path} has no {' or '.join(_RATES)}; give the rate of its "
            "frame numbers with --fps"
        )
    numbered = [picture.number for picture in pictures]
    numbers = [float(i) for i in range(len(pictures))]
    if None in numbered and any(number is not None for number in numbered):
        raise UserError(
            f"video {quoted(name)} of {path} has images with a number ({' or '.join(_NUMBERS)}) "
            "and others without one that can be used; give all of them, or none"
        )
    if None not in numbered:
        pictures = sorted(pictures, key=lambda picture: picture.number or 0.0)
        numbers = [picture.number or 0.0 for picture in pictures]
        if len(set(numbers)) < len(numbers):
            raise UserError(
                f"video {quoted(name)} of {path} has two images of one number "
                f"({' or '.join(_NUMBERS)}); each needs its own"
            )
    there = {kind for picture in pictures for kind in picture.kinds}
    return FilmSequence(
        name,
        tuple(picture.path for picture in pictures),
        tuple(FIRST_NS + round((number - numbers[0]) * 1e9 / rate) for number in numbers),
        {index: _truth(picture, labels, there) for index, picture in enumerate(pictures)},
        tuple(picture.wh_px for picture in pictures),
    )


def _rate(value: object) -> float | None:
    try:
        rate = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return rate if 0 < rate <= FASTEST_HZ else None


def _truth(picture: _Picture, labels: Mapping[str, str], there: set[str]) -> TrueBoxes:
    xywh = np.array(picture.xywh_px, np.float64).reshape(-1, 4)
    xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    return TrueBoxes(tuple(picture.ids), tuple(picture.kinds), xyxy, np.array(picture.visible),
                     _unsure(picture.unsure, labels, there))  # fmt: skip


def _unsure(
    holder: Mapping[str, Any], labels: Mapping[str, str], there: set[str]
) -> frozenset[str]:
    """Return the labels of which more may be there: TAO says, as LVIS, what was looked for."""
    if "neg_category_ids" not in holder:
        return frozenset()

    def named(key: str) -> set[str]:
        ids = holder.get(key)
        keys = map(id_key, ids if isinstance(ids, list) else [])
        return {labels[each] for each in keys if each in labels}

    known = (there | named("neg_category_ids")) - named("not_exhaustive_category_ids")
    return frozenset(set(labels.values()) - known)
