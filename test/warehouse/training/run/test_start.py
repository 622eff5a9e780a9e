# SPDX-License-Identifier: Apache-2.0
"""Which checkpoints a training can start from, and what is said about the others."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from transformers import Lfm2VlConfig

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.catalog import find
from lfmvl_warehouse.training.model.build import ModelShape
from lfmvl_warehouse.training.run.start import (
    find_start,
    fine_tuning,
    load_tokenizer,
    load_weights,
    name_of,
)
from lfmvl_warehouse.training.run.train_settings import TrainSettings

BUNDLED = Path(find("bundled").source)


@pytest.fixture
def copy(tmp_path):
    """A copy of the bundled checkpoint, to be spoilt."""
    directory = tmp_path / "mine"
    shutil.copytree(BUNDLED, directory)
    return directory


def change(path, **fields):
    content = json.loads(path.read_text())
    content.update(fields)
    path.write_text(json.dumps(content))


def test_the_bundled_checkpoint_by_name_and_by_directory(copy):
    by_name, by_directory = find_start("bundled"), find_start(str(copy))
    assert by_name.name == find("bundled").name
    assert by_directory.name == "mine"
    assert by_name.shape == by_directory.shape == ModelShape()
    assert name_of(Path("runs/bins/checkpoint")) == "bins/checkpoint"


def test_weights_are_the_checkpoints_own_and_any_name_encodes():
    start = find_start("bundled")
    weights = load_weights(start)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    tokenizer = load_tokenizer(start.directory)
    for name in ("Kühlakku", "安全帽", "zażółć 7½ {}"):
        ids = tokenizer.encode(name, add_special_tokens=False)
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == name
        assert max(ids) < len(tokenizer) <= weights["lm_head.weight"].shape[0]


def emptied(path):
    path.write_text("")


def piped(path):
    path.unlink()
    os.mkfifo(path)


def folder_instead(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("tokenizer_config.json", emptied, "JSONDecodeError"),
        ("tokenizer.json", emptied, "can't be read"),
        ("tokenizer.json", piped, "is a pipe"),
        ("tokenizer.json", folder_instead, "can't be read"),
        ("tokenizer.json", lambda path: change(path, pre_tokenizer=None), "cuts no text"),
        ("tokenizer.json", lambda path: change(path, model=None), "can't be read"),
        ("chat_template.jinja", lambda path: path.write_bytes(b"\xff"), "can't be read"),
    ],
)
def test_a_damaged_tokenizer_is_refused_by_whatever_reads_one(copy, name, damage, says):
    (copy / "other").mkdir()
    load_tokenizer(copy)
    damage(copy / name)
    with pytest.raises(UserError, match=says):
        load_tokenizer(copy)


def test_a_checkpoint_of_the_real_shape_is_refused_by_its_fields(copy):
    real = Lfm2VlConfig()  # the architecture's defaults are a published model's
    real.to_json_file(copy / "config.json", use_diff=False)
    with pytest.raises(
        UserError, match=r"mine can't be trained here: .*text_config\.\w+ \("
    ) as told:
        find_start(str(copy))
    assert "instead of" in str(told.value)
    assert "start from 'bundled'" in str(told.value)


@pytest.mark.parametrize("name", ["LiquidAI/LFM2.5-VL-450M", "lfm2.5-vl-450m"])
def test_published_checkpoints_are_for_other_tools(name):
    with pytest.raises(UserError, match="lfmvl finetune"):
        find_start(name)


def test_what_is_no_checkpoint_is_said(tmp_path):
    with pytest.raises(UserError, match="there is no checkpoint at"):
        find_start(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"no config\.json"):
        find_start(str(tmp_path))


def test_other_image_sizes_are_refused(copy):
    content = json.loads((copy / "processor_config.json").read_text())
    content["image_processor"]["max_image_tokens"] = 256
    change(copy / "processor_config.json", **content)
    with pytest.raises(UserError, match=r"image max_tokens \(256 instead of 112\)"):
        find_start(str(copy))


def test_other_token_ids_are_refused(copy):
    change(copy / "config.json", image_token_id=397)
    with pytest.raises(UserError, match=r"image_token_id \(397 instead of 396\)"):
        find_start(str(copy))
    text = (copy / "tokenizer.json").read_text()
    (copy / "tokenizer.json").write_text(text.replace("<|im_end|>", "<|turn_end|>"))
    with pytest.raises(UserError, match=r"the id of <\|im_end\|>"):
        find_start(str(copy))


def test_fine_tuning_takes_smaller_steps_and_no_detours():
    plain = TrainSettings(out=Path("x"))
    tuned = fine_tuning(plain, "bundled")
    assert tuned.muon_rate == pytest.approx(0.3 * plain.muon_rate)
    assert tuned.adam_rate == plain.adam_rate
    assert plain.objects_at(0.0) == 2
    assert tuned.objects_at(0.0) == 8
    assert tuned.vision_share == 0
    assert [plain.head_weight(0.0), tuned.head_weight(0.0), tuned.head_weight(0.5)] == [1, 0, 1]


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"rate": 11.0}, {"mix": 1.0}, {"mix": -0.1}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainSettings(out=Path("x"), **wrong)
