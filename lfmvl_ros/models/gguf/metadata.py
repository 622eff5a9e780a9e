# SPDX-License-Identifier: Apache-2.0
"""What the two GGUF files say about a checkpoint besides its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import read_text
from lfmvl_ros.models.gguf.fields import Fields, is_text

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
    config: Fields
    processor: Fields
    tokenizer: Fields
    chat_template: str
    ff_width: int
    attention_blocks: tuple[bool, ...]

    @property
    def patch_px(self) -> int:
        """Side of the vision tower's patches.

        Raises:
            UserError: the configuration does not say it.
        """
        return self.config.part("vision_config").whole("patch_size")

    @classmethod
    def read(
        cls, folder: Path, name: str, shapes: Mapping[str, tuple[int, ...]]
    ) -> CheckpointFacts:
        """Read a checkpoint directory; ``shapes`` are those of its tensors, by GGUF name.

        Raises:
            UserError: a file is missing or damaged.
        """
        nested = folder / "processor_config.json"
        processor = Fields.read(nested) if nested.is_file() else None
        if processor is not None and processor.has("image_processor"):
            processor = processor.part("image_processor")
        else:
            processor = Fields.read(folder / "preprocessor_config.json")
        blocks = 1 + max(int(n.split(".")[1]) for n in shapes if n.startswith("blk."))
        if blocks > len(shapes):
            raise UserError(
                f"the weights in {folder} name block {blocks - 1}, and hold {len(shapes)} tensors; "
                "download or copy the checkpoint again"
            )
        return cls(
            name,
            Fields.read(folder / "config.json"),
            processor,
            Fields.read(folder / "tokenizer.json"),
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
            fields = Fields.read(folder / name)
            if isinstance(fields.values.get("chat_template"), str):
                return fields.text("chat_template")
    raise UserError(
        f"{folder} has no chat template (chat_template.jinja); the download or copy is incomplete"
    )


def add_text_metadata(writer: Any, facts: CheckpointFacts, kind: str) -> None:
    """Describe the language tower and its tokenizer to a ``gguf.GGUFWriter``.

    Raises:
        UserError: a field of a configuration file is missing, of another type, or out of range.
    """
    text = facts.config.part("text_config")
    _add_general(writer, facts, kind, "model")
    heads = text.whole("num_key_value_heads")
    writer.add_block_count(len(facts.attention_blocks))
    writer.add_context_length(text.whole("max_position_embeddings"))
    writer.add_embedding_length(text.whole("hidden_size"))
    writer.add_feed_forward_length(facts.ff_width)
    writer.add_head_count(text.whole("num_attention_heads"))
    # No heads is how llama.cpp knows a short convolution.
    writer.add_head_count_kv([heads if attends else 0 for attends in facts.attention_blocks])
    rope = text.part("rope_parameters") if text.has("rope_parameters") else text
    writer.add_rope_freq_base(rope.number("rope_theta"))
    writer.add_layer_norm_rms_eps(text.number("norm_eps"))
    writer.add_vocab_size(text.whole("vocab_size"))
    writer.add_shortconv_l_cache(text.whole("conv_L_cache"))
    _add_tokenizer(writer, facts)


def _add_tokenizer(writer: Any, facts: CheckpointFacts) -> None:
    text = facts.config.part("text_config")
    size = text.whole("vocab_size")  # wider than the tokenizer's: rounded up
    words, types = _tokens(facts.tokenizer, size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("lfm2")
    writer.add_token_list(words)
    writer.add_token_types(types)
    writer.add_token_merges(_merges(facts.tokenizer.part("model")))
    writer.add_bos_token_id(text.whole("bos_token_id", 0, size - 1))
    writer.add_eos_token_id(text.whole("eos_token_id", 0, size - 1))
    writer.add_pad_token_id(text.whole("pad_token_id", 0, size - 1))
    writer.add_chat_template(facts.chat_template)


def _tokens(tokenizer: Fields, size: int) -> tuple[list[str], list[Any]]:
    """Return the word and the ``gguf.TokenType`` of each id below ``size``."""
    from gguf import TokenType

    words = [f"[PAD{id_}]" for id_ in range(size)]
    types = [TokenType.UNUSED] * size
    vocabulary = tokenizer.part("model").part("vocab")
    for word, id_ in vocabulary.values.items():
        if not is_text(word):
            raise vocabulary.wrong("a word", word, "text")
        if type(id_) is not int or not 0 <= id_ < size:
            vocabulary.whole(word, 0, size - 1)  # raises
        words[id_], types[id_] = word, TokenType.NORMAL
    for added in tokenizer.parts("added_tokens"):
        id_ = added.whole("id", 0, size - 1)
        special = added.flag("special")
        words[id_] = added.text("content")
        types[id_] = TokenType.CONTROL if special else TokenType.USER_DEFINED
    return words, types


def _merges(model: Fields) -> list[str]:
    """Return the tokenizer's pairs, each as text: they are stored so, or as lists of two."""
    found = []
    for number, pair in enumerate(model.items("merges")):
        words = [pair] if isinstance(pair, str) else pair
        if not isinstance(words, list) or not 1 <= len(words) <= 2 or not all(map(is_text, words)):
            raise model.wrong(f"merges[{number}]", pair, "two words")
        found.append(" ".join(words))
    return found


def add_vision_metadata(writer: Any, facts: CheckpointFacts, kind: str) -> None:
    """Describe vision tower and projector to a ``gguf.GGUFWriter``.

    Raises:
        UserError: a field of a configuration file is missing, of another type, or out of range; or
            llama.cpp does not resize images as this checkpoint wants it.
    """
    vision, processor = facts.config.part("vision_config"), facts.processor
    _add_general(writer, facts, kind, "mmproj")
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("lfm2")
    writer.add_vision_projection_dim(facts.config.part("text_config").whole("hidden_size"))
    writer.add_vision_image_size(256)  # of the position embeddings; larger ones are interpolated
    writer.add_vision_patch_size(facts.patch_px)
    writer.add_vision_embedding_length(vision.whole("hidden_size"))
    writer.add_vision_feed_forward_length(vision.whole("intermediate_size"))
    blocks = vision.whole("num_hidden_layers")
    last = facts.config.whole("vision_feature_layer", -blocks, -1, default=-1)
    writer.add_vision_block_count(blocks + 1 + last)
    writer.add_vision_head_count(vision.whole("num_attention_heads"))
    writer.add_vision_image_mean(processor.colours("image_mean"))
    writer.add_vision_image_std(processor.colours("image_std", above=0))
    writer.add_vision_attention_layernorm_eps(vision.number("layer_norm_eps"))
    writer.add_vision_projector_scale_factor(facts.config.whole("downsample_factor"))
    writer.add_vision_use_gelu(True)
    resample = processor.whole("resample", 0, default=2)
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
