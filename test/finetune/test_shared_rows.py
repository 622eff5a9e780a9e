# SPDX-License-Identifier: Apache-2.0
"""Rows of one image, read with what they share only once, give what rows one by one give."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.finetune import objective
from lfmvl_ros.finetune.adapters import attach, trainable
from lfmvl_ros.finetune.encoding import Encoder, collate
from lfmvl_ros.finetune.shared_rows import SharedRows, can_share
from lfmvl_ros.finetune.word_rows import WordRows

from ..examples import examples
from .asked import TILED, WHOLE

IDS = st.lists(st.integers(0, 2), min_size=1, max_size=6)
IMAGES = st.lists(
    st.tuples(IDS, st.lists(st.tuples(IDS, IDS), min_size=1, max_size=4)), min_size=1, max_size=3
)


@examples(50)
@given(IMAGES)
def test_the_list_has_each_row_once_and_each_answer_in_its_own_part(images):
    rows = [
        (head + tail, answer, image)
        for image, (head, asked) in enumerate(images)
        for tail, answer in asked
    ]
    ids, prompts = [p + a for p, a, _ in rows], [len(p) for p, _, _ in rows]
    shared = SharedRows.of(ids, prompts, [image for _, _, image in rows])
    listed = torch.tensor(
        [ids[row][place] for row, place in zip(shared.rows, shared.places, strict=True)]
    )
    for row, (its, _, image) in enumerate(rows):
        begin, rest = listed[shared.part(image)], listed[shared.part(len(images) + row)]
        assert [*begin.tolist(), *rest.tolist()] == ids[row]
        assert len(begin) < len(its)  # the prompt's last token is the row's own
    _check_lead_in(shared, reach=2)


def _check_lead_in(shared, reach):
    """Before each token lie those of its row, and none before the first."""
    tokens, kept = shared.lead_in(reach)
    none = len(shared.rows)
    assert tokens[kept].tolist() == list(range(none))
    for part in range(len(shared.shared) + len(shared.own)):
        before = []
        if part >= len(shared.shared):
            begin = shared.part(shared.owner[part - len(shared.shared)])
            before = list(range(begin.start, begin.stop))
        for token in range(*shared.begins[part : part + 2]):
            seen = ([none] * reach + before)[-reach:]
            at = int(kept[token])
            assert tokens[at - reach : at].tolist() == seen
            before.append(token)


@pytest.fixture
def learning(loaded):
    """The bundled model with adapters in both towers that change something, and word rows."""
    model, processor = loaded
    attach(model, 4)
    rows = WordRows(range(40, 90), *model.get_input_embeddings().weight.shape)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in (*trainable(model).values(), rows.difference):
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator))
    return model, rows, processor


@pytest.mark.parametrize(
    "samples", [[WHOLE], [TILED], [TILED, WHOLE]], ids=["whole", "tiled", "both"]
)
def test_loss_and_gradients_are_those_of_padded_rows(learning, bundled, monkeypatch, samples):
    model, rows, processor = learning
    encoder = Encoder(processor, replace(bundled.rules(0), split=True), bundled.context)
    batch = collate([encoder.encode(sample) for sample in samples])
    trained = {**trainable(model), "rows": rows.difference}

    def computed():
        for parameter in trained.values():
            parameter.grad = None
        loss = objective.answer_loss(model, rows, batch)
        loss.backward()
        return loss.detach(), {name: p.grad.clone() for name, p in trained.items()}

    loss, gradients = computed()
    monkeypatch.setattr(objective, "can_share", lambda _: False)
    padded_loss, padded = computed()
    torch.testing.assert_close(loss, padded_loss, rtol=1e-5, atol=1e-5)
    for name, gradient in gradients.items():
        largest = float(padded[name].abs().max())
        torch.testing.assert_close(gradient, padded[name], rtol=1e-3, atol=1e-4 * largest + 1e-7)


def test_other_language_towers_are_read_by_their_own_code(loaded):
    config = SimpleNamespace(text_config=SimpleNamespace(model_type="lfm2_moe"))
    assert can_share(loaded[0])
    assert not can_share(SimpleNamespace(config=config))
