# SPDX-License-Identifier: Apache-2.0
"""The training path of the language tower: its attention, its convolution, what rows share."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lfmvl_warehouse.training.data.batches import BatchStream, StreamSettings
from lfmvl_warehouse.training.data.sources import views
from lfmvl_warehouse.training.model.build import ModelShape, build_model
from lfmvl_warehouse.training.model.causal_attention import causal_attention, plain_attention
from lfmvl_warehouse.training.model.shared_prefix import (
    Attending,
    Rows,
    read,
    shared_places,
    shift_convolution,
)


@pytest.mark.parametrize("causal", [True, False])
def test_plain_attention_is_attention(causal):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 8, requires_grad=True) for _ in range(3))
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=causal, scale=0.4)
    given = plain_attention(query, key, value, scaling=0.4, causal=causal)
    assert torch.allclose(given, expected.transpose(1, 2), atol=1e-6)
    weights = torch.randn_like(given)
    wanted = torch.autograd.grad((expected.transpose(1, 2) * weights).sum(), (query, key, value))
    found = torch.autograd.grad((given * weights).sum(), (query, key, value))
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_last_places_attend_as_in_the_whole_and_heads_share_keys():
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 6, 9, 8), torch.randn(2, 3, 9, 8), torch.randn(2, 3, 9, 8)
    expected = F.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=0.4, enable_gqa=True
    ).transpose(1, 2)
    given = causal_attention(query[:, :, 4:], key, value, scaling=0.4)
    assert torch.allclose(given, expected[:, 4:], atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_shifted_products_are_the_causal_convolution(bias):
    torch.manual_seed(0)
    inputs, weight = torch.randn(2, 9, 6), torch.randn(6, 3)
    offset = torch.randn(6) if bias else None
    expected = F.conv1d(inputs.mT, weight[:, None], offset, groups=6).mT
    given = shift_convolution(inputs, weight, offset)
    assert given.shape == (2, 7, 6)
    assert torch.allclose(given, expected, atol=1e-6)


def test_what_is_shared_need_not_be_repeated():
    torch.manual_seed(0)
    text = build_model(ModelShape(32, 1, 64, "caca", 64), vocabulary=300).model.language_model
    shared = torch.randn(2, 5, 64, requires_grad=True)
    own = torch.randn(6, 4, 64, requires_grad=True)
    rows = torch.cat([shared.repeat_interleave(3, 0), own], 1)
    expected = text(inputs_embeds=rows, use_cache=False).last_hidden_state[:, 5:]
    given, kept = read(text, shared, own, keep=(1,))
    assert torch.allclose(given, expected, atol=1e-5)
    assert set(kept) == {1}
    weights = torch.randn_like(given)
    wanted = torch.autograd.grad((expected * weights).sum(), (shared, own))
    found = torch.autograd.grad((given * weights).sum(), (shared, own))
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_rows_are_laid_out_image_by_image():
    rows = Rows(images=2, shared=2, rows=4, own=1)
    values = torch.tensor([0, 1, 10, 11, 2, 3, 12, 13])
    assert rows.whole(values).tolist() == [[0, 1, 2], [0, 1, 3], [10, 11, 12], [10, 11, 13]]
    assert rows.by_place(torch.tensor([0, 1, 2])).tolist() == [0, 1, 0, 1, 2, 2, 2, 2]


def test_log_probabilities_of_looking_are_those_of_attention():
    torch.manual_seed(0)
    queries, keys = torch.randn(2, 4, 3, 8), torch.randn(2, 4, 5, 8)
    attending = Attending(queries, keys, 0.5, seen=torch.empty(1, 2, 8))
    row, place = torch.tensor([1, 0]), torch.tensor([2, 4])  # two places are shared
    logs = attending.logs(row, place, slice(2, None))
    scores = 0.5 * queries[1, 3, 0] @ keys[1, 3].T
    assert torch.allclose(logs[0, 1, :3], scores[:3].log_softmax(0), atol=1e-6)
    assert np.isneginf(logs[0, :, 3:].numpy()).all()  # what comes later
    assert torch.allclose(logs[1].exp().sum(-1), torch.ones(2))


def test_questions_about_an_image_are_the_same_up_to_its_last_token(tokenizer, rectangles):
    stream = BatchStream(rectangles, tokenizer, views(), StreamSettings(batch=2, chunk=12))
    for batch in stream.chunk(0):
        shared = shared_places(batch.ids)
        assert (batch.ids[:, :shared] == batch.ids[:1, :shared]).all()
        assert not batch.counted[:, :shared].any()
        assert (batch.subject[:, :shared] < 0).all()
