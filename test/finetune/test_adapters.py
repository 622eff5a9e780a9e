# SPDX-License-Identifier: Apache-2.0
"""Adapters: in every published shape they reach what they should, and merging adds them."""

import re
from collections import Counter

import pytest
import torch
from torch import nn
from transformers import Lfm2VlConfig, Lfm2VlForConditionalGeneration

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.finetune.adapters import adapted_weights, attach, target_names, trainable
from lfmvl_ros.finetune.checkpoint import merged_model

from .shapes import SHAPES


def built(shape):
    with torch.device("meta"):
        return Lfm2VlForConditionalGeneration(Lfm2VlConfig(**shape.config))


@pytest.fixture(scope="module", params=SHAPES, ids=[shape.name for shape in SHAPES])
def shape(request):
    return request.param


def test_adapters_reach_all_linear_layers_of_both_towers(shape):
    model = built(shape)
    names = target_names(model)
    kinds = Counter(re.sub(r".*\.\d+\.", "", name) for name in names)
    attention = shape.vision_layers + shape.attention_layers
    assert kinds["self_attn.q_proj"] == kinds["self_attn.out_proj"] == attention
    assert kinds["conv.in_proj"] == kinds["conv.out_proj"] == shape.convolutions
    assert kinds["feed_forward.w1"] == kinds["feed_forward.w2"] == shape.text_layers
    assert kinds["mlp.fc1"] == kinds["mlp.fc2"] == shape.vision_layers
    assert sum("multi_modal_projector" in name for name in names) == 2
    assert not [name for name in names if "patch_embedding" in name or "lm_head" in name]
    left_out = {
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name not in names
    }
    assert left_out == {"lm_head", "model.vision_tower.embeddings.patch_embedding"}


def test_their_number_of_weights_is_that_of_the_shape(shape):
    model = built(shape)
    linear = dict(model.named_modules())
    width = sum(
        linear[name].in_features + linear[name].out_features for name in target_names(model)
    )
    assert width == shape.adapter_width
    if shape.name == "450M":
        assert 8 * width == pytest.approx(4.40e6, rel=0.001)


def test_without_the_language_tower_they_are_those_of_vision_and_projector(shape):
    model = built(shape)
    names = attach(model, 8, towers="vision")
    assert sum(".vision_tower." in name for name in names) == 6 * shape.vision_layers
    assert sum("multi_modal_projector" in name for name in names) == 2
    assert len(names) == 6 * shape.vision_layers + 2
    assert sum(p.numel() for p in trainable(model).values()) == 8 * shape.vision_adapter_width


def test_peft_adapts_them_all_on_the_meta_device(shape):
    model = built(shape)
    names = attach(model, 8)
    trained = trainable(model)
    assert len(trained) == 2 * len(names)
    assert all(parameter.dtype == torch.float32 for parameter in trained.values())
    assert {parameter.device.type for parameter in trained.values()} == {"meta"}
    assert sum(p.numel() for p in trained.values()) == 8 * shape.adapter_width


def test_they_change_nothing_at_first_and_merging_is_what_they_do(loaded):
    model, _ = loaded
    layer = model.model.language_model.layers[1].feed_forward.w1
    before = layer.weight.detach().clone()
    x = torch.randn(3, before.shape[1], generator=torch.Generator().manual_seed(1))
    plain = layer(x)
    attach(model, 4)
    adapted = model.model.language_model.layers[1].feed_forward.w1
    torch.testing.assert_close(adapted(x), plain)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(0.01)
    merged = adapted_weights(model)["model.language_model.layers.1.feed_forward.w1.weight"]
    assert not torch.equal(merged, before)
    torch.testing.assert_close(adapted(x), x @ merged.T, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_adapters(bundled):
    from lfmvl_ros.models.lfm2_vl.loading import load_checkpoint

    def fresh():
        model, _ = load_checkpoint(str(bundled.directory), torch.device("cpu"), torch.bfloat16)
        torch.rand(3)
        attach(model, 4, seed=5)
        return {name: p.detach().clone() for name, p in trainable(model).items()}

    first, second = fresh(), fresh()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert {p.dtype for p in first.values()} == {torch.float32}


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(UserError, match="nothing to adapt"):
        target_names(nn.Sequential(nn.Linear(3, 3)))


def test_a_strength_below_one_leaves_weights_between_the_start_and_what_was_trained(bundled):
    name, cpu = "model.vision_tower.encoder.layers.0.mlp.fc1.weight", torch.device("cpu")

    def weight(*changed, **strength):
        model, _ = merged_model(bundled, dict(changed), cpu, torch.float32, **strength)
        return dict(model.named_parameters())[name].detach()

    before = weight()
    trained = (name, before + 1.0)
    expected = (before + 1.0).to(bundled.dtype).float()
    torch.testing.assert_close(weight(trained), expected, rtol=0, atol=0)
    half = (before + 0.5).to(bundled.dtype).float()
    torch.testing.assert_close(weight(trained, strength=0.5), half, rtol=0, atol=0.01)
