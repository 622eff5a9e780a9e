# SPDX-License-Identifier: Apache-2.0
"""Build and save a small checkpoint with the genuine LFM2-VL architecture and processor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    Lfm2VlConfig,
    Lfm2VlForConditionalGeneration,
    Lfm2VlProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_warehouse.training.data.patch_grid import BUDGET
from lfmvl_warehouse.training.model import tokenizer as layout

PATCH_PX = 16
POSITION_GRID = 16  # position embeddings are learned on 16x16 patches and interpolated from there
MAX_NEW_TOKENS = 512
LAYER_TYPES = {"c": "conv", "a": "full_attention"}
"""Letters of a word of layers."""


@dataclass(frozen=True)
class ModelShape:
    """Sizes of the two towers.

    Attributes:
        vision_width: channels of the SigLIP2 tower, a multiple of 32.
        vision_layers: its blocks.
        text_width: channels of the LFM2 tower, a multiple of 64.
        text_layers: its blocks, one of ``c`` (short convolution) or ``a`` (attention) each.
        text_ff: inner width of its feed-forward blocks.
    """

    vision_width: int = 192
    vision_layers: int = 6
    text_width: int = 128
    text_layers: str = "caacaa"
    text_ff: int = 352

    def __post_init__(self) -> None:
        if self.vision_width % 32 or self.text_width % 64 or self.text_ff % 32:
            raise ValueError(
                "vision_width and text_ff must be multiples of 32, text_width of 64; got "
                f"{self.vision_width}, {self.text_ff}, {self.text_width}"
            )
        sizes = (self.vision_width, self.text_width, self.text_ff)
        if not 0 < min(sizes) <= max(sizes) <= 8192 or not 0 < self.vision_layers <= 64:
            raise ValueError(
                f"widths are from 32 to 8192 and there are 1 to 64 vision_layers, got {self}"
            )
        if len(self.text_layers) > 128:
            raise ValueError(f"there are at most 128 text_layers, got {len(self.text_layers)}")
        if not self.text_layers or set(self.text_layers) - {"c", "a"}:
            raise ValueError(f"text_layers is a word of c and a, got {self.text_layers!r}")


def build_config(shape: ModelShape, *, vocabulary: int) -> Lfm2VlConfig:
    """The configuration of a checkpoint with this shape (vocabulary padded to 32)."""
    return Lfm2VlConfig(
        text_config={
            "model_type": "lfm2",
            "vocab_size": -(-vocabulary // 32) * 32,
            "hidden_size": shape.text_width,
            "intermediate_size": shape.text_ff,
            "num_hidden_layers": len(shape.text_layers),
            "num_attention_heads": shape.text_width // 32,
            "num_key_value_heads": shape.text_width // 64,
            "max_position_embeddings": 8192,
            "layer_types": [LAYER_TYPES[letter] for letter in shape.text_layers],
            "conv_L_cache": 3,
            "block_auto_adjust_ff_dim": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
            "bos_token_id": layout.BOS_ID,
            "eos_token_id": layout.IM_END_ID,
            "pad_token_id": layout.PAD_ID,
            "tie_word_embeddings": True,
        },
        vision_config={
            "model_type": "siglip2_vision_model",
            "hidden_size": shape.vision_width,
            "intermediate_size": 4 * shape.vision_width,
            "num_hidden_layers": shape.vision_layers,
            "num_attention_heads": shape.vision_width // 32,
            "patch_size": PATCH_PX,
            "num_patches": POSITION_GRID**2,
            "vision_use_head": False,
        },
        image_token_id=layout.IMAGE_ID,
        projector_hidden_size=2 * shape.text_width,
        downsample_factor=2,
        projector_use_layernorm=True,
        tie_word_embeddings=True,
    )


def build_model(shape: ModelShape, *, vocabulary: int) -> Lfm2VlForConditionalGeneration:
    """A model with random weights (torch's global seed decides them)."""
    model = Lfm2VlForConditionalGeneration(build_config(shape, vocabulary=vocabulary))
    model.generation_config = GenerationConfig(
        bos_token_id=layout.BOS_ID,
        eos_token_id=layout.IM_END_ID,
        pad_token_id=layout.PAD_ID,
        do_sample=False,
        max_new_tokens=MAX_NEW_TOKENS,
    )
    return model


def build_processor(
    tokenizer: PreTrainedTokenizerFast, budget: ImageTokenSettings = BUDGET
) -> Lfm2VlProcessor:
    """The genuine processor: tiles and thumbnail exist, splitting is off by default here."""
    from lfmvl_ros.models.lfm2_vl.image_processing import image_processor_class

    image_processor = image_processor_class()(
        min_image_tokens=budget.min_tokens,
        max_image_tokens=budget.max_tokens,
        do_image_splitting=budget.split,
        tile_size=budget.tile_px,
    )
    return Lfm2VlProcessor(
        image_processor=image_processor, tokenizer=tokenizer, chat_template=layout.CHAT_TEMPLATE
    )


def save_checkpoint(
    model: PreTrainedModel,
    processor: Lfm2VlProcessor | PreTrainedTokenizerFast,
    directory: Path,
) -> None:
    """Write weights (bfloat16 safetensors), configuration, processor, tokenizer and template.

    A model without vision has a tokenizer instead of a processor.
    """
    directory.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(directory)
    processor.save_pretrained(directory)
    for path in directory.iterdir():
        path.chmod(0o644)  # safetensors files come out readable by their owner only


def count_parameters(model: torch.nn.Module) -> int:
    """Number of parameters, shared ones counted once."""
    return sum(parameter.numel() for parameter in model.parameters())
