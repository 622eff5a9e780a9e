# SPDX-License-Identifier: Apache-2.0
"""The images of a COCO file of videos, and what is annotated on them, before sizes are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.datasets.annotated_box import OF_MASKS, annotated_box
from lfmvl_ros.datasets.coco_files import split_of
from lfmvl_ros.datasets.coco_ids import (
    ImageIds,
    Names,
    categories_by_id,
    count_others,
    listed_categories,
    objects_of,
    reference_problem,
)
from lfmvl_ros.datasets.coco_listed import (
    NOT_LOOKED_FOR,
    SIZE_UNREADABLE,
    UNFINISHED,
    file_name_of,
    stated_size,
)
from lfmvl_ros.datasets.image_finder import ImageFinder, listed_names
from lfmvl_ros.datasets.image_sizes import Size
from lfmvl_ros.datasets.left_out import LeftOut
from lfmvl_ros.datasets.occlusion import hidden_share
from lfmvl_ros.datasets.spelling import id_key, is_set

PARTS = ("videos", "images", "annotations", "categories")
NUMBERS = ("frame_id", "frame_index")
_IDS = ("track_id", "instance_id")
_MOST_MISSING = 0.5


@dataclass(frozen=True)
class LookedFor:
    """What was looked for in an image, besides what is on it; TAO says it as LVIS does.

    Attributes:
        absent: labels that were looked for and are not there.
        unfinished: labels of which not every object has its box.
    """

    absent: frozenset[str]
    unfinished: frozenset[str]


@dataclass(frozen=True)
class VideoBox:
    """A box of an image: of which object, left, top, width, height, visible share 0 to 1."""

    identity: str
    label: str
    xywh_px: tuple[float, float, float, float]
    visible: float


@dataclass
class VideoImage:
    """An image of a video, and what is on it.

    Attributes:
        path: of the file.
        number: of the frame; None if no usable one is stated.
        stated: every size that annotations state for it; None in it: boxes without a stated size.
        looked_for: None: everything was.
        boxes: by the identity of their object.
    """

    path: Path
    number: float | None
    stated: dict[Size | None, None]
    looked_for: LookedFor | None
    boxes: dict[str, VideoBox] = field(default_factory=dict)


class VideoReader:
    """Puts the lists of a file together, counting what can't be used.

    Raises:
        UserError: an id stands for two videos or two categories.
    """

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self.path, self._content = path, content
        self.left_out, self.changed = LeftOut(), LeftOut()
        count_others(content, PARTS, self.left_out)
        self.categories: dict[str, Names | None] = categories_by_id(
            path, content["categories"], self.left_out
        )
        self.videos: dict[str, dict[str, Any]] = {}
        for video in objects_of(content["videos"]):
            number = id_key(video.get("id"))
            if not number:
                self.left_out.add("videos without an id", name_of(video))
            elif number in self.videos:
                raise UserError(
                    f"{path} lists two videos with one id, {number}: "
                    f"{quoted(name_of(self.videos[number]))} and {quoted(name_of(video))}; each "
                    "needs an id of its own"
                )
            else:
                self.videos[number] = video
        self.by_id: dict[str, VideoImage | None] = {}
        self.by_video: dict[str, list[VideoImage]] = {}

    def read_images(self) -> None:
        """Find the images; None in ``by_id`` for those that can't be used.

        Raises:
            UserError: most are missing, or an id stands for two.
        """
        root = self.path.parent
        root = root.parent if root.name == "annotations" else root
        images = objects_of(self._content["images"])
        listed = listed_names([file_name_of(image) for image in images])
        finder = ImageFinder(root, self.path, split_of(Path(self.path.name)), listed)
        ids, missing = ImageIds(self.path), 0
        for image in images:
            number, file_name = id_key(image.get("id")), file_name_of(image)
            if not number:
                self.left_out.add("images without an id", file_name)
                continue
            if ids.is_again(number, file_name):
                self.left_out.add("images listed twice", file_name)
                continue
            self.by_id[number] = None
            video = id_key(image.get("video_id"))
            if video not in self.videos:
                self.left_out.add("images of no video", file_name)
                continue
            found = finder.find(file_name)
            if isinstance(found, str):
                self.left_out.add(found, file_name)
                missing += 1
                continue
            picture = self.by_id[number] = self._picture(image, found, self.videos[video])
            self.by_video.setdefault(video, []).append(picture)
        if missing > _MOST_MISSING * len(images):
            raise UserError(
                f"{missing} of {len(images)} images of {self.path} are missing; put them where its "
                f"file_name says, below {root}"
            )

    def _picture(self, image: dict[str, Any], path: Path, video: dict[str, Any]) -> VideoImage:
        stated, can_be_read = stated_size(image)
        if not can_be_read:
            self.changed.add(SIZE_UNREADABLE, path.name)
        looked_for = self._looked_for({**video, **image})
        return VideoImage(path, _number(image), {stated: None}, looked_for)

    def _looked_for(self, holder: Mapping[str, Any]) -> LookedFor | None:
        if NOT_LOOKED_FOR not in holder:
            return None
        absent, unfinished = (
            self._labels(listed_categories(holder, key, self.categories, self.left_out))
            for key in (NOT_LOOKED_FOR, UNFINISHED)
        )
        return LookedFor(absent, unfinished)

    def _labels(self, numbers: set[str]) -> frozenset[str]:
        found = (self.categories[number] for number in numbers)
        return frozenset(names[0] for names in found if names is not None)

    def labels(self) -> frozenset[str]:
        """Return every label of the file."""
        return self._labels(set(self.categories))

    def add_box(self, annotation: dict[str, Any]) -> None:
        """Put a box into its image; a crowd becomes an object of which nothing is visible.

        Raises:
            UserError: its object is in the image twice.
        """
        box = annotated_box(annotation)
        problem = reference_problem(annotation, self.by_id, self.categories) or box.problem
        number = id_key(annotation.get("image_id"))
        picture = self.by_id.get(number)
        names = self.categories.get(id_key(annotation.get("category_id")))
        identity = next((key for each in _IDS if (key := id_key(annotation.get(each)))), "")
        crowd = is_set(annotation.get("iscrowd"))
        if not problem and not identity and not crowd:
            problem = f"boxes without {' or '.join(_IDS)}"
        if problem or picture is None or names is None:
            self.left_out.add(problem, "" if picture is None else picture.path.name)
            return
        identity = f"crowd {len(picture.boxes)}" if crowd else identity
        if identity in picture.boxes:
            raise UserError(
                f"{self.path} has object {identity} twice in image {number}; each object of an "
                "image needs an id of its own"
            )
        self.changed.add(OF_MASKS, picture.path.name, int(box.of_mask))
        if box.mask_wh is not None:
            picture.stated.setdefault(box.mask_wh)
        hidden = 1.0 if crowd else hidden_share(annotation)
        visible = 1.0 if math.isnan(hidden) else 1 - hidden
        picture.boxes[identity] = VideoBox(identity, names[0], box.xywh_px, visible)


def name_of(video: Mapping[str, Any]) -> str:
    """Return what a video is called: its name, file or id."""
    return str(video.get("name") or video.get("file_name") or video.get("id"))


def _number(image: Mapping[str, Any]) -> float | None:
    for key in NUMBERS:
        try:
            value = float(image[key]) if isinstance(image.get(key), str) else image.get(key)
        except ValueError:
            continue
        if is_number(value, most=1e9):
            return float(value)
    return None
