# SPDX-License-Identifier: Apache-2.0
"""Whole files of every kind that a command reads, small ones: what the benchmark then damages."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from faults_runs import (
    write_demo,
    write_encrypted,
    write_fine_tuning,
    write_memory,
    write_training,
)
from numpy.typing import NDArray

WH = (96, 64)
TEXT = json.dumps([{"label": "red tote", "bbox": [0.25, 0.25, 0.5, 0.75]}])
_BEGIN_NS = 1_700_000_000 * 10**9
_RULES = """
zones:
  dock:
    image: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
  floor:
    frame: map
    metres: [[0, 0], [4, 0], [4, 3], [0, 3]]
rules:
  person_in_dock:
    when: enter
    label: person
    zone: dock
    where: existence > 0.5 and label =~ "per.*"
  too_many:
    when: count
    label: [red tote, blue tote]
    zone: dock
    above: 2
    for_s: 1.5
  fast:
    when: speed
    label: forklift
    above_m_s: 1.5
    review: true
"""


def pixels(number: int = 0) -> NDArray[np.uint8]:
    """A textured image, RGB ``(64, 96, 3)``, with a bright square that moves."""
    image = np.random.default_rng(5).integers(40, 90, (WH[1], WH[0], 3), dtype=np.uint8)
    image[20:44, 10 + 2 * number : 40 + 2 * number] = (220, 40, 30)
    return image


def write_recording(path: Path) -> Path:
    """Replies as :mod:`lfmvl_ros.models.replay` plays them, with and without all of their keys."""
    whole = {
        "text": TEXT, "finish": "stop", "delay_s": 0.001, "times": {"prefill_s": 0.001},
        "image_tokens": 24, "model": "m", "forwards": 3, "tokens": [[1, TEXT, -0.1]],
    }  # fmt: skip
    lines = [whole, {"text": "[]"}, {"error": "the cable melted"}, {"text": TEXT}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_images(folder: Path) -> None:
    """One image in each format."""
    bgr = np.ascontiguousarray(pixels()[..., ::-1])
    for name in ("a.jpg", "b.png", "c.bmp", "d.webp", "e.tif"):
        cv2.imwrite(str(folder / name), bgr)
    cv2.imwrite(str(folder / "f.jpg"), bgr, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    cv2.imwrite(str(folder / "g.png"), bgr[..., 0].astype(np.uint16) * 200)
    cv2.imwrite(str(folder / "h.png"), cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA))


def write_videos(folder: Path) -> None:
    """Six frames in three containers; a rules file for ``rules try``."""
    for name, codec in (("a.mp4", "mp4v"), ("b.avi", "MJPG"), ("c.mkv", "mp4v")):
        writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter.fourcc(*codec), 10, WH)
        for number in range(6):
            writer.write(np.ascontiguousarray(pixels(number)[..., ::-1]))
        writer.release()


def write_bags(folder: Path) -> None:
    """MCAP and SQLite, raw and compressed images, each with its metadata.yaml."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    for name, plugin, mode, jpeg in (
        ("mcap", StoragePlugin.MCAP, None, False),
        ("sqlite", StoragePlugin.SQLITE3, None, True),
        ("zstd", StoragePlugin.SQLITE3, CompressionMode.MESSAGE, False),
    ):
        writer = Writer(folder / name, version=9, storage_plugin=plugin)
        if mode is not None:
            writer.set_compression(mode, CompressionFormat.ZSTD)
        _fill(writer, jpeg)


def _fill(writer: object, jpeg: bool) -> None:
    from lfmvl_ros.bags.messages import CAMERA_INFO, Messages
    from lfmvl_ros.bags.reading import COMPRESSED, RAW
    from lfmvl_ros.bags.types import typestore
    from lfmvl_ros.core.encoded_images import encode_jpeg

    store = typestore()
    made, kind = Messages(store), COMPRESSED if jpeg else RAW
    topic = "/camera/image_raw/compressed" if jpeg else "/camera/image_raw"
    with writer as open_writer:  # type: ignore[attr-defined]
        info = open_writer.add_connection("/camera/camera_info", CAMERA_INFO, typestore=store)
        images = open_writer.add_connection(topic, kind, typestore=store)
        for number in range(4):
            at_ns = _BEGIN_NS + number * 100_000_000
            lens = made.camera_info(at_ns, "lens", WH, (90.0, 90.0, 48.0, 32.0))
            open_writer.write(info, at_ns, store.serialize_cdr(lens, CAMERA_INFO))
            image = (
                made.jpeg(encode_jpeg(pixels(number)), at_ns, "lens")
                if jpeg
                else made.image(pixels(number), at_ns, "lens")
            )
            open_writer.write(images, at_ns, store.serialize_cdr(image, kind))


