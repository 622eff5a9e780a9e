# SPDX-License-Identifier: Apache-2.0
"""Write scenes as a labelled folder in COCO format, as most labelling tools export it.

The format: https://cocodataset.org/#format-data, object detection.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.whole_files import write_json, writing
from lfmvl_warehouse.scenes.scene import RenderedScene
from lfmvl_warehouse.scenes.vocabulary import KINDS

ANNOTATIONS = Path("annotations") / "instances.json"
"""Where the annotations are, from the folder."""


def write_labelled(
    directory: Path, scenes: Iterable[RenderedScene], *, kinds: tuple[str, ...] = KINDS
) -> int:
    """Write ``images/0000.png`` ... and ``annotations/instances.json``.

    A box is the tight box of an object's visible pixels; ``visibility`` is their share of the
    object, as ``lfmvl evaluate`` reads it. Objects that are completely hidden, and
    those of other kinds than ``kinds``, get none. Category ids start at 1, in the order of
    ``kinds``. Images are PNG, so that they hold the pixels that were rendered.

    Args:
        directory: to write to; must not exist, or be empty.
        scenes: consumed one at a time.
        kinds: categories of the folder.

    Returns:
        How many boxes were written.

    Raises:
        UserError: the folder holds something already, or can't be written.
    """
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    with writing(directory):
        if directory.exists() and any(directory.iterdir()):
            raise UserError(f"{directory} is not empty; name a new folder, or remove this one")
        for number, scene in enumerate(scenes):
            # Not before the first scene is there: a size that can't be rendered leaves no folder.
            (directory / "images").mkdir(parents=True, exist_ok=True)
            name = f"{number:04d}.png"
            _write_image(directory / "images" / name, scene.pixels)
            width, height = scene.wh
            images.append({"id": number, "file_name": name, "width": width, "height": height})
            for item in scene.objects:
                if item.kind in kinds and item.visibility > 0:
                    left, top, right, bottom = item.visible_xyxy_px.tolist()
                    bbox = [left, top, right - left, bottom - top]
                    annotations.append(
                        {
                            "id": len(annotations) + 1,
                            "image_id": number,
                            "category_id": kinds.index(item.kind) + 1,
                            "bbox": bbox,
                            "area": bbox[2] * bbox[3],
                            "iscrowd": 0,
                            "visibility": round(item.visibility, 4),
                        }
                    )
        categories = [{"id": kinds.index(kind) + 1, "name": kind} for kind in kinds]
        content = {"images": images, "annotations": annotations, "categories": categories}
        write_json(directory / ANNOTATIONS, content)
    return len(annotations)


def _write_image(path: Path, pixels: NDArray[Any]) -> None:
    encoded, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    assert encoded  # (H, W, 3) uint8 always can be
    path.write_bytes(data.tobytes())
