# SPDX-License-Identifier: Apache-2.0
"""Every way a checkpoint can fail to load, in one clear sentence."""

import json
import shutil

import pytest
import torch

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.checkpoint_files import check_transformers, image_rules
from lfmvl_ros.models.lfm2_vl import loading
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
    assert "damaged or incomplete" in _refused(copy)


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
    assert "network" in message


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "gpu0"])
def test_unknown_device(checkpoint, device):
    assert "is unknown" in _refused(checkpoint, device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_asked_for_but_absent(checkpoint):
    assert "finds no CUDA" in _refused(checkpoint, device="cuda")
    assert loading.choose_device("auto") == torch.device("cpu")


def test_dtypes():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert loading.choose_dtype("auto", cpu) is torch.float32
    assert loading.choose_dtype("auto", cuda) is torch.bfloat16
    assert loading.choose_dtype("float16", cpu) is torch.float16
    with pytest.raises(UserError, match="dtype 'int3' is unknown"):
        loading.choose_dtype("int3", cpu)


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
