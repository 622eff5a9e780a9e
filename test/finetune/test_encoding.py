# SPDX-License-Identifier: Apache-2.0
"""Ids are the processor's, and the loss is transformers' own, with tiles and without in a batch."""

import json

import pytest
import torch

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import PromptTemplate
from lfmvl_ros.finetune.encoding import IGNORED, Encoder, collate, passes, written_answer
from lfmvl_ros.finetune.objective import answer_loss, like_lengths
from lfmvl_ros.models.lfm2_vl.model_inputs import processor_options

from .asked import TILED, TWO, WHOLE


@pytest.fixture
def encoder(loaded, bundled):
    rules = bundled.rules(0)
    return Encoder(loaded[1], type(rules)(**{**vars(rules), "split": True}), bundled.context)


@pytest.mark.parametrize("given", [WHOLE, TILED], ids=["whole", "tiled"])
def test_prompt_ids_are_the_processors(given, encoder, loaded):
    _, processor = loaded
    encoded = encoder.encode(given)
    for row, asking in zip(encoded.rows, given.askings, strict=True):
        chat = processor.apply_chat_template(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image"},
                        {
                            "type": "text",
                            "text": asking.template.text.replace(
                                "{query}", ", ".join(asking.question.labels)
                            ),
                        },
                    ],
                }
            ],
            add_generation_prompt=True,
            tokenize=False,
        )
        options = processor_options(encoder._rules, processor.image_processor)
        whole = processor(text=[chat], images=[[given.pixels]], images_kwargs=options)
        assert list(row.prompt) == list(whole["input_ids"][0])
        assert row.answer[-1] == processor.tokenizer.eos_token_id
        text = processor.tokenizer.decode(row.answer[:-1])
        assert text == written_answer(asking.question.found, asking.template)
    assert encoded.image_tokens == row.prompt.count(processor.image_token_id)


def test_the_loss_is_that_of_transformers(encoder, loaded):
    """Each row alone through the stock forward pass, against one batch of everything."""
    model, _ = loaded
    encoded = [encoder.encode(WHOLE), encoder.encode(TILED)]
    batch = collate(encoded)
    assert batch.owner == (0, 0, 1)
    with torch.no_grad():
        ours = answer_loss(model, None, batch)
        theirs = torch.zeros(())
        for part in encoded:
            for row in part.rows:
                ids = torch.tensor([row.prompt + row.answer])
                labels = ids.clone()
                labels[:, : len(row.prompt)] = IGNORED
                output = model(input_ids=ids, labels=labels, **part.features)
                theirs += output.loss * len(row.answer)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert (batch.labels != IGNORED).sum() == sum(part.answer_tokens for part in encoded)


def test_rows_of_like_lengths_are_computed_together_and_each_once():
    lengths = [93, 240, 95, 122, 260, 121, 94]
    groups = list(like_lengths(lengths))
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    assert groups == [[0, 6, 2], [5, 3], [1, 4]]
    assert list(like_lengths([100] * 5)) == [list(range(5))]


def test_gradients_do_not_depend_on_the_passes_nor_on_checkpointing(encoder, loaded):
    model, _ = loaded
    encoded = [encoder.encode(WHOLE), encoder.encode(TILED)]
    watched = model.model.vision_tower.encoder.layers[0].mlp.fc1.weight

    def gradient(groups):
        model.zero_grad()
        for group in groups:
            answer_loss(model, None, collate(group)).backward()
        return watched.grad.clone()

    together, apart = gradient([encoded]), gradient([[part] for part in encoded])
    torch.testing.assert_close(together, apart, rtol=1e-3, atol=1e-4)
    model.train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    torch.testing.assert_close(gradient([encoded]), together, rtol=0, atol=0)


def test_passes_hold_what_fits_and_everything_once(encoder):
    encoded = [encoder.encode(given) for given in (TILED, WHOLE, WHOLE)]
    groups = list(passes(encoded, 2 * encoded[1].tokens))
    assert [len(group) for group in groups] == [2, 1]
    assert {id(part) for group in groups for part in group} == {id(part) for part in encoded}


def test_a_family_that_writes_integers_gets_integers():
    template = PromptTemplate("grid", "{query}", decimals=0)
    text = written_answer(TWO.question.found, template)
    assert json.loads(text) == [
        {"label": "person", "bbox": [100, 200, 300, 995]},
        {"label": "人", "bbox": [500, 100, 700, 900]},
    ]
    assert written_answer((), template) == "[]"


def test_what_is_longer_than_the_context_is_refused_not_cut(loaded, bundled):
    encoder = Encoder(loaded[1], bundled.rules(0), 100)
    with pytest.raises(UserError, match=r"context of this model is 100; lower --image-tokens"):
        encoder.encode(WHOLE)
