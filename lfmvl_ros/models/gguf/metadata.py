# SPDX-License-Identifier: Apache-2.0
"""What the two GGUF files say about a checkpoint besides its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import read_text
from lfmvl_ros.models.checkpoint_files import read_json

_RESAMPLING = {1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers -> llama.cpp's words
_FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7}  # llama.cpp's enum llama_ftype


@dataclass(frozen=True)
class CheckpointFacts:
    """A checkpoint's configuration files, read once.

    Attributes:
        name: of the checkpoint.
        config: ``config.json``.
        processor: options of the image processor.
        tokenizer: ``tokenizer.json``.
        chat_template: Jinja source.
        ff_width: inner width of the language tower's feed-forward blocks, from the weights: the
            configuration only says how to compute it.
        attention_blocks: for each block of the language tower, whether it is an attention block.
    """

    name: str
    config: Mapping[str, Any]
    processor: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    chat_template: str
    ff_width: int
    attention_blocks: tuple[bool, ...]

    @classmethod
    def read(
        cls, folder: Path, name: str, shapes: Mapping[str, tuple[int, ...]]
    ) -> CheckpointFacts:
        """Read a checkpoint directory; ``shapes`` are those of its tensors, by GGUF name.

        Raises:
            UserError: a file is missing or damaged.
        """
        nested = folder / "processor_config.json"
        processor = read_json(nested).get("image_processor") if nested.is_file() else None
        if processor is None:
            processor = read_json(folder / "preprocessor_config.json")
        blocks = 1 + max(int(n.split(".")[1]) for n in shapes if n.startswith("blk."))
        return cls(
            name,
            read_json(folder / "config.json"),
            processor,
            read_json(folder / "tokenizer.json"),
            _chat_template(folder),
            shapes["blk.0.ffn_gate.weight"][0],
            tuple(f"blk.{block}.attn_q.weight" in shapes for block in range(blocks)),
        )


def _chat_template(folder: Path) -> str:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return read_text(path)
    for name in ("chat_template.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            template = read_json(folder / name).get("chat_template")
            if isinstance(template, str):
                return template
    raise UserError(
        f"{folder} has no chat template (chat_template.jinja); the download or copy is incomplete"
    )


def add_text_metadata(writer: Any, facts: CheckpointFacts, kind: str) -> None:
    """Describe the language tower and its tokenizer to a ``gguf.GGUFWriter``."""
    text = facts.config["text_config"]
    _add_general(writer, facts, kind, "model")
    heads = text["num_key_value_heads"]
    writer.add_block_count(len(facts.attention_blocks))
    writer.add_context_length(text["max_position_embeddings"])
    writer.add_embedding_length(text["hidden_size"])
    writer.add_feed_forward_length(facts.ff_width)
    writer.add_head_count(text["num_attention_heads"])
    # No heads is how llama.cpp knows a short convolution.
    writer.add_head_count_kv([heads if attends else 0 for attends in facts.attention_blocks])
    rope = text.get("rope_parameters") or text
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_layer_norm_rms_eps(text["norm_eps"])
    writer.add_vocab_size(text["vocab_size"])
    writer.add_shortconv_l_cache(text["conv_L_cache"])
    _add_tokenizer(writer, facts)


def _add_tokenizer(writer: Any, facts: CheckpointFacts) -> None:
    from gguf import TokenType

    text, model = facts.config["text_config"], facts.tokenizer["model"]
    words = {id_: word for word, id_ in model["vocab"].items()}
    types = dict.fromkeys(words, TokenType.NORMAL)
    for added in facts.tokenizer["added_tokens"]:
        words[added["id"]] = added["content"]
        types[added["id"]] = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
    ids = range(text["vocab_size"])  # wider than the tokenizer's: rounded up
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("lfm2")
    writer.add_token_list([words.get(id_, f"[PAD{id_}]") for id_ in ids])
    writer.add_token_types([types.get(id_, TokenType.UNUSED) for id_ in ids])
    writer.add_token_merges(
        [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    )
    writer.add_bos_token_id(text["bos_token_id"])
    writer.add_eos_token_id(text["eos_token_id"])
    writer.add_pad_token_id(text["pad_token_id"])
    writer.add_chat_template(facts.chat_template)


def add_vision_metadata(writer: Any, facts: CheckpointFacts, kind: str) -> None:
    """Describe vision tower and projector to a ``gguf.GGUFWriter``."""
    vision, processor = facts.config["vision_config"], facts.processor
    _add_general(writer, facts, kind, "mmproj")
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("lfm2")
    writer.add_vision_projection_dim(facts.config["text_config"]["hidden_size"])
    writer.add_vision_image_size(256)  # of the position embeddings; larger ones are interpolated
    writer.add_vision_patch_size(vision["patch_size"])
    writer.add_vision_embedding_length(vision["hidden_size"])
    writer.add_vision_feed_forward_length(vision["intermediate_size"])
    used = vision["num_hidden_layers"] + 1 + facts.config.get("vision_feature_layer", -1)
    writer.add_vision_block_count(used)
    writer.add_vision_head_count(vision["num_attention_heads"])
    writer.add_vision_image_mean(processor["image_mean"])
    writer.add_vision_image_std(processor["image_std"])
    writer.add_vision_attention_layernorm_eps(vision["layer_norm_eps"])
    writer.add_vision_projector_scale_factor(facts.config["downsample_factor"])
    writer.add_vision_use_gelu(True)
    resample = processor.get("resample", 2)
    if resample not in _RESAMPLING:
        raise UserError(
            f"{facts.name} resizes images by Pillow's method {resample}, which llama.cpp does not "
            f"have; it has {', '.join(f'{n} ({word})' for n, word in _RESAMPLING.items())}"
        )
    writer.add_string("clip.vision.image_resize_algo", _RESAMPLING[resample])


def _add_general(writer: Any, facts: CheckpointFacts, kind: str, role: str) -> None:
    writer.add_type(role)
    writer.add_name(facts.name)
    writer.add_file_type(_FILE_TYPES[kind])
    writer.add_quantization_version(2)
