# SPDX-License-Identifier: Apache-2.0
"""Scenes from images: boxes stay on what they are about through turning, cropping and scaling."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.augment import boxes_in, random_window
from lfmvl_ros.datasets.coco_images import NO_COLOUR, ImageStore, turned
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.datasets.questions import Vocabulary
from lfmvl_warehouse.training.data.batches import BatchStream, StreamSettings
from lfmvl_warehouse.training.data.coco_scenes import CocoScenes
from lfmvl_warehouse.training.data.mixed import MixedScenes, united
from lfmvl_warehouse.training.data.patch_grid import grid_for
from lfmvl_warehouse.training.data.sources import WarehouseScenes
from lfmvl_warehouse.training.run.evaluation import held_out

from ....datasets.coco_folders import picture, plain_folder, save

SHARES = st.floats(0, 1)


@st.composite
def boxes(draw):
    x, y = draw(st.floats(0, 0.9)), draw(st.floats(0, 0.9))
    w, h = draw(st.floats(0.02, 1)), draw(st.floats(0.02, 1))
    return [x, y, min(x + w, 1.0), min(y + h, 1.0)]


@given(st.lists(boxes(), min_size=1, max_size=4), boxes())
def test_boxes_of_a_crop_are_where_they_were(given_boxes, window):
    xyxy, window = np.array(given_boxes), np.array(window)
    inside, share = boxes_in(window, xyxy)
    assert ((inside >= 0) & (inside <= 1)).all()
    assert ((share >= 0) & (share <= 1)).all()
    back = np.tile(window[:2], 2) + inside * np.tile(window[2:] - window[:2], 2)
    for box, mapped, left in zip(xyxy, back, share, strict=True):
        part = np.r_[np.maximum(box[:2], window[:2]), np.minimum(box[2:], window[2:])]
        if (part[2:] > part[:2]).all():
            np.testing.assert_allclose(mapped, part, atol=1e-9)
            area = np.prod(part[2:] - part[:2]) / np.prod(box[2:] - box[:2])
            assert left == pytest.approx(area, abs=1e-6)
        else:
            assert left == pytest.approx(0, abs=1e-6)


@given(
    st.integers(0, 2**32),
    st.tuples(st.integers(8, 900), st.integers(8, 900)),
    st.floats(0.3, 3.5),
    st.lists(boxes(), max_size=3),
)
def test_windows_lie_in_the_image(seed, wh, proportions, given_boxes):
    rng = np.random.default_rng(seed)
    xyxy = np.array(given_boxes, float).reshape(-1, 4)
    left, top, right, bottom = random_window(rng, wh, proportions, xyxy)
    assert 0 <= left < right <= wh[0]
    assert 0 <= top < bottom <= wh[1]
    width, height = right - left, bottom - top
    assert width == pytest.approx(height * proportions, abs=1 + proportions)


def test_most_windows_show_an_object():
    rng, xyxy = np.random.default_rng(0), np.array([[0.9, 0.9, 0.98, 0.98]])
    windows = [random_window(rng, (400, 300), 4 / 3, xyxy) for _ in range(200)]
    assert sum(right > 376 and bottom > 282 for _, _, right, bottom in windows) > 150


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_what_exif_means(tmp_path, orientation):
    pixels = np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8)
    pixels = pixels.repeat(8, 0).repeat(8, 1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels).save(path, exif=exif, quality=100, subsampling=0)
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    np.testing.assert_array_equal(turned(stored, orientation), cv2.imread(str(path)))


@pytest.fixture
def folder(tmp_path):
    plain_folder(tmp_path, 6, wh_px=(320, 240))
    return read_folder(tmp_path)


def test_few_images_are_kept(folder):
    store = ImageStore(most_bytes=2 * 320 * 240 * 3)
    first = store.pixels(folder.training[0])
    assert first.shape == (240, 320, 3)
    assert store.pixels(folder.training[0]) is first
    for other in folder.training[1:3]:
        store.pixels(other)
    assert store.pixels(folder.training[0]) is not first


def test_large_images_are_reduced(tmp_path):
    plain_folder(tmp_path, 2, wh_px=(1600, 1200))
    assert ImageStore().pixels(read_folder(tmp_path).training[0]).shape == (576, 768, 3)


def test_an_image_that_changes_meanwhile_is_an_error(folder):
    picture(folder.training[0].path, (100, 100))
    with pytest.raises(UserError, match="100x100 now"):
        ImageStore().pixels(folder.training[0])
    folder.training[0].path.unlink()
    with pytest.raises(UserError, match="can't be read any more"):
        ImageStore().pixels(folder.training[0])


def test_what_is_judged_is_shown_whole_and_never_learnt_from(folder):
    source = CocoScenes(folder)
    judged = source.held_out()
    rng = np.random.default_rng(0)
    for _ in range(5):
        scene = judged.draw(rng, judged.views[0].wh_px, 8)
        assert scene.pixels.shape == (240, 320, 3)
        np.testing.assert_allclose(scene.targets[0].xyxy, [1 / 8, 1 / 3, 3 / 8, 2 / 3])
    assert not {p.name for p in folder.training} & {p.name for p in folder.held_out}


def corner_folder(directory):
    """Images whose box is exactly their white quarter."""
    content = plain_folder(directory, 6, wh_px=(320, 240))
    for box in content["annotations"]:
        box["bbox"] = [0, 0, 160, 120]
    save(directory / "annotations.json", content)
    return read_folder(directory)


def test_crops_show_what_their_boxes_say(tmp_path):
    source = CocoScenes(corner_folder(tmp_path))
    rng, sizes = np.random.default_rng(0), set()
    for _ in range(60):
        scene = source.draw(rng, (320, 240), 8)
        height, width = scene.pixels.shape[:2]
        sizes.add((width, height))
        for target in scene.targets:
            left, top, right, bottom = (target.xyxy * ([width, height] * 2)).round().astype(int)
            white = scene.pixels[..., 0] == 255
            assert white[top:bottom, left:right].all()
            assert white.sum() == (bottom - top) * (right - left)
            assert target.counts == (target.visibility >= 0.6)
    assert len(sizes) > 20  # whole images and many crops


def test_the_same_generator_gives_the_same_scene(folder):
    source = CocoScenes(folder)
    first, second = (source.draw(np.random.default_rng(3), (320, 240), 8) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert len(first.targets) == len(second.targets)


def test_views_are_the_sizes_of_the_images(tmp_path):
    content = plain_folder(tmp_path, 6, wh_px=(320, 240))
    for index in (0, 1):
        picture(tmp_path / f"{index}.png", (90, 160))
        content["images"][index].update(width=90, height=160)
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    shares = {view.grid: view.share for view in CocoScenes(folder).views}
    assert set(shares) == {grid_for((320, 240)), grid_for((90, 160))}
    assert sum(shares.values()) == len(folder.training)


def test_batches_without_colours(folder, tokenizer):
    source = CocoScenes(folder)
    settings = StreamSettings(batch=2, chunk=3)
    batches = BatchStream(source, tokenizer, source.views, settings).chunk(0)
    assert not any(batch.colours.any() for batch in batches)
    assert any(batch.kinds.any() for batch in batches)
    again = BatchStream(CocoScenes(folder), tokenizer, source.views, settings).chunk(0)
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(batches, again, strict=True))


def test_left_and_right_are_not_mirrored(folder):
    assert CocoScenes(folder).draw(np.random.default_rng(0), (320, 240), 8).may_mirror
    sided = CocoScenes(replace(folder, names=(("left glove",),)))
    assert not sided.draw(np.random.default_rng(0), (320, 240), 8).may_mirror


def test_questions_about_images_use_their_names(folder):
    source = CocoScenes(replace(folder, names=(("Big Bin", "big bin"),))).held_out()
    labels = {
        label for asked in held_out(source, source.views, 40) for label in asked.question.labels
    }
    assert labels == {"Big Bin", "big bin"}


def test_mixed_scenes_are_asked_about_in_their_own_words(folder, tokenizer):
    warehouse = WarehouseScenes(video_frames=0, looks=(0, 2))
    mixed = MixedScenes(CocoScenes(folder), warehouse, 0.5)
    rng = np.random.default_rng(1)
    scenes = [mixed.draw(rng, (320, 240), 3) for _ in range(8)]
    bins = [scene for scene in scenes if scene.words.kinds == ("bin",)]
    assert 1 <= len(bins) <= 7
    assert all(target.colour == NO_COLOUR for scene in bins for target in scene.targets)
    assert mixed.held_out().vocabulary.kinds == ("bin",)
    settings = StreamSettings(batch=4, chunk=3, scene_objects=2)
    kinds = {
        int(kind)
        for batch in BatchStream(mixed, tokenizer, mixed.views, settings).chunk(0)
        for kind in batch.kinds.unique()
    }
    assert 1 in kinds  # bins are the first kind behind the background
    assert max(kinds) > 1


def test_a_kind_that_both_know_is_one_kind():
    own = Vocabulary(("Person", "bin"), (), (("Person", "person"), ("bin",)))
    other = Vocabulary(("tote", "person"), ("red",), (("tote", "red tote"), ("person", "worker")))
    both = united(own, other)
    assert both.kinds == ("Person", "bin", "tote")
    assert both.names == (("Person", "person", "worker"), ("bin",), ("tote", "red tote"))
    assert both.colours == ("red",)