def write_labelled(folder: Path) -> None:
    """The same three images, labelled in COCO, YOLO, Pascal VOC and LabelMe format."""
    for kind in ("coco", "yolo", "voc", "labelme"):
        images = folder / kind / ("JPEGImages" if kind == "voc" else "images")
        _write_numbered(folder / kind if kind == "labelme" else images, 3)
    _label_coco(folder / "coco", 3)
    for number in range(3):
        x = 10 + 2 * number
        _text(folder / f"yolo/labels/{number}.txt", f"0 {(x + 15) / 96} 0.5 0.3125 0.375\n")
        _text(folder / f"voc/Annotations/{number}.xml", _VOC.format(number, x, x + 30))
        shape = {"label": "red tote", "points": [[x, 20], [x + 30, 44]], "shape_type": "rectangle"}
        document = {"imagePath": f"{number}.jpg", "imageWidth": 96, "imageHeight": 64,
                    "shapes": [shape]}  # fmt: skip
        _text(folder / f"labelme/{number}.json", json.dumps(document))
    _text(folder / "yolo/data.yaml", "names: [red tote]\ntrain: images\n")


_VOC = (
    "<annotation><filename>{0}.jpg</filename><size><width>96</width><height>64</height></size>"
    "<object><name>red tote</name><bndbox><xmin>{1}</xmin><ymin>20</ymin><xmax>{2}</xmax>"
    "<ymax>44</ymax></bndbox></object></annotation>"
)


def write_to_learn_from(folder: Path) -> None:
    """As few labelled images as a fine-tuning takes."""
    _write_numbered(folder / "images", 20)
    _label_coco(folder, 20)


def _write_numbered(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.jpg"), pixels(number)[..., ::-1])


def _label_coco(folder: Path, count: int) -> None:
    document = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 96, "height": 64}
                   for n in range(count)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [10 + 2 * n, 20, 30, 24],
             "area": 720, "iscrowd": 0, "segmentation": [[10, 20, 40, 20, 40, 44]]}
            for n in range(count)
        ],
        "categories": [{"id": 1, "name": "red tote"}],
    }  # fmt: skip
    _text(folder / "annotations/instances.json", json.dumps(document))


def write_rules(folder: Path) -> None:
    """Zones and rules of several kinds."""
    _text(folder / "rules.yaml", _RULES)


def write_recordings(folder: Path) -> None:
    """A recording of replies."""
    write_recording(folder / "replies.jsonl")


def write_side_files(folder: Path) -> None:
    """Smaller documents: a scorecard, translations, licences, a drift profile, parameters."""
    from lfmvl_ros.cli.main import main
    from lfmvl_ros.core.drift.reference import BLOCK, SCHEMA

    write_labelled(folder)
    model = str(write_recording(folder / "replies.jsonl"))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(["evaluate", str(folder / "coco"), "--model", model, "--out", str(folder)])
    (folder / "scorecard.html").unlink()
    _text(folder / "words.yaml", "de: {red tote: rote Kiste}\nfr: {red tote: bac rouge}\n")
    _text(folder / "known.yaml", "some-package: MIT\nother: Apache-2.0 OR MIT\n")
    feature = {"mean": 0.5, "sigma": 0.1, "blocks": 20}
    profile = {"schema": SCHEMA, "query": "red tote", "model": "m", "block": BLOCK,
               "features": {"boxes": feature, "brightness": feature}}  # fmt: skip
    _text(folder / "profile.json", json.dumps(profile))


