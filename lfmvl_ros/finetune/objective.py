# SPDX-License-Identifier: Apache-2.0
"""The loss: cross-entropy of the answer's tokens, without images, prompt and padding."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lfmvl_ros.finetune.encoding import IGNORED, Batch
from lfmvl_ros.finetune.word_rows import WordRows


def answer_loss(model: Any, rows: WordRows | None, batch: Batch) -> Tensor:
    """Return the sum of the loss over all answer tokens, the one that ends the answer included.

    Args:
        model: an LFM2-VL, with or without adapters.
        rows: trained word embeddings, where there are some.
        batch: on the model's device. An image goes through the vision tower once, however many
            rows are about it.
    """
    embeds = model.get_input_embeddings()(batch.ids)
    if rows is not None:
        embeds = rows.embed(batch.ids, embeds)
    seen = torch.cat(
        model.get_image_features(
            pixel_values=batch.features["pixel_values"].to(model.dtype),
            spatial_shapes=batch.features["spatial_shapes"],
            pixel_attention_mask=batch.features["pixel_attention_mask"],
            return_dict=True,
        ).pooler_output
    )
    images = torch.split(seen, list(batch.image_tokens))
    places = batch.ids == model.config.image_token_id
    values = torch.cat([images[owner] for owner in batch.owner]).to(embeds.dtype)
    embeds = embeds.masked_scatter(places[..., None], values)
    hidden = model.model.language_model(
        inputs_embeds=embeds, attention_mask=batch.mask, use_cache=False
    ).last_hidden_state
    expected = batch.labels[:, 1:]
    counted = expected != IGNORED
    kept = hidden[:, :-1][counted]
    logits = model.lm_head(kept)
    logits = logits.float() if rows is None else rows.score(kept, logits)
    return F.cross_entropy(logits, expected[counted], reduction="sum")
