# SPDX-License-Identifier: Apache-2.0
"""Time of answers and images with random weights in the shape of LFM2.5-VL-450M."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from decoding_scripts import END, FOREVER, MOTIONS, Weightless, scripted, write
from transformers import Lfm2VlConfig, Lfm2VlForConditionalGeneration

from lfmvl_ros.core.config import GenerationSettings
from lfmvl_ros.models.lfm2_vl.decoding import Blocks, NoDraft
from lfmvl_ros.models.lfm2_vl.generating import generation_config, run_generate
from lfmvl_ros.models.lfm2_vl.image_processing import image_processor_class, trim_padding
from lfmvl_ros.models.lfm2_vl.model_inputs import ModelInputs
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner


def big_model() -> Lfm2VlForConditionalGeneration:
    """The shape of LFM2.5-VL-450M with random weights."""
    layers = ["full_attention" if i in (2, 5, 8, 10, 12, 14) else "conv" for i in range(16)]
    text = {
        "model_type": "lfm2", "vocab_size": 65536, "hidden_size": 1024, "intermediate_size": 6656,
        "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 8,
        "layer_types": layers, "conv_L_cache": 3, "block_auto_adjust_ff_dim": True,
        "tie_word_embeddings": True,
    }  # fmt: skip
    vision = {
        "model_type": "siglip2_vision_model", "hidden_size": 768, "intermediate_size": 3072,
        "num_hidden_layers": 12, "num_attention_heads": 12, "patch_size": 16, "num_patches": 256,
        "vision_use_head": False,
    }  # fmt: skip
    torch.manual_seed(0)
    config = Lfm2VlConfig(text_config=text, vision_config=vision, image_token_id=396)
    return Lfm2VlForConditionalGeneration(config).eval()


def wall_ratio(model: Any, tokenizer: Any, *, frames: int, generated: int) -> float:
    """Old time over new for prompt and answer: slow scene, 6 objects, 2 decimals."""
    runner, device = Lfm2Runner(model), model.device
    embeds = torch.randn(1, 170, 1024, device=device, dtype=model.dtype) * 0.02
    row = torch.ones(1, 170, dtype=torch.int64, device=device)
    inputs = ModelInputs(row, row, embeds, (64,), 0.0, 0.0)
    config = generation_config(
        GenerationSettings(), end_ids=(65535,), pad_id=0, max_new_tokens=generated
    )
    with torch.inference_mode():
        run_generate(model, inputs, replace_tokens(config, 2), FOREVER)
        old = run_generate(model, inputs, config, FOREVER)[0]
    blocks, spent, expected = Blocks.for_device(device.type), 0.0, 0.0
    for index, (ids, draft) in enumerate(scripted(MOTIONS["slow"], 6, frames + 2, 2, tokenizer)):
        if index < 2:  # what the first answers teach costs as on any camera: once
            write(Weightless(65536), torch.zeros(1, 1, 1), ids, draft, blocks)
            continue
        written = write(runner, embeds, ids, draft, blocks)
        spent += written.prefill_s + written.decode_s
        expected += old.prefill_s + old.decode_s * (len(ids) - 1) / (generated - 1)
    alone = write(runner, embeds, [*range(10, 9 + generated), END], NoDraft(), blocks)
    print(
        f"450M {device.type} {model.dtype}: generate {expected / frames * 1e3:.0f} ms, "
        f"drafts {spent / frames * 1e3:.0f} ms an answer; a token: generate "
        f"{old.decode_s / (generated - 1) * 1e3:.1f} ms, alone "
        f"{alone.decode_s / (generated - 1) * 1e3:.1f} ms",
        flush=True,
    )
    return expected / spent


def replace_tokens(config: Any, count: int) -> Any:
    changed = type(config).from_dict(config.to_dict())
    changed.max_new_tokens = count
    return changed


def vision_ratio(model: Any) -> float:
    """Time of the vision tower at 256x256, padded as the stock processor does, to ours."""
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    stock = image_processor_class()()(images=[[image]], return_tensors="pt")
    spent = []
    for features in (stock, trim_padding(dict(stock))):
        features["pixel_values"] = features["pixel_values"].to(model.dtype)
        times = []
        with torch.inference_mode():
            for _ in range(3):
                start = time.monotonic()
                model.get_image_features(**features)
                times.append(time.monotonic() - start)
        spent.append(min(times))
    print(f"vision 256x256 {model.dtype}: {spent[0] * 1e3:.0f} -> {spent[1] * 1e3:.0f} ms")
    return spent[0] / spent[1]
