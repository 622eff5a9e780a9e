# SPDX-License-Identifier: Apache-2.0
"""The sentence model: an LFM2 of a few million parameters."""

from __future__ import annotations

from transformers import GenerationConfig, Lfm2Config, Lfm2ForCausalLM

from lfmvl_warehouse.training.model.build import LAYER_TYPES
from lfmvl_warehouse.training.sentences.settings import SentenceShape
from lfmvl_warehouse.training.sentences.tokenizer import BOS_ID, IM_END_ID, PAD_ID

_CONTEXT = 2048  # a sentence of 1,000 characters takes as many bytes as tokens at worst, and twice


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
        layer_types=[LAYER_TYPES[letter] for letter in shape.layers],
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
