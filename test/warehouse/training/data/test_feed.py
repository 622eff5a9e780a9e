# SPDX-License-Identifier: Apache-2.0
"""Whoever draws a chunk, it is the same; and a worker that dies is an error with a way out."""

import os
from dataclasses import fields
from functools import partial

import pytest
import torch

from lfmvl_ros.core.errors import UserError
from lfmvl_warehouse.training.data.batches import BatchStream, StreamSettings
from lfmvl_warehouse.training.data.feed import Feed
from lfmvl_warehouse.training.data.sources import WarehouseScenes
from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

stills = partial(WarehouseScenes, looks=(0, 1), video_frames=0)
SETTINGS = StreamSettings(batch=1, questions=1, chunk=2, reuse=1, scene_objects=1)


@pytest.fixture(scope="module")
def stream():
    source, tokenizer = stills(), build_tokenizer(["tote"])
    small = tuple(view for view in source.views if view.wh_px == (256, 256))
    return BatchStream(source, tokenizer, small, SETTINGS), tokenizer


def same(one, other):
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        a, b = (x if isinstance(x, tuple) else (x,) for x in (a, b))
        for first, second in zip(a, b, strict=True):
            equal = torch.equal(first, second) if torch.is_tensor(first) else first == second
            assert equal, field.name


def test_workers_draw_what_the_process_itself_would(stream):
    own, tokenizer = stream
    plain = Feed(own, tokenizer)
    ahead = Feed(own, tokenizer, workers=2, make_source=stills)
    try:
        for index in (3, 4, 5):
            (mine, most), (theirs, drawn) = plain.chunk(index, 2), ahead.chunk(index, 2)
            assert most == drawn == 2
            for one, other in zip(mine, theirs, strict=True):
                same(one, other)
        later, most = ahead.chunk(6, 8)
        assert most == 2  # begun before anybody asked for eight
        assert len(later) == SETTINGS.chunk
    finally:
        ahead.close()


def test_a_worker_that_dies_says_what_to_do(stream):
    own, tokenizer = stream
    feed = Feed(own, tokenizer, workers=1, make_source=partial(os._exit, 3))
    try:
        with pytest.raises(UserError, match="fewer than --workers 1"):
            feed.chunk(0, 1)
    finally:
        feed.close()


def test_workers_must_know_the_source(stream):
    with pytest.raises(ValueError, match="how to make the source"):
        Feed(*stream, workers=1)
