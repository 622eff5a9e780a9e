# SPDX-License-Identifier: Apache-2.0
"""The loss: next token, with soft neighbours for coordinates, and the dense heads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from lfmvl_warehouse.training.data.batches import ExampleBatch
from lfmvl_warehouse.training.loss.guidance import image_guidance, word_guidance
from lfmvl_warehouse.training.model.network import NetworkOutput, TrainingNetwork
from lfmvl_warehouse.training.model.tokenizer import IMAGE_ID

_BOX_WEIGHT = 5.0
_GUIDANCE_WEIGHT = 0.5
_ALIGNMENT_WEIGHT = 0.5
_PLACE_WEIGHT = 0.25


@dataclass(frozen=True)
class Loss:
    """The sum to minimise and figures for the log (means per item, nats where entropies)."""

    total: Tensor
    figures: dict[str, float]


def soft_labels(sigma: float, size: int = 100) -> Tensor:
    """(size, size) rows of a discrete Gaussian around each value, each row summing to one.

    Args:
        sigma: width of the Gaussian in hundredths of the image.
        size: number of values, 100 or 1000, that the image is cut into.
    """
    values = torch.arange(size, dtype=torch.float32) * (100 / size)
    weights = torch.exp(-0.5 * ((values[:, None] - values[None]) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)


@lru_cache(maxsize=4)
def _labels_on(device: torch.device, sigma: float, size: int) -> Tensor:
    return soft_labels(sigma, size).to(device)


@dataclass(frozen=True)
class SoftCoordinates:
    """Soft labels for the coordinates of an answer.

    Attributes:
        ids: (1100,) tokens ``00`` to ``99``, then ``000`` to ``999``.
        pairs: (100, 100) their soft labels; triples: (1000, 1000).
    """

    ids: Tensor
    pairs: Tensor
    triples: Tensor

    @classmethod
    def of_width(cls, ids: Tensor, sigma: float) -> SoftCoordinates:
        """Labels that are ``sigma`` hundredths of the image wide."""
        return cls(ids, *(_labels_on(ids.device, sigma, size) for size in (100, 1000)))

    def loss(self, logs: Tensor, coordinate: Tensor) -> Tensor:
        """Summed cross-entropy of (N, vocabulary) log-probabilities; coordinates are (N,)."""
        size = len(self.pairs)
        two = coordinate < size
        pairs = self.pairs[coordinate[two]] * logs[two][:, self.ids[:size]]
        triples = self.triples[coordinate[~two] - size] * logs[~two][:, self.ids[size:]]
        return -(pairs.sum() + triples.sum())


def compute_loss(
    network: TrainingNetwork,
    output: NetworkOutput,
    batch: ExampleBatch,
    *,
    soft: SoftCoordinates,
    dense_weight: float,
    alignment_weight: float = 1.0,
    place_weight: float = 0.0,
) -> Loss:
    """Loss of one batch; of the dense heads alone where the language tower did not run.

    Args:
        network: gives the vocabulary head.
        output: of its forward pass.
        batch: the targets.
        soft: soft labels of coordinates.
        dense_weight: of the auxiliary heads.
        alignment_weight: factor of the alignment loss.
        place_weight: of the corners in the whole image, inside the language tower.
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
    if output.hidden is None or output.looking is None:
        return Loss(total, figures)
    language, language_figures = _language_loss(network, output.hidden, batch, soft)
    if network.alignment is not None:
        table = network.model.get_input_embeddings().weight
        aligned = network.alignment(output.tokens, table, batch, soft.pairs)
        total, language_figures = (
            total + alignment_weight * _ALIGNMENT_WEIGHT * aligned,
            {**language_figures, "aligned": float(aligned.detach())},
        )
        if place_weight:
            seen = output.looking.image.seen
            seen = seen[:, batch.ids[0, : seen.shape[1]] == IMAGE_ID]
            placed = network.alignment.places(seen, table, batch, soft.pairs)
            total = total + place_weight * _PLACE_WEIGHT * placed
            language_figures["placed"] = float(placed.detach())
    look = image_guidance(output.looking.image, batch)
    copy = word_guidance(output.looking.words, batch)
    total = total + _GUIDANCE_WEIGHT * (look + copy)
    guidance_figures = {"look": float(look.detach()), "copy": float(copy.detach())}
    return Loss(total + language, {**language_figures, **guidance_figures, **figures})


def _language_loss(
    network: TrainingNetwork, hidden: Tensor, batch: ExampleBatch, soft: SoftCoordinates
) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy of the counted tokens; means per token for the log."""
    targets, coordinate = batch.next_ids[batch.counted], batch.coordinate[batch.counted]
    answers = hidden[batch.counted[:, -hidden.shape[1] :]]  # nothing before the question counts
    logs = network.model.lm_head(answers).float().log_softmax(-1)
    soften = coordinate >= 0
    words = -logs[~soften].gather(1, targets[~soften, None]).sum()
    numbers = soft.loss(logs[soften], coordinate[soften])
    means = {
        "word": words.item() / max(1, int((~soften).sum())),
        "coord": numbers.item() / max(1, int(soften.sum())),
    }
    return (words + numbers) / batch.expected, means


def _patch_recall(scores: Tensor, kinds: Tensor) -> float:
    """Share of object patches whose kind the dense head names."""
    shown = kinds > 0
    if not shown.any():
        return 1.0
    return float((scores.detach().argmax(-1) == kinds)[shown].float().mean())
