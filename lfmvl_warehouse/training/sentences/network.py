# SPDX-License-Identifier: Apache-2.0
"""The sentence model: an LFM2 of a few million parameters, and its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, Lfm2Config, Lfm2ForCausalLM

from lfmvl_warehouse.training.sentences.tokenizer import BOS_ID, IM_END_ID, PAD_ID, wrap

_NAMES = {"c": "conv", "a": "full_attention"}
_CONTEXT = 2048  # a sentence of 1,000 characters takes as many bytes as tokens at worst, and twice


@dataclass(frozen=True)
class SentenceShape:
    """Sizes of the model.

    Attributes:
        width: channels, a multiple of 64.
        layers: its blocks, one of ``c`` (short convolution) or ``a`` (attention) each.
        ff: inner width of its feed-forward blocks.
        vocabulary: number of tokens.
    """

    width: int = 192
    layers: str = "cacaca"
    ff: int = 512
    vocabulary: int = 4096

    def __post_init__(self) -> None:
        if self.width % 64 or not 64 <= self.width <= 4096:
            raise ValueError(f"width is a multiple of 64 from 64 to 4096, got {self.width}")
        if not self.layers or set(self.layers) - set(_NAMES):
            raise ValueError(f"layers is a word of c and a, got {self.layers!r}")
        if not 0 < self.ff <= 16384 or not 512 <= self.vocabulary <= 65536:
            raise ValueError(f"ff or vocabulary is out of range: {self.ff}, {self.vocabulary}")


def build(shape: SentenceShape, vocabulary: int) -> Lfm2ForCausalLM:
    """Return a model with random weights; torch's global seed decides them.

    Args:
        shape: its sizes.
        vocabulary: tokens that the tokenizer has.
    """
    heads = shape.width // 32
    config = Lfm2Config(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.ff,
        num_hidden_layers=len(shape.layers),
        layer_types=[_NAMES[letter] for letter in shape.layers],
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        conv_L_cache=3,
        block_auto_adjust_ff_dim=False,
        max_position_embeddings=_CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
        tie_word_embeddings=True,
        bos_token_id=BOS_ID,
        eos_token_id=IM_END_ID,
        pad_token_id=PAD_ID,
    )
    model = Lfm2ForCausalLM(config)
    model.generation_config = GenerationConfig(
        bos_token_id=BOS_ID,
        eos_token_id=IM_END_ID,
        pad_token_id=PAD_ID,
        do_sample=False,
        max_new_tokens=256,
    )
    return model


def save(model: Lfm2ForCausalLM, tokenizer: Tokenizer, directory: Path) -> None:
    """Write weights (bfloat16 safetensors), configuration, tokenizer and template."""
    directory.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(directory)
    wrap(tokenizer).save_pretrained(directory)
    for path in directory.iterdir():
        path.chmod(0o644)  # safetensors files come out readable by their owner only
