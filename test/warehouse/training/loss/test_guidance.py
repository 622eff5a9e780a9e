# SPDX-License-Identifier: Apache-2.0
"""Guidance: which image tokens show an object, and that looking elsewhere costs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.datasets.questions import AnswerObject, Question, Target
from lfmvl_warehouse.training.data.batches import BatchStream, StreamSettings
from lfmvl_warehouse.training.data.examples import NO_SUBJECT, ExampleEncoder
from lfmvl_warehouse.training.data.patch_grid import Grid
from lfmvl_warehouse.training.data.sources import views
from lfmvl_warehouse.training.loss.guidance import image_guidance, image_tokens_of, word_guidance
from lfmvl_warehouse.training.model.build import ModelShape, build_model
from lfmvl_warehouse.training.model.network import TrainingNetwork, patchify


def test_a_box_covers_the_tokens_whose_middle_it_holds():
    boxes = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0], [0.55, 0.8, 0.6, 0.9]])
    covered = image_tokens_of(boxes, Grid(8, 4))
    assert covered.shape == (3, 8)
    assert covered[0].tolist() == [True, True, False, False] + [False] * 4
    assert covered[1].all()
    assert covered[2].nonzero().flatten().tolist() == [6]  # too small to hold a middle


def test_words_and_numbers_know_their_object(tokenizer):
    box = np.array([0.1, 0.2, 0.3, 0.4])
    found = tuple(AnswerObject("tote", Target(("tote",), 0, 0, box + dx, 1.0)) for dx in (0, 0.3))
    example = ExampleEncoder(tokenizer).example(
        Question(("tote",), found), CARD_TEMPLATE, Grid(4, 4)
    )
    subjects = example.subject[example.subject != NO_SUBJECT]
    assert subjects.tolist() == [0] * 10 + [1] * 10  # label, quote, four times two numbers
    assert example.boxes.shape == (2, 4)


@pytest.mark.parametrize(
    ("guidance", "block"), [(image_guidance, "image"), (word_guidance, "words")]
)
@pytest.mark.parametrize("layers", ["caa", "ca"])
def test_following_the_guidance_lowers_it(tokenizer, rectangles, guidance, block, layers):
    torch.manual_seed(0)
    model = build_model(ModelShape(32, 1, 64, layers, 64), vocabulary=len(tokenizer))
    network = TrainingNetwork(model, kinds=2, colours=2)
    square = tuple(view for view in views() if view.wh_px == (256, 256))
    stream = BatchStream(rectangles, tokenizer, square, StreamSettings(batch=4, chunk=1))
    batch = stream.chunk(0)[0]
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        seen = network(patchify(batch.images, batch.grid), batch.ids, batch.grid).looking
        loss = guidance(getattr(seen, block), batch)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_nothing_to_repeat_costs_nothing(tokenizer, rectangles):
    model = build_model(ModelShape(32, 1, 64, "ca", 64), vocabulary=len(tokenizer))
    network = TrainingNetwork(model, kinds=2, colours=2)
    square = tuple(view for view in views() if view.wh_px == (256, 256))
    stream = BatchStream(rectangles, tokenizer, square, StreamSettings(batch=1, chunk=1))
    batch = stream.chunk(0)[0]
    empty = replace(batch, source=torch.zeros_like(batch.source))
    seen = network(patchify(batch.images, batch.grid), batch.ids, batch.grid).looking
    assert word_guidance(seen.words, empty).item() == 0.0
