# SPDX-License-Identifier: Apache-2.0
"""The loss: cross-entropy of the answer's tokens, without images, prompt and padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lfmvl_ros.finetune.encoding import IGNORED, Batch
from lfmvl_ros.finetune.shared_rows import SharedRows, can_share, read
from lfmvl_ros.finetune.word_rows import WordRows

_PADDED = 1.15  # most tokens of a group with padding, against those without


def image_features(model: Any, features: Mapping[str, Tensor]) -> Tensor:
    """Return the image tokens of all images, one after the other: (tokens, hidden)."""
    return torch.cat(
        model.get_image_features(
            pixel_values=features["pixel_values"].to(model.dtype),
            spatial_shapes=features["spatial_shapes"],
            pixel_attention_mask=features["pixel_attention_mask"],
            return_dict=True,
        ).pooler_output
    )


def answer_loss(model: Any, rows: WordRows | None, batch: Batch) -> Tensor:
    """Return the sum of the loss over all answer tokens, the one that ends the answer included.

    Args:
        model: an LFM2-VL, with or without adapters.
        rows: trained word embeddings, where there are some.
        batch: on the model's device. An image goes through the vision tower once, however many
            rows are about it.
    """
    features = image_features(model, batch.features)
    lengths = batch.mask.sum(1).tolist()
    if can_share(model):
        return _loss_of_shared(model, rows, batch, features, lengths)
    images = torch.split(features, list(batch.image_tokens))
    return torch.stack(
        [
            _loss_of_rows(model, rows, batch, images, chosen, max(lengths[i] for i in chosen))
            for chosen in like_lengths(lengths)
        ]
    ).sum()


def _loss_of_shared(
    model: Any, rows: WordRows | None, batch: Batch, features: Tensor, lengths: Sequence[int]
) -> Tensor:
    """Return the loss of all rows; what those about an image share is read once."""
    ids = [row[:length] for row, length in zip(batch.ids.tolist(), lengths, strict=True)]
    prompts = (batch.labels == IGNORED).int().argmin(1).tolist()
    shared = SharedRows.of(ids, prompts, batch.owner)
    at = shared.rows.to(batch.ids.device), shared.places.to(batch.ids.device)
    tokens = batch.ids[at]
    embeds = _embedded(model, rows, tokens[None], features)[0]
    hidden = read(model.model.language_model, embeds, shared)
    # Each token but the last of its row predicts the next one of the row.
    following = F.pad(batch.labels, (0, 1), value=IGNORED)[at[0], at[1] + 1]
    following[: shared.begins[len(shared.shared)]] = IGNORED
    return _cross_entropy(model, rows, hidden, following)


def like_lengths(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group rows of like lengths, so that little is computed for padding.

    >>> list(like_lengths([93, 240, 95, 122]))
    [[0, 2], [3], [1]]
    """
    group: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        tokens = sum(lengths[i] for i in group) + lengths[row]
        if group and (len(group) + 1) * lengths[row] > _PADDED * tokens:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _loss_of_rows(
    model: Any,
    rows: WordRows | None,
    batch: Batch,
    images: Sequence[Tensor],
    chosen: list[int],
    length: int,
) -> Tensor:
    """Return the loss of some rows, cut to ``length`` tokens."""
    ids, labels = batch.ids[chosen, :length], batch.labels[chosen, 1:length]
    embeds = _embedded(model, rows, ids, torch.cat([images[batch.owner[row]] for row in chosen]))
    hidden = model.model.language_model(
        inputs_embeds=embeds, attention_mask=batch.mask[chosen, :length], use_cache=False
    ).last_hidden_state
    return _cross_entropy(model, rows, hidden[:, :-1], labels)


def _embedded(model: Any, rows: WordRows | None, ids: Tensor, images: Tensor) -> Tensor:
    """Return the embeddings (B, T, D) of ids, with those of images at their places, in order."""
    embeds = model.get_input_embeddings()(ids)
    if rows is not None:
        embeds = rows.embed(ids, embeds)
    places = ids == model.config.image_token_id
    result: Tensor = embeds.masked_scatter(places[..., None], images.to(embeds.dtype))
    return result


def _cross_entropy(model: Any, rows: WordRows | None, hidden: Tensor, labels: Tensor) -> Tensor:
    """Return the sum over the places (..., T) that have a label."""
    counted = labels != IGNORED
    kept = hidden[counted]
    logits = model.lm_head(kept)
    logits = logits.float() if rows is None else rows.score(kept, logits)
    return F.cross_entropy(logits, labels[counted], reduction="sum")
