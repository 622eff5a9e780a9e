# SPDX-License-Identifier: Apache-2.0
"""COCO files of videos: what is read, what is left out, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.films import FilmSequence
from lfmvl_ros.evaluate.coco_video import is_coco_video, read_coco_video

from ..datasets.mot_folders import coco_video, save_video


def read(
    path: Path, content: dict[str, Any], rate_hz: float | None = None
) -> tuple[tuple[FilmSequence, ...], dict[str, int], dict[str, int]]:
    """The videos, what is left out, and what is changed."""
    found = read_coco_video(save_video(path, content), rate_hz)
    return found.sequences, dict(found.left_out.counts), dict(found.changed.counts)


def test_videos_with_their_frames_in_order(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=3)
    content["images"].reverse()
    for image in content["images"]:
        image["frame_index"] = 10 + 2 * image.pop("frame_id")  # every other frame is annotated
    for box in content["annotations"]:
        box["instance_id"] = box.pop("track_id")
    (one, two), left_out, changed = read(tmp_path, content)
    assert (one.name, two.name, left_out, changed) == ("one", "two", {}, {})
    assert [path.name for path in one.images] == ["000001.jpg", "000002.jpg", "000003.jpg"]
    assert one.stamps_ns == (10**9, 11 * 10**8, 12 * 10**8)
    assert (one.truth[2].ids, one.truth[2].labels) == (("7",), ("bright square",))
    assert one.truth[2].xyxy_px.tolist() == [[18, 40, 50, 72]]
    assert [each.wh_px for each in two.shown] == [(160, 120)] * 3


def test_without_frame_numbers_the_order_of_the_file_counts(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=2)
    for image in content["images"]:
        del image["frame_id"]
    (one, _), *_ = read(tmp_path, content)
    assert one.stamps_ns == (10**9, 10**9 + 50_000_000)


def test_what_can_not_be_used_is_counted(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=3)
    boxes, images = content["annotations"], content["images"]
    del boxes[0]["track_id"]
    boxes[1]["bbox"] = [1, 1, 0, 9]
    boxes[2]["category_id"] = 99
    boxes[3]["image_id"] = 12345
    boxes[4] |= {"iscrowd": 1}
    boxes[5]["visibility"] = 0.25
    images[1]["file_name"] = "nowhere.jpg"
    boxes.append({**boxes[5], "image_id": images[1]["id"]})
    content["videos"].append({"id": 9, "name": "empty"})
    images.append({"id": 77, "video_id": 44, "file_name": "one/img1/000001.jpg"})
    (one, two), left_out, _ = read(tmp_path, content)
    assert left_out == {
        "images whose file is missing": 1, "images of no video": 1, "videos without an image": 1,
        "boxes without track_id or instance_id": 1, "boxes of unusable images": 2,
        "boxes of a category that is not listed": 1,
        "boxes of an image that is not listed": 1,
    }  # fmt: skip
    assert [len(one.truth[i].ids) for i in range(2)] == [0, 0]
    assert two.truth[1].visible.tolist() == [0]  # a crowd counts as what is hidden does
    assert two.truth[2].visible.tolist() == [0.25]


def test_labels_that_were_not_looked_for(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=2)
    content["categories"].append({"id": 8, "name": "person"})
    content["videos"][0] |= {"neg_category_ids": [6], "not_exhaustive_category_ids": [5]}
    (one, two), *_ = read(tmp_path, content)
    assert one.truth[0].unsure == {"bright square", "person"}
    assert two.truth[0].unsure == frozenset()


def without(part: str) -> Any:
    return lambda content: content.pop(part)


def set_in(part: str, **values: object) -> Any:
    return lambda content: content[part][1].update(values)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("videos"), "is no film in COCO format"),
        (lambda content: content["videos"].clear(), "videos is missing or empty"),
        (set_in("images", id=100), "has image id 100 twice"),
        (set_in("annotations", image_id=100), "has object 7 twice in image 100"),
        (set_in("images", frame_id=0), "two images of one number"),
        (set_in("videos", fps=0), "that can be used (fps 0; 0.01 to 1000 are taken); give the"),
        (set_in("videos", fps=True), "(fps true; 0.01"),
        (set_in("videos", fps=1e-9), "(fps 1e-09; 0.01"),
        (set_in("videos", fps=None), "framerate that can be used (0.01"),
        (set_in("videos", id=1), "two videos with one id, 1: 'one' and 'two'"),
        (set_in("categories", id=5), "category id 5 twice, for 'bright_square' and 'robot'"),
        (lambda content: (content["videos"][0].update(fps=0.5),
                          content["images"][1].update(frame_id=9 * 10**8)), "correct them"),
        (lambda content: [i.update(video_id=4) for i in content["images"]], "belongs to one of"),
        (lambda content: [i.update(file_name="x.jpg") for i in content["images"]],
         "6 of 6 images of"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused(tmp_path: Path, change: Any, says: str) -> None:
    content = coco_video(tmp_path, count=3)
    change(content)
    with pytest.raises(UserError, match=re.escape(says)):
        read(tmp_path, content)


def test_a_rate_from_outside(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=2, fps=None)
    (one, _), *_ = read(tmp_path, content, 10.0)
    assert one.stamps_ns == (10**9, 11 * 10**8)


def test_a_folder_is_no_file_of_videos(tmp_path: Path) -> None:
    assert not is_coco_video(tmp_path)
    assert is_coco_video(tmp_path / "train.JSON")


def test_boxes_outside_their_image_are_counted_not_missed(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=3)
    content["annotations"][0]["bbox"] = [500, 500, 32, 32]
    content["annotations"][1]["bbox"] = [0, 0, 1e300, 1e300]
    _, left_out, _ = read(tmp_path, content)
    assert left_out == {"boxes outside their image, or far larger": 2}


def test_numbers_of_some_images_and_ids_of_two_videos_are_refused(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=3)
    before, content["images"][0]["frame_id"] = content["images"][0]["frame_id"], "abc"
    with pytest.raises(UserError, match="others without one that can be used"):
        read(tmp_path, content)
    content["images"][0]["frame_id"] = before
    content["videos"].append(dict(content["videos"][0]))
    with pytest.raises(UserError, match="two videos with one id"):
        read(tmp_path, content)


def test_a_rate_that_is_not_the_one_given_is_said(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=2)
    content["videos"][1]["fps"] = True
    found = read_coco_video(save_video(tmp_path, content), 10.0)
    assert [film.stamps_ns[1] - film.stamps_ns[0] for film in found.sequences] == [
        50_000_000, 100_000_000,
    ]  # fmt: skip
    assert found.changed.examples == {
        "videos at the rate that the file gives them, not at --fps": "'one' at 20",
        "videos at --fps: the rate that the file gives them can't be used": "'two': fps true",
    }
    content["videos"][1]["fps"] = "20"
    assert read(tmp_path, content, 20.0)[2] == {}


def test_what_has_no_id_belongs_to_nothing(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=3)
    videos, images, boxes = content["videos"], content["images"], content["annotations"]
    videos.append({"name": "three", "fps": 20})
    del images[0]["video_id"], images[1]["id"], boxes[1]["image_id"]
    content["categories"].append({"name": "lid"})
    del boxes[4]["category_id"]
    boxes[5]["track_id"] = True
    for part in content:
        content[part].append("text")
    _, left_out, _ = read(tmp_path, content)
    assert left_out == {
        "videos without an id": 1, "images of no video": 1, "images without an id": 1,
        "boxes of unusable images": 1, "boxes without image_id": 1, "categories without an id": 1,
        "boxes without category_id": 1, "boxes without track_id or instance_id": 1,
        **{f"items of {part!r} that are no JSON objects": 1 for part in content},
    }  # fmt: skip


def test_boxes_of_a_resized_film_are_scaled_and_said(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=2)
    for image in content["images"]:
        image |= {"width": 80, "height": 60}
    for box in content["annotations"]:
        box["bbox"] = [value / 2 for value in box["bbox"]]
    (one, _), left_out, changed = read(tmp_path, content)
    assert one.truth[1].xyxy_px.tolist() == [[14, 40, 46, 72]]
    assert (left_out, list(changed.values())) == ({}, [4])


def test_a_film_that_exif_turns_is_shown_as_it_was_labelled(tmp_path: Path) -> None:
    content = coco_video(tmp_path, count=2)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("one", "two"):
        for file in (tmp_path / name / "img1").iterdir():
            with Image.open(file) as image:
                image.save(file, exif=exif)
    (one, _), *_ = read(tmp_path, content)  # the stated size is the stored one
    assert {(each.wh_px, each.orientation) for each in one.shown} == {((160, 120), 1)}
    for image in content["images"]:
        image |= {"width": 120, "height": 160}
    (one, _), *_ = read(tmp_path, content)
    assert {(each.wh_px, each.orientation) for each in one.shown} == {((120, 160), 6)}
