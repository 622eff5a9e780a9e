# SPDX-License-Identifier: Apache-2.0
"""The loss: next token, with soft neighbours for coordinates, and the dense heads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lfmvl_ros.training.data import Batch
from lfmvl_ros.training.guidance import attention_guidance
from lfmvl_ros.training.network import NetworkOutput, TrainingNetwork

_BOX_WEIGHT = 5.0
_GUIDANCE_WEIGHT = 0.5
_ALIGNMENT_WEIGHT = 0.5


@dataclass(frozen=True)
class Loss:
    """The sum to minimise and figures for the log (means per item, nats where entropies)."""

    total: Tensor
    figures: dict[str, float]


def soft_labels(sigma: float, size: int = 100) -> Tensor:
    """(size, size) rows of a discrete Gaussian around each value, each row summing to one."""
    values = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((values[:, None] - values[None]) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)


def compute_loss(
    network: TrainingNetwork,
    output: NetworkOutput,
    batch: Batch,
    *,
    pair_ids: Tensor,
    soft: Tensor,
    dense_weight: float,
    alignment_weight: float = 1.0,
) -> Loss:
    """Loss of one batch; of the dense heads alone where the language tower did not run.

    Args:
        network: gives the vocabulary head.
        output: of its forward pass.
        batch: the targets.
        pair_ids: (100,) ids of the tokens ``00`` to ``99``.
        soft: (100, 100) from :func:`soft_labels`.
        dense_weight: of the throw-away heads.
        alignment_weight: factor of the alignment loss.
    """
    shown = batch.kinds > 0
    each = F.cross_entropy(output.kinds.float().transpose(1, 2), batch.kinds, reduction="none")
    kind = each[~shown].mean()
    colour = box = each.sum() * 0
    coloured = batch.colours > 0
    if coloured.any():
        colour = F.cross_entropy(output.colours.float()[coloured], batch.colours[coloured])
    if shown.any():
        kind = 0.5 * kind + 0.5 * each[shown].mean()  # most patches are background
        box = (output.boxes.float()[shown] - batch.boxes[shown]).abs().mean()
    total = dense_weight * (kind + 0.5 * colour + _BOX_WEIGHT * box)
    figures = {
        "kind": kind.item(),
        "colour": float(colour.detach()),
        "box": float(box.detach()),
        "patch_recall": _patch_recall(output.kinds, batch.kinds),
    }
    if output.hidden is None:
        return Loss(total, figures)
    language, spoken = _language_loss(network, output.hidden, batch, pair_ids, soft)
    if network.alignment is not None:
        table = network.model.get_input_embeddings().weight
        aligned = network.alignment(output.tokens, table, batch, soft)
        total, spoken = (
            total + alignment_weight * _ALIGNMENT_WEIGHT * aligned,
            {**spoken, "aligned": float(aligned.detach())},
        )
    layer = network.model.model.language_model.layers[network.guided_layer]
    looking = attention_guidance(layer.self_attn, *output.looking, batch)
    total = total + _GUIDANCE_WEIGHT * looking
    return Loss(total + language, {**spoken, "look": float(looking.detach()), **figures})


def _language_loss(
    network: TrainingNetwork, hidden: Tensor, batch: Batch, pair_ids: Tensor, soft: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy of the counted tokens; means per token for the log."""
    wanted, pair = batch.next_ids[batch.counted], batch.pair[batch.counted]
    logs = network.model.lm_head(hidden[batch.counted]).float().log_softmax(-1)
    is_pair = pair >= 0
    words = -logs[~is_pair].gather(1, wanted[~is_pair, None]).sum()
    numbers = -(soft[pair[is_pair]] * logs[is_pair][:, pair_ids]).sum()
    means = {
        "word": words.item() / max(1, int((~is_pair).sum())),
        "coord": numbers.item() / max(1, int(is_pair.sum())),
    }
    return (words + numbers) / batch.expected, means


def _patch_recall(scores: Tensor, kinds: Tensor) -> float:
    """Share of object patches whose kind the dense head names."""
    shown = kinds > 0
    if not shown.any():
        return 1.0
    return float((scores.detach().argmax(-1) == kinds)[shown].float().mean())
