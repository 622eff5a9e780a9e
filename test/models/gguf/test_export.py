# SPDX-License-Identifier: Apache-2.0
"""A checkpoint as GGUF files: every tensor arrives, and an unusable checkpoint is refused."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.gguf import export, metadata
from lfmvl_ros.models.gguf.export import KINDS, export_gguf, stored_type
from lfmvl_ros.models.gguf.names import TEXT, VISION, tensor_name
from lfmvl_ros.models.gguf.safetensors import checkpoint_tensors
from lfmvl_ros.models.server.facts import facts_of

from ...examples import examples

gguf = pytest.importorskip("gguf", reason="gguf is not installed: no GGUF files can be written")
# Half a step of the coarsest grid, in units of a block's largest value.
LARGEST_ERROR = {"f32": 0.0, "f16": 2**-11, "q8_0": 1 / 127 / 2 + 2**-11, "q4_0": 1 / 8 + 2**-11}


@pytest.fixture(scope="module")
def weights(checkpoint):
    return load_file(checkpoint / "model.safetensors")


def read(path):
    return {
        tensor.name: (tensor.tensor_type, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        for tensor in gguf.GGUFReader(path).tensors
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_tensor_arrives(checkpoint, weights, kind, tmp_path):
    files = export_gguf(checkpoint, tmp_path, kind, name="tiny")
    written = {TEXT: read(files.text), VISION: read(files.mmproj)}
    assert sum(map(len, written.values())) == len(weights)
    for name, weight in weights.items():
        ours = tensor_name(name)
        stored, values = written[ours.file][ours.name]
        expected = weight.float().numpy()
        if ours.name == "v.patch_embd.weight":
            expected = expected.reshape(-1, 16, 16, 3).transpose(0, 3, 1, 2)
        values = values.reshape(expected.shape)
        if stored == gguf.GGMLQuantizationType.F32:
            np.testing.assert_array_equal(values, expected)
        else:
            scale = np.abs(expected).max(axis=-1, keepdims=True)
            error = LARGEST_ERROR[stored.name.lower()]
            assert (np.abs(values - expected) <= error * scale + 1e-7).all()


def test_what_is_stored_in_which_precision():
    type_ = gguf.GGMLQuantizationType
    assert stored_type("blk.0.attn_q.weight", (64, 64), "q4_0") == type_.Q4_0
    assert stored_type("token_embd.weight", (512, 64), "q4_0") == type_.Q8_0
    assert stored_type("blk.0.attn_q.weight", (64, 48), "q8_0") == type_.F16
    assert stored_type("blk.0.shortconv.conv.weight", (64, 3), "f16") == type_.F32
    assert stored_type("v.blk.0.ln1.bias", (64,), "f16") == type_.F32


def test_no_two_tensors_get_one_name(weights):
    names = [tensor_name(name) for name in weights]
    assert None not in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "name",
    [
        "lm_head.bias",
        "model.language_model.layers.0.self_attn.q_proj.lora_A.weight",
        "model.language_model.layers.x.ffn_norm.weight",
        "model.vision_tower.vision_model.head.probe",
        "",
    ],
)
def test_unknown_tensors_are_unknown(name):
    assert tensor_name(name) is None


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    seed=st.integers(0, 999),
)
@examples(30)
def test_tensors_are_read_as_torch_reads_them(tmp_path_factory, shape, dtype, seed):
    folder = tmp_path_factory.mktemp("weights")
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    save_file({"a.weight": made, "b": made[:1].clone()}, folder / "model.safetensors")
    found = {tensor.name: tensor for tensor in checkpoint_tensors(folder)}
    assert found["a.weight"].shape == tuple(shape)
    np.testing.assert_array_equal(found["a.weight"].values(), made.float().numpy())


@pytest.mark.parametrize("cut", [0, 4, 9, 500, -1])
def test_damaged_weights_are_refused(checkpoint, cut, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="download or copy it again"):
        export_gguf(folder, tmp_path / "out", "f16", name="tiny")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("config.json", lambda d: d.update(model_type="llama"), "runs LFM2-VL"),
        ("config.json", lambda d: d["text_config"].pop("hidden_size"), "lacks 'hidden_size'"),
        ("processor_config.json", lambda d: d["image_processor"].update(resample=0), "method 0"),
    ],
)
def test_an_unusable_checkpoint_is_refused(checkpoint, file, change, said, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    document = json.loads((folder / file).read_text())
    change(document)
    (folder / file).write_text(json.dumps(document))
    with pytest.raises(UserError, match=said):
        export_gguf(folder, tmp_path / "out", "f16", name="tiny")


WRONG = [None, True, 0.5, -1, -0.0, 1e308, 10**40, float("nan"), "x", "\ud800", [], [1, None],
         {"a": 1}]  # fmt: skip
FIELDS = {
    "config.json": [
        "text_config", "vision_config", "text_config.hidden_size",
        "text_config.max_position_embeddings", "text_config.num_attention_heads",
        "text_config.num_key_value_heads", "text_config.norm_eps", "text_config.rope_parameters",
        "text_config.vocab_size", "text_config.conv_L_cache", "text_config.bos_token_id",
        "text_config.eos_token_id", "text_config.pad_token_id", "vision_config.patch_size",
        "vision_config.hidden_size", "vision_config.intermediate_size",
        "vision_config.num_hidden_layers", "vision_config.num_attention_heads",
        "vision_config.layer_norm_eps", "downsample_factor", "vision_feature_layer",
    ],
    "processor_config.json": [
        "image_processor", "image_processor.image_mean", "image_processor.image_mean.1",
        "image_processor.image_std", "image_processor.image_std.0", "image_processor.resample",
        "image_processor.max_tiles", "image_processor.min_tiles",
    ],
    "tokenizer.json": [
        "model", "model.vocab", "model.vocab.a", "model.merges", "model.merges.1",
        "model.merges.1.0", "added_tokens", "added_tokens.2", "added_tokens.2.id",
        "added_tokens.2.content", "added_tokens.2.special",
    ],
    "training.json": ["data", "data.fingerprint"],
}  # fmt: skip


@pytest.mark.parametrize(("file", "field"), [(f, field) for f in FIELDS for field in FIELDS[f]])
def test_a_value_of_another_type_or_range_is_refused_in_a_sentence(
    checkpoint, file, field, tmp_path, monkeypatch
):
    def only_metadata(writer, *_arguments):
        writer.write_header_to_file(path=Path(os.devnull))
        writer.write_kv_data_to_file()
        writer.close()

    monkeypatch.setattr(export, "_write", only_metadata)
    folder, out, said = tmp_path / "copy", tmp_path / "out", []
    shutil.copytree(checkpoint, folder)
    path = folder / file
    whole = json.loads(path.read_text()) if path.exists() else {"data": {}}
    *parents, last = [int(key) if key.isdigit() else key for key in field.split(".")]
    for value in WRONG:
        document = json.loads(json.dumps(whole))
        inner = document
        for key in parents:
            inner = inner[key]
        inner[last] = value
        path.write_text(json.dumps(document))
        try:
            export_gguf(folder, out, "q4_0", name="tiny")
        except UserError as error:
            said.append(str(error))
    assert all(str(folder) in error and len(error) < 500 for error in said)
    if file == "training.json":  # which only adds to the facts
        return
    assert len(said) > 3
    assert out.exists() == (len(said) < len(WRONG)), "all is checked before anything is written"


def test_a_value_that_the_format_has_no_place_for_is_named_by_its_key(
    checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(metadata, "_FILE_TYPES", {"f16": "x"})
    with pytest.raises(UserError, match=r"general\.file_type can't be stored"):
        export_gguf(checkpoint, tmp_path, "f16", name="tiny")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(-1,), (2, -1, 1)])
@pytest.mark.parametrize("name", ["conv.conv", "patch_embedding", "layers.0.feed_forward.w1"])
def test_a_tensor_of_another_shape_is_refused(checkpoint, weights, name, shape, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    found = next(key for key in weights if key.endswith(f"{name}.weight"))
    save_file({**weights, found: weights[found].reshape(shape)}, folder / "model.safetensors")
    with pytest.raises(UserError, match="has the shape"):
        export_gguf(folder, tmp_path / "out", "f16", name="tiny")


def test_adapters_are_refused(checkpoint, weights, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    more = {**weights, "model.language_model.layers.0.feed_forward.w1.lora_A.weight": torch.ones(2)}
    save_file(more, folder / "model.safetensors")
    with pytest.raises(UserError, match="merge adapters first"):
        export_gguf(folder, tmp_path / "out", "f16", name="tiny")


def test_without_the_package_it_says_what_to_install(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UserError, match="pip install gguf"):
        export_gguf(checkpoint, tmp_path, "f16", name="tiny")


def test_the_command_writes_files_and_facts(tmp_path, capsys):
    assert main(["export", "bundled", str(tmp_path / "out"), "--type", "q8_0"]) == 0
    printed = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert sorted(printed) == sorted(str(path) for path in (tmp_path / "out").iterdir())
    facts, bundled = facts_of(printed[0]), facts_of("bundled")
    assert facts.template == bundled.template == find("bundled").template
    assert facts.name == "bundled"
    assert facts.rules.min_tokens == bundled.rules.min_tokens == 32
    assert facts.rules.max_tokens == bundled.rules.max_tokens == 112
    assert facts.calibration.to_document() == bundled.calibration.to_document()


@pytest.mark.parametrize(
    "arguments",
    [["nowhere", "out"], ["./nowhere/x", "out"], ["bundled", "out", "--name", "a/b"]],
)
def test_the_command_refuses_in_one_line(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
