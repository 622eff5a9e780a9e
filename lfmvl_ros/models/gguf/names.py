# SPDX-License-Identifier: Apache-2.0
"""From transformers' tensor names to those that llama.cpp expects, and to which of two files."""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT, VISION = "text", "vision"
"""The two files: language tower; vision tower and projector (llama.cpp's *mmproj*)."""

_TEXT_BLOCK = {
    "operator_norm": "attn_norm",
    "ffn_norm": "ffn_norm",
    "conv.conv": "shortconv.conv",
    "conv.in_proj": "shortconv.in_proj",
    "conv.out_proj": "shortconv.out_proj",
    "feed_forward.w1": "ffn_gate",
    "feed_forward.w2": "ffn_down",
    "feed_forward.w3": "ffn_up",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_output",
    "self_attn.q_layernorm": "attn_q_norm",
    "self_attn.k_layernorm": "attn_k_norm",
}
_TEXT = {"embed_tokens": "token_embd", "embedding_norm": "token_embd_norm"}
_VISION_BLOCK = {
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
}
_VISION = {
    "embeddings.patch_embedding": "v.patch_embd",
    "embeddings.position_embedding": "v.position_embd",
    "post_layernorm": "v.post_ln",
}
_PROJECTOR = {"layer_norm": "mm.input_norm", "linear_1": "mm.1", "linear_2": "mm.2"}
_NAME = re.compile(
    r"(?:model\.)?(?P<tower>language_model|vision_tower|multi_modal_projector)\."
    r"(?:vision_model\.)?(?:encoder\.)?(?:layers\.(?P<block>\d+)\.)?"
    r"(?P<rest>.+)\.(?P<kind>weight|bias)"
)


@dataclass(frozen=True)
class TensorName:
    """Where a tensor goes: ``file`` is :data:`TEXT` or :data:`VISION`, ``name`` its name there."""

    file: str
    name: str


def tensor_name(name: str) -> TensorName | None:
    """Translate a name of ``Lfm2VlForConditionalGeneration``; None where nothing corresponds.

    >>> tensor_name("model.language_model.layers.3.feed_forward.w1.weight")
    TensorName(file='text', name='blk.3.ffn_gate.weight')
    >>> tensor_name("model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias").name
    'v.blk.0.ffn_up.bias'
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    tower, block, rest, kind = match["tower"], match["block"], match["rest"], match["kind"]
    if tower == "multi_modal_projector":
        known = None if block else _PROJECTOR.get(rest)
        return TensorName(VISION, f"{known}.{kind}") if known else None
    single, repeated = (_VISION, _VISION_BLOCK) if tower == "vision_tower" else (_TEXT, _TEXT_BLOCK)
    known = (repeated if block else single).get(rest)
    if known is None:
        return None
    if block:
        known = f"blk.{block}.{known}" if tower == "language_model" else f"v.blk.{block}.{known}"
    return TensorName(VISION if tower == "vision_tower" else TEXT, f"{known}.{kind}")
