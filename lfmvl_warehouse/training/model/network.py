# SPDX-License-Identifier: Apache-2.0
"""The training view of the model: one patch grid per batch, no masks, auxiliary dense heads.

It runs the checkpoint's own modules; what the processor and ``forward`` do image by image is done
for the whole batch at once, which is what a CPU needs. A test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import Lfm2VlForConditionalGeneration

from lfmvl_warehouse.training.data.patch_grid import PATCH_PX, TILE_PX, Crop, Grid
from lfmvl_warehouse.training.model.causal_attention import use_plain_attention
from lfmvl_warehouse.training.model.shared_prefix import Attending, read, shared_places
from lfmvl_warehouse.training.model.tokenizer import IMAGE_ID

if TYPE_CHECKING:
    from lfmvl_warehouse.training.loss.alignment import Alignment


@dataclass(frozen=True)
class Looking:
    """Attention maps of the guided blocks.

    Attributes:
        image: of the block that is trained to attend to the right place in the image.
        words: of the block that is trained to attend to the right place in the prompt.
    """

    image: Attending
    words: Attending


@dataclass(frozen=True)
class NetworkOutput:
    """What one forward pass gives.

    Attributes:
        hidden: (B, T - S, D) output of the language tower before the vocabulary, behind the S
            places that questions about an image share; or None.
        tokens: (I, N, D) image tokens as the language tower gets them, or None.
        looking: what guided attention blocks look at, or None.
        kinds: (B, P, K) scores of each patch over background and kinds.
        colours: (B, P, C) scores over no colour and colours.
        boxes: (B, P, 4) normalised x1, y1, x2, y2 of the object in each patch.
    """

    hidden: Tensor | None
    tokens: Tensor | None
    looking: Looking | None
    kinds: Tensor
    colours: Tensor
    boxes: Tensor


def patchify(images: Sequence[Tensor], grid: Grid) -> Tensor:
    """Pixels -> (B, patches, 768) in [-1, 1], crop by crop.

    Args:
        images: uint8 (B, H, W, 3) for each size of ``grid.sizes_px``.
        grid: of the images.
    """
    *large, whole = images
    parts = [_patches(tiled, (TILE_PX, TILE_PX)) for tiled in large]
    return torch.cat([*parts, _patches(whole, grid.wh_px)], 1)


def _patches(pixels: Tensor, crop_wh: tuple[int, int]) -> Tensor:
    """Cut (B, H, W, 3) into crops row by row, and those into patches row by row."""
    images, height, width, _ = pixels.shape
    values = pixels.float().mul_(2 / 255).sub_(1)
    columns, rows = crop_wh[0] // PATCH_PX, crop_wh[1] // PATCH_PX
    down, across = height // crop_wh[1], width // crop_wh[0]
    shape = (images, down, rows, PATCH_PX, across, columns, PATCH_PX, 3)
    cut = values.view(shape).permute(0, 1, 4, 2, 5, 3, 6, 7)
    return cut.reshape(images, down * across * rows * columns, -1)


def by_shape(values: Tensor, grid: Grid) -> Iterator[tuple[Crop, Tensor]]:
    """Cut (B, P, C) values of patches where the shape of crops changes: tiles, and the whole."""
    start = 0
    for _, group in groupby(grid.crops, key=lambda crop: (crop.columns, crop.rows)):
        crops = list(group)
        stop = start + sum(crop.patches for crop in crops)
        yield crops[0], values[:, start:stop]
        start = stop


class TrainingNetwork(nn.Module):
    """The model with heads that read kind, colour and box off every patch (training only)."""

    def __init__(
        self,
        model: Lfm2VlForConditionalGeneration,
        *,
        kinds: int,
        colours: int,
        alignment: Alignment | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        use_plain_attention(model)
        width = model.config.vision_config.hidden_size
        self.kind_head = nn.Linear(width, kinds + 1)
        self.colour_head = nn.Linear(width, colours + 1)
        self.box_head = nn.Linear(width, 4)
        self.alignment = alignment

    def see(self, patches: Tensor, grid: Grid) -> Tensor:
        """Patches (B, P, 768) -> features (B, P, vision width); each crop by itself."""
        parts = []
        for crop, values in by_shape(patches, grid):
            seen = self._see_crop(values.reshape(-1, crop.patches, values.shape[-1]), crop)
            parts.append(seen.view(len(patches), -1, seen.shape[-1]))
        return torch.cat(parts, 1)

    def _see_crop(self, patches: Tensor, crop: Crop) -> Tensor:
        tower = self.model.model.vision_tower
        embeddings = tower.embeddings
        side = embeddings.position_embedding_size
        table = embeddings.position_embedding.weight.reshape(side, side, -1)
        shape = torch.tensor([[crop.rows, crop.columns]])
        positions = embeddings.resize_positional_embeddings(table, shape, crop.patches)
        hidden = embeddings.patch_embedding(patches) + positions
        hidden = tower.encoder(inputs_embeds=hidden, attention_mask=None).last_hidden_state
        normed: Tensor = tower.post_layernorm(hidden)
        return normed

    def project(self, features: Tensor, grid: Grid) -> Tensor:
        """Features (I, P, vision width) -> image tokens (I, N, D)."""
        parts = []
        for crop, values in by_shape(features, grid):
            square = values.reshape(-1, crop.rows, crop.columns, values.shape[-1])
            tokens = self.model.model.multi_modal_projector(square)
            parts.append(tokens.reshape(len(features), -1, tokens.shape[-1]))
        return torch.cat(parts, 1)

    @property
    def guided_layers(self) -> tuple[int, int]:
        """The attention blocks whose attention is trained directly: the last but one, and the last.

        One looks at the image, the other, which then knows what there is, at the words for it. In
        a model with a single attention block they are the same, with half of the heads each.
        """
        layers = self.model.model.language_model.layers
        places = [i for i, layer in enumerate(layers) if layer.is_attention_layer]
        return places[-2:][0], places[-1]

    def read(self, image: Tensor, ids: Tensor) -> tuple[Tensor, Looking]:
        """Image tokens (I, N, D) and token ids (B, T) -> hidden states behind the image.

        B is a multiple of I: consecutive rows belong to the same image, and are the same up to its
        last token.

        Returns:
            (B, T - S, D) where S is :func:`shared_places` of the ids, and what guidance needs.
        """
        text = self.model.model.language_model
        shared = shared_places(ids)
        early = ids[:: len(ids) // len(image), :shared]
        beginning = text.embed_tokens(early)
        image = image.reshape(-1, image.shape[-1]).to(beginning.dtype)
        beginning = beginning.masked_scatter((early == IMAGE_ID)[..., None], image)
        guided = self.guided_layers
        hidden, seen = read(text, beginning, text.embed_tokens(ids[:, shared:]), guided)
        return hidden, Looking(*(seen[index] for index in guided))

    def forward(self, patches: Tensor, ids: Tensor | None, grid: Grid) -> NetworkOutput:
        """Run both towers and the dense heads on a batch that shares one grid.

        Without ids only the vision tower runs.
        """
        features = self.see(patches, grid)
        tokens = hidden = looking = None
        if ids is not None:
            tokens = self.project(features, grid)
            hidden, looking = self.read(tokens, ids)
        return NetworkOutput(
            hidden,
            tokens,
            looking,
            self.kind_head(features),
            self.colour_head(features),
            self.box_head(features),
        )
