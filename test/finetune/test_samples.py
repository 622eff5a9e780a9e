# SPDX-License-Identifier: Apache-2.0
"""Samples: the same by number, enough about absent things, sides told apart, folders in shares."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.prompt import CARD_TEMPLATE, COOKBOOK_TEMPLATE
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.finetune.data import Part, TrainingData
from lfmvl_ros.finetune.images import TrainingImages
from lfmvl_ros.finetune.samples import Order, SampleStream

from ..datasets.coco_folders import plain_folder, save
from ..examples import examples
from .folders import unusual_folder

TEMPLATES = (CARD_TEMPLATE, COOKBOOK_TEMPLATE)


def stream_of(*folders, seed=0, **more):
    options = {"questions": 3, "negatives": 0.3, "most_objects": 20, **more}
    data = TrainingData(tuple(Part(folder) for folder in folders))
    return SampleStream(data, TEMPLATES, seed=seed, **options)


@pytest.fixture(scope="module")
def folder(unusual):
    return read_folder(unusual)


def test_the_same_number_gives_the_same_sample_in_any_order(folder):
    forwards, other = stream_of(folder), stream_of(folder)
    first = [forwards.sample(number) for number in range(6)]
    for number in (5, 0, 3):
        again = other.sample(number)
        assert np.array_equal(again.pixels, first[number].pixels)
        assert [a.question.labels for a in again.askings] == [
            a.question.labels for a in first[number].askings
        ]
    assert not np.array_equal(first[0].pixels, stream_of(folder, seed=1).sample(0).pixels)


def test_at_least_a_quarter_of_the_questions_are_about_absent_things(folder):
    stream = stream_of(folder)
    askings = [a for number in range(60) for a in stream.sample(number).askings]
    nothing = [a for a in askings if not a.question.found]
    assert 0.25 <= len(nothing) / len(askings) <= 0.55
    assert {a.template for a in askings} == set(TEMPLATES)


def test_a_single_category_is_asked_about_where_it_is_absent(tmp_path):
    content = plain_folder(tmp_path, count=6, wh_px=(160, 120))
    for box in content["annotations"]:
        box["bbox"] = [2, 2, 40, 30]
    save(tmp_path / "annotations.json", content)
    stream = stream_of(read_folder(tmp_path), negatives=0.5)
    samples = [stream.sample(number) for number in range(60)]
    nothing = [s for s in samples if not any(a.question.found for a in s.askings)]
    assert len(nothing) > 10  # parts of images without the one thing that is in all of them


@pytest.mark.parametrize(("name", "mirrored"), [("left door", False), ("door", True)])
def test_images_are_mirrored_unless_a_name_knows_left_from_right(tmp_path, name, mirrored):
    content = plain_folder(tmp_path, count=8)
    content["categories"][0]["name"] = name
    save(tmp_path / "annotations.json", content)
    folder = read_folder(tmp_path)
    source = TrainingImages(folder)
    lefts = [
        target.xyxy[0]
        for seed in range(40)
        for target in source.varied(np.random.default_rng(seed), folder.training[0]).targets
        if target.visibility == 1 and target.area < 0.1  # whole images only
    ]
    assert (max(lefts) > 0.5) == mirrored


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.lists(st.floats(0.2, 5), min_size=3, max_size=3),
    st.integers(0, 99),
)
@examples(15)
def test_folders_get_their_shares_and_every_image_its_turn(folder, sizes, weights, seed):
    class Some:
        def __init__(self, size):
            self.training = folder.training[:size]

    parts = [Part(Some(size), weight) for size, weight in zip(sizes, weights, strict=False)]
    data = TrainingData(tuple(parts))
    order = Order(data, seed)
    picks = [order[number] for number in range(200)]
    for place, (size, share) in enumerate(zip(sizes, data.shares, strict=True)):
        used = Counter(image for part, image in picks if part == place)
        assert sum(used.values()) == pytest.approx(200 * share, abs=4)
        if sum(used.values()) >= size:
            assert max(used.values()) - min(used[i] for i in range(size)) <= 1
    assert Order(data, seed)[150] == picks[150]


def test_large_images_keep_their_pixels_so_that_they_become_tiles(tmp_path):
    folder = read_folder(unusual_folder(tmp_path / "large", 3, wh_px=(1280, 720)))
    scene = TrainingImages(folder).whole(folder.training[0])
    assert scene.pixels.shape == (720, 1280, 3)
