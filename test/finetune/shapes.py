# SPDX-License-Identifier: Apache-2.0
"""The shapes of the published checkpoints, from their configurations."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """A configuration, and what follows from it."""

    name: str
    config: dict[str, Any]

    @property
    def vision_layers(self) -> int:
        return self.config["vision_config"]["num_hidden_layers"]

    @property
    def text_layers(self) -> int:
        return self.config["text_config"]["num_hidden_layers"]

    @property
    def attention_layers(self) -> int:
        return self.config["text_config"]["layer_types"].count("full_attention")

    @property
    def adapter_width(self) -> int:
        """Inputs and outputs of all layers that get adapters, computed from the sizes alone."""
        words, seen = self.config["text_config"], self.config["vision_config"]
        h, v, kv = words["hidden_size"], seen["hidden_size"], 64 * words["num_key_value_heads"]
        ff = words["intermediate_size"]
        if words["block_auto_adjust_ff_dim"]:
            ff = 256 * -(-int(2 * ff / 3) // 256)
        middle = self.config["projector_hidden_size"]
        return (
            self.attention_layers * (4 * h + 2 * (h + kv))
            + self.convolutions * (4 * h + 2 * h)
            + self.text_layers * 3 * (h + ff)
            + self.vision_layers * (8 * v + 2 * (v + seen["intermediate_size"]))
            + (4 * v + middle)
            + (middle + h)
        )

    @property
    def vision_adapter_width(self) -> int:
        """The same of the vision tower and the projector."""
        v, h = (
            self.config["vision_config"]["hidden_size"],
            self.config["text_config"]["hidden_size"],
        )
        ff, middle = (
            self.config["vision_config"]["intermediate_size"],
            self.config["projector_hidden_size"],
        )
        return self.vision_layers * (8 * v + 2 * (v + ff)) + 4 * v + 2 * middle + h

    @property
    def convolutions(self) -> int:
        return self.text_layers - self.attention_layers


def text(width, intermediate, attention, layers, *, adjusted, vocabulary=65_536):
    return {
        "model_type": "lfm2", "vocab_size": vocabulary, "hidden_size": width,
        "intermediate_size": intermediate, "num_hidden_layers": layers,
        "num_attention_heads": width // 64, "num_key_value_heads": 8, "conv_L_cache": 3,
        "layer_types": ["full_attention" if i in attention else "conv" for i in range(layers)],
        "block_auto_adjust_ff_dim": adjusted, "tie_word_embeddings": True,
    }  # fmt: skip


def vision(width, intermediate, layers, heads):
    return {
        "model_type": "siglip2_vision_model", "hidden_size": width,
        "intermediate_size": intermediate, "num_hidden_layers": layers,
        "num_attention_heads": heads, "patch_size": 16, "num_patches": 256,
        "vision_use_head": False,
    }  # fmt: skip


BASE, LARGE = vision(768, 3072, 12, 12), vision(1152, 4304, 27, 16)
EVERY_THIRD = (2, 5, 8, 10, 12, 14)
OF_THIRTY = (2, 5, 9, 13, 17, 21, 24, 27)


def shape(name, text_config, vision_config):
    config = {
        "text_config": text_config, "vision_config": vision_config, "image_token_id": 396,
        "projector_hidden_size": 2560, "downsample_factor": 2,
    }  # fmt: skip
    return Shape(name, config)


SMALL = text(1024, 6656, EVERY_THIRD, 16, adjusted=True)
MEDIUM = text(2048, 12_288, EVERY_THIRD, 16, adjusted=True)
BIG = text(2048, 10_752, OF_THIRTY, 30, adjusted=False)
BIG_VOCABULARY = text(2048, 10_752, OF_THIRTY, 30, adjusted=False, vocabulary=128_000)
SHAPES = (
    shape("450M", SMALL, BASE),
    shape("1.6B", MEDIUM, LARGE),
    shape("3B", BIG, LARGE),
    shape("2.5-3B", BIG_VOCABULARY, LARGE),
)
