# SPDX-License-Identifier: Apache-2.0
"""The fast path of training computes what the model's own forward computes."""

import numpy as np
import pytest
import torch
from PIL import Image

from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_warehouse.training.data.batches import images_of
from lfmvl_warehouse.training.data.examples import ExampleEncoder
from lfmvl_warehouse.training.data.patch_grid import BUDGET, TILED, grid_for
from lfmvl_warehouse.training.model.build import ModelShape, build_model, build_processor
from lfmvl_warehouse.training.model.network import TrainingNetwork, patchify

SHAPE = ModelShape(32, 1, 64, "cac", 64)


@pytest.mark.parametrize("budget", [BUDGET, TILED], ids=["whole", "tiled"])
def test_same_logits_as_through_processor_and_forward(tokenizer, budget):
    torch.manual_seed(0)
    model = build_model(SHAPE, vocabulary=len(tokenizer)).eval()
    network = TrainingNetwork(model, kinds=2, colours=2)
    pixels = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    grid = grid_for((640, 480), budget)
    assert grid.tiled == budget.split
    text = CARD_TEMPLATE.text.replace("{query}", "red tote")
    content = [{"type": "image", "image": Image.fromarray(pixels)}, {"type": "text", "text": text}]
    inputs = build_processor(tokenizer, budget).apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    ids = torch.from_numpy(ExampleEncoder(tokenizer).prompt(text, grid))[None]
    images = [torch.from_numpy(image)[None] for image in images_of(pixels, grid)]
    patches = patchify(images, grid)
    seen = [
        values[: rows * columns]
        for values, (rows, columns) in zip(
            inputs["pixel_values"], inputs["spatial_shapes"].tolist(), strict=True
        )
    ]
    with torch.no_grad():
        expected = model(**inputs).logits
        given = model.lm_head(network(patches, ids, grid).hidden)
    assert torch.equal(ids, inputs["input_ids"])
    assert torch.allclose(patches[0], torch.cat(seen), atol=1e-6)
    assert torch.allclose(given, expected[:, -given.shape[1] :], atol=1e-4)


def test_questions_about_one_image_share_its_features(tokenizer):
    torch.manual_seed(0)
    model = build_model(SHAPE, vocabulary=len(tokenizer)).eval()
    network = TrainingNetwork(model, kinds=2, colours=2)
    grid, encoder = grid_for((64, 64)), ExampleEncoder(tokenizer)
    patches = torch.rand(2, grid.patches, 768)
    ids = torch.stack([torch.from_numpy(encoder.prompt(word, grid)) for word in ("a", "b")])
    with torch.no_grad():
        together = network(patches, ids.repeat(2, 1), grid).hidden
        alone = network(patches[1:], ids[1:], grid).hidden
    assert torch.allclose(together[3], alone[0], atol=1e-5)
