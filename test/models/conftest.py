# SPDX-License-Identifier: Apache-2.0
"""A small genuine LFM2-VL checkpoint with random weights, made once for all tests here."""

import numpy as np
import pytest
import torch

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.query import Query


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Directory of a checkpoint whose answers are long and varied (random, but not constant)."""
    from lfmvl_warehouse.training.model.build import (
        ModelShape,
        build_model,
        build_processor,
        save_checkpoint,
    )
    from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

    torch.manual_seed(3)
    tokenizer = build_tokenizer(["red tote", "Größe", "人"])
    shape = ModelShape(
        vision_width=64, vision_layers=2, text_width=64, text_layers="cacac", text_ff=96
    )
    model = build_model(shape, vocabulary=len(tokenizer))
    # Larger weights inside than at the tied embedding, or each token just repeats itself.
    for name, weight in model.named_parameters():
        if weight.ndim >= 2 and ".layers." in name:
            torch.nn.init.normal_(weight, std=0.25)
    directory = tmp_path_factory.mktemp("checkpoint") / "tiny"
    save_checkpoint(model, build_processor(tokenizer), directory)
    return directory


@pytest.fixture(scope="session")
def backend(checkpoint):
    """The checkpoint, loaded as a user's settings load it."""
    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.models.load import load_model

    return load_model(PerceptionSettings(model=str(checkpoint), device="cpu"))


@pytest.fixture(scope="session")
def int8(checkpoint):
    """The checkpoint with int8 weights where this processor has exact products of them."""
    from lfmvl_ros.models.load import load_model

    return load_model(f"{checkpoint}:int8", device="cpu")


@pytest.fixture(scope="session")
def lfm3_checkpoint(tmp_path_factory):
    """Directory of a small LFM3-VL checkpoint with random weights, of transformers' own class."""
    transformers = pytest.importorskip("transformers", minversion="5.23")
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    from lfmvl_warehouse.training.model import tokenizer as layout

    torch.manual_seed(5)
    tokenizer = layout.build_tokenizer(["red tote", "Größe", "人"])
    marks = ["<|image|>", "<|video|>", "<|vision_start|>", "<|vision_end|>", "<think>", "</think>"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    image, video, start, end = tokenizer.convert_tokens_to_ids(marks[:4])
    image_marks = f"{marks[2]}{marks[0]}{marks[3]}"
    tokenizer.chat_template = layout.CHAT_TEMPLATE.replace("<image>", image_marks)
    config = transformers.Lfm3VlConfig(
        text_config={
            "model_type": "lfm3", "vocab_size": -(-len(tokenizer) // 32) * 32, "hidden_size": 64,
            "intermediate_size": 96, "num_hidden_layers": 5, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 48,
            "max_position_embeddings": 8192, "pad_token_id": layout.PAD_ID,
            "bos_token_id": layout.BOS_ID, "eos_token_id": layout.IM_END_ID,
        },
        vision_config={
            "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2,
        },
        image_token_id=image, video_token_id=video, vision_start_token_id=start,
        vision_end_token_id=end, projector_hidden_size=96,
    )  # fmt: skip
    model = transformers.Lfm3VlForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if weight.ndim >= 2 and ".layers." in name:
            torch.nn.init.normal_(weight, std=0.25)
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=layout.BOS_ID, eos_token_id=layout.IM_END_ID, pad_token_id=layout.PAD_ID
    )
    directory = tmp_path_factory.mktemp("lfm3") / "tiny3"
    model.to(torch.bfloat16).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    Qwen2VLImageProcessorPil(
        patch_size=16, size={"shortest_edge": 64 * 32**2, "longest_edge": 128 * 32**2}
    ).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def lfm3(lfm3_checkpoint):
    """The small LFM3-VL checkpoint, loaded as a user's settings load it."""
    from lfmvl_ros.models.load import load_model

    return load_model(str(lfm3_checkpoint), device="cpu")


@pytest.fixture(scope="session")
def plain(backend):
    """The same weights, all of it through transformers' generate."""
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend

    return Lfm2VlBackend(
        backend._model, backend._processor, name="plain", template=backend.template,
        use_runner=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def gguf_files(checkpoint, tmp_path_factory):
    """The checkpoint as GGUF files in float16."""
    pytest.importorskip("gguf", reason="gguf is not installed: no GGUF files can be written")
    from lfmvl_ros.models.gguf.export import export_gguf

    return export_gguf(checkpoint, tmp_path_factory.mktemp("gguf"), "f16", name="tiny")


@pytest.fixture(scope="session")
def managed(gguf_files):
    """The exported checkpoint, behind a llama.cpp server that is started for it."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: no llama.cpp server here")
    from lfmvl_ros.models.load import load_model

    model = load_model(str(gguf_files.text), device="cpu")
    yield model
    model.close()


@pytest.fixture(scope="session")
def server(managed, gguf_files):
    """The same server, as one that somebody else started."""
    from lfmvl_ros.models.load import load_model

    return load_model(f"unix:{managed.server.address.socket}#{gguf_files.facts}")


@pytest.fixture(scope="session")
def scenes(backend):
    """Make ``n`` images of different sizes, each with a prompt of its own."""
    sizes = [(256, 256), (320, 240), (640, 480), (96, 200), (400, 128)]
    words = ["person", "red tote, blue box", "forklift", "traffic cone, pallet, worker"]

    def make(n, seed=0):
        rng = np.random.default_rng(seed)
        frames, prompts = [], []
        for i in range(n):
            width, height = sizes[(i + seed) % len(sizes)]
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            frames.append(Frame(pixels, stamp_ns=i * 100_000_000))
            prompts.append(backend.template.render(Query.parse(words[(i + seed) % len(words)])))
        return frames, prompts

    return make
