# SPDX-License-Identifier: Apache-2.0
"""Every way a checkpoint can fail to load, in one clear sentence."""

import json
import os
import shutil

import pytest
import torch

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.checkpoint_files import check_transformers, image_rules
from lfmvl_ros.models.lfm2_vl import loading
from lfmvl_ros.models.lfm2_vl.precision import choose_precision
from lfmvl_ros.models.load import load_model


@pytest.fixture
def copy(checkpoint, tmp_path):
    """A copy of the checkpoint to damage."""
    return shutil.copytree(checkpoint, tmp_path / "copy")


def _refused(model, **settings):
    with pytest.raises(UserError) as caught:
        load_model(PerceptionSettings(model=str(model), **settings))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_truncated_weights(copy):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert "ends 1000 bytes too early" in _refused(copy)


def test_garbage_weights(copy):
    (copy / "model.safetensors").write_bytes(b"\0" * 400)
    assert "damaged or incomplete" in _refused(copy)


def test_missing_tensors(copy):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    name = next(name for name in weights if "vision_tower" in name)
    del weights[name]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert "1 tensors are missing" in _refused(copy)


def test_tensors_of_another_shape(copy):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    name = next(name for name in weights if "linear_1.weight" in name)
    weights[name] = weights[name][:-1].contiguous()
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    message = _refused(copy)
    assert "again" in message


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "no tokenizer.json"),
    ],
)
def test_missing_files(copy, name, says):
    (copy / name).unlink()
    assert says in _refused(copy)


def test_a_missing_processor_configuration(copy):
    (copy / "processor_config.json").unlink()
    assert "can't be loaded" in _refused(copy)


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_unreadable_configuration(copy, content):
    (copy / "config.json").write_text(content)
    assert "config.json" in _refused(copy)


def test_another_architecture(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))
    message = _refused(copy)
    assert "'llama'" in message
    assert "LFM2-VL" in message


def test_an_empty_directory_and_none(tmp_path):
    assert "no config.json" in _refused(tmp_path)
    assert "no such directory" in _refused(tmp_path / "absent")
    assert "catalogue has" in _refused("no-such-model")
    assert "no model is named" in _refused(" ")


def test_a_hub_out_of_reach(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = _refused("lfmvl-test/no-such-checkpoint")
    assert "lfmvl-test/no-such-checkpoint" in message
    assert "can't be fetched: HF_HUB_OFFLINE is set" in message


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "gpu0"])
def test_unknown_device(checkpoint, device):
    assert "is unknown" in _refused(checkpoint, device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_asked_for_but_absent(checkpoint):
    assert "finds no CUDA" in _refused(checkpoint, device="cuda")
    assert loading.choose_device("auto") == torch.device("cpu")


def test_dtypes():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose_precision("auto", cpu).dtype is torch.float32
    assert choose_precision("auto", cuda).dtype is torch.bfloat16
    assert choose_precision("float16", cpu).dtype is torch.float16
    with pytest.raises(UserError, match="dtype 'int3' is unknown"):
        choose_precision("int3", cpu)


@pytest.mark.parametrize("version", ["4.57.0", "5.0.0", "5.14.1", "5.15.0"])
def test_an_old_transformers_is_refused_with_the_reason(version):
    with pytest.raises(UserError, match="short convolutions"):
        check_transformers(version)


@pytest.mark.parametrize("version", ["5.15.1", "5.16.0.dev0", "6.0.0"])
def test_a_newer_transformers_is_fine(version):
    check_transformers(version)


def test_image_rules_of_a_directory(checkpoint, backend):
    assert image_rules(checkpoint) == backend._own_rules


def test_names(backend, checkpoint):
    assert backend.name == str(checkpoint)
    assert backend.template.name == "card"


@pytest.mark.parametrize("name", ["config.json", "processor_config.json", "tokenizer_config.json"])
def test_no_python_of_a_checkpoint_runs(copy, name, monkeypatch):
    """Asked on a terminal, somebody may say yes; so transformers must not ask."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    document = json.loads((copy / name).read_text())
    document["auto_map"] = {
        "AutoConfig": "planted.Config",
        "AutoModelForImageTextToText": "planted.Model",
        "AutoProcessor": "planted.Processor",
        "AutoImageProcessor": "planted.ImageProcessor",
        "AutoTokenizer": ["planted.Tokenizer", None],
    }
    (copy / name).write_text(json.dumps(document))
    ran = copy.parent / "ran"
    (copy / "planted.py").write_text(f"open({str(ran)!r}, 'w')\n")
    load_model(PerceptionSettings(model=str(copy), device="cpu"))  # it is a known architecture
    assert not ran.exists()
    document = json.loads((copy / "config.json").read_text())
    document.update(model_type="planted", auto_map={"AutoConfig": "planted.Config"})
    (copy / "config.json").write_text(json.dumps(document))
    assert "'planted'" in _refused(copy)
    monkeypatch.setattr(loading, "check_directory", lambda _: None)
    with pytest.raises(UserError, match="brings Python files of its own"):
        loading.load_checkpoint(str(copy), torch.device("cpu"), torch.float32)
    assert not ran.exists()


def _edited(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vocab_size", 10**12),
        ("hidden_size", 10**9),
        ("num_hidden_layers", 10**6),
        ("hidden_size", -4),
    ],
)
def test_sizes_that_no_memory_holds(copy, key, value):
    document = json.loads((copy / "config.json").read_text())
    document["text_config"][key] = value
    (copy / "config.json").write_text(json.dumps(document))
    assert f"text_config.{key} is {value:,}" in _refused(copy)


@pytest.mark.parametrize("most", ["many", None, [], True])
def test_a_tokenizer_limit_that_is_no_number(copy, most):
    _edited(copy / "tokenizer_config.json", model_max_length=most)
    assert "model_max_length" in _refused(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "chat_template.jinja"])
def test_a_pipe_in_place_of_a_file(copy, name):
    (copy / name).unlink(missing_ok=True)
    os.mkfifo(copy / name)
    assert f"{name} is a pipe" in _refused(copy)


@pytest.mark.parametrize("shard", ["pytorch_model.bin", "../model.safetensors", "/dev/zero"])
def test_an_index_that_names_something_else(copy, shard):
    index = copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {"a": shard}}))
    assert "names" in _refused(copy)


def test_json_nested_deeply(copy):
    (copy / "config.json").write_text("[" * 200_000)
    assert "nested too deeply" in _refused(copy)


@pytest.mark.parametrize("name", ["~nosuchuser/x", "n" * 300, "n" * 5000, "a\0b", "./n" * 100])
def test_names_that_no_model_has(name):
    message = _refused(name)
    assert len(message) < 400
