# SPDX-License-Identifier: Apache-2.0
"""Writes folders in COCO format from rendered scenes, for tests."""

import json

import cv2
import numpy as np

from lfmvl_warehouse.scenes import EASY, render_still
from lfmvl_warehouse.scenes.labelled import ANNOTATIONS, write_labelled


def scene_folder(directory, count=12, wh_px=(160, 120), kinds=("tote", "person", "forklift")):
    """``images/0000.png`` ... and ``annotations/instances.json`` of ``count`` rendered stills."""
    scenes = (
        render_still(np.random.default_rng([7, index]), wh=wh_px, options=EASY)
        for index in range(count)
    )
    write_labelled(directory, scenes, kinds=kinds)
    return json.loads((directory / ANNOTATIONS).read_text(encoding="utf-8"))


def plain_folder(directory, count=4, wh_px=(40, 30), where="annotations.json", images=""):
    """Images with one box each, a quarter as wide and a third as high, of category ``bin``."""
    (directory / images).mkdir(parents=True, exist_ok=True)
    content = {"images": [], "annotations": [], "categories": [{"id": 3, "name": "bin"}]}
    for index in range(count):
        picture(directory / images / f"{index}.png", wh_px)
        content["images"].append(
            {"id": index, "file_name": f"{index}.png", "width": wh_px[0], "height": wh_px[1]}
        )
        add_box(content, index, 3, [wh_px[0] / 8, wh_px[1] / 3, wh_px[0] / 4, wh_px[1] / 3])
    save(directory / where, content)
    return content


def picture(path, wh_px=(40, 30)):
    """An image whose left upper quarter is white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((wh_px[1], wh_px[0], 3), 90, np.uint8)
    pixels[: wh_px[1] // 2, : wh_px[0] // 2] = 255
    assert cv2.imwrite(str(path), pixels)


def add_box(content, image, category, bbox, **more):
    number = len(content["annotations"])
    box = {"id": number, "image_id": image, "category_id": category, "bbox": bbox, **more}
    content["annotations"].append(box)


def save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