def write_checkpoint(folder: Path) -> None:
    """A checkpoint with the smallest shape, its tokenizer, processor and calibration."""
    import torch
    from transformers import AutoTokenizer

    from lfmvl_ros.models.calibration_file import fingerprint
    from lfmvl_warehouse.training.model.build import (
        ModelShape,
        build_model,
        build_processor,
        save_checkpoint,
    )

    bundled = _bundled()
    tokenizer = AutoTokenizer.from_pretrained(bundled, trust_remote_code=False)
    torch.manual_seed(0)
    shape = ModelShape(64, 1, 64, "ca", 96)
    model = build_model(shape, vocabulary=len(tokenizer))
    save_checkpoint(model, build_processor(tokenizer), folder)
    document = json.loads((bundled / "calibration.json").read_text())
    document["weights"] = fingerprint(folder)
    _text(folder / "calibration.json", json.dumps(document))
    shutil.copy(bundled / "training.json", folder)
    shutil.copy(bundled / "README.md", folder)


def write_run(folder: Path) -> None:
    """What ``lfmvl train`` leaves: its state, its log and its tokenizer."""
    import torch
    from transformers import AutoTokenizer

    from lfmvl_warehouse.training.model.build import ModelShape, build_model

    tokenizer = AutoTokenizer.from_pretrained(_bundled(), trust_remote_code=False)
    torch.manual_seed(0)
    shape = ModelShape(64, 1, 64, "ca", 96)
    model = build_model(shape, vocabulary=len(tokenizer))
    state = {
        "shape": vars(shape), "average": model.state_dict(), "step": 5, "samples": 40,
        "seconds": 60.0, "seed": 0, "recipe": {},
        "settings": {"planned_minutes": 75.0, "planned_steps": 5, "device": "cpu", "processes": 1,
                     "max_objects": 8},
    }  # fmt: skip
    torch.save(state, folder / "state.pt")
    tokenizer.save_pretrained(folder / "tokenizer")
    _text(folder / "progress.jsonl", json.dumps({"step": 5, "held_out": {"recall50": 0.5}}) + "\n")


def write_gguf(folder: Path) -> None:
    """The GGUF files of the smallest checkpoint, and their facts."""
    from lfmvl_ros.models.gguf.export import export_gguf

    source = folder.parent / "checkpoint"
    export_gguf(source, folder, "f16", name="tiny")


def write_review(folder: Path) -> None:
    """A folder of ``lfmvl review``: two items, one of them answered."""
    from lfmvl_ros.core.encoded_images import encode_jpeg
    from lfmvl_ros.core.review import ReviewAnswer, ReviewItem, ReviewVerdict
    from lfmvl_ros.review.server import token_of
    from lfmvl_ros.review.store import ReviewStore

    store = ReviewStore(folder / "review.db")
    for number in range(2):
        item = ReviewItem(
            f"{number:016x}", "in_dock", "enter", "dock", "red tote", 0.5, (0.3, 0.3, 0.6, 0.6),
            (0.2, 0.2, 0.8, 0.8), _BEGIN_NS, "", 1.7e9, 60.0, "drop", encode_jpeg(pixels()),
        )  # fmt: skip
        store.take("/lfmvl/review", json.dumps(item.to_dict()))
    store.answer(ReviewAnswer("0" * 16, ReviewVerdict.YES))
    store.close()
    token_of(folder)


def _bundled() -> Path:
    from lfmvl_ros.models.catalog import directory_of

    found = directory_of("bundled")
    assert found is not None
    return found


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


KINDS: dict[str, Callable[[Path], None]] = {
    "images": write_images, "videos": write_videos, "bags": write_bags,
    "labelled": write_labelled, "rules": write_rules, "recordings": write_recordings,
    "side files": write_side_files, "checkpoint": write_checkpoint, "run": write_run,
    "gguf": write_gguf, "review": write_review, "fine-tuning": write_fine_tuning,
    "training": write_training, "memory": write_memory, "encrypted": write_encrypted,
    "demo": write_demo, "to learn from": write_to_learn_from,
}  # fmt: skip


def write_all(folder: Path, kinds: list[str]) -> None:
    """Write the files of these kinds, each into a folder of its name."""
    for kind in kinds:
        if not (folder / kind).is_dir():
            (folder / kind).mkdir(parents=True)
            KINDS[kind](folder / kind)
