# SPDX-License-Identifier: Apache-2.0
"""A run's state becomes a checkpoint that loads by its directory, with an honest card."""

import json
from dataclasses import replace

import pytest
import torch

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.lfm2_vl.image_processing import register_image_processor
from lfmvl_warehouse.training.data.patch_grid import BUDGET
from lfmvl_warehouse.training.model.build import ModelShape
from lfmvl_warehouse.training.run import training_run as launch
from lfmvl_warehouse.training.run.card import FACTS_FILE, SCORES_FILE, write_card
from lfmvl_warehouse.training.run.state import TOKENIZER_DIRECTORY
from lfmvl_warehouse.training.run.train_settings import TrainSettings
from lfmvl_warehouse.training.run.trainer import Trainer

FACTS = {
    "parameters": 3_600_000, "kinds": ["tote"], "colours": ["red"], "samples": 12345, "seed": 0,
    "step": 100, "seconds": 600.0, "processes": 2, "max_objects": 8, "planned_minutes": 10.0,
}  # fmt: skip
RATES = {"answers": 4, "recall50": 0.75, "precision50": None, "mean_iou": 0.8, "valid_json": 1.0}


def test_the_card_states_scores_only_when_there_are_some(tmp_path):
    (tmp_path / FACTS_FILE).write_text(json.dumps(FACTS))
    card = write_card(tmp_path).read_text()
    assert "3.6 M parameters" in card
    assert "Not measured yet" in card
    (tmp_path / SCORES_FILE).write_text(json.dumps({**RATES, "by_slice": {"low_light": RATES}}))
    card = write_card(tmp_path).read_text()
    assert "| low light | 4 | 0.750 | – | 0.800 | 1.000 |" in card
    assert "Not measured yet" not in card


def test_the_card_names_the_languages_it_was_asked_in(tmp_path):
    path = tmp_path / FACTS_FILE
    path.write_text(json.dumps(FACTS))
    assert "languages other than English" in write_card(tmp_path).read_text()
    path.write_text(json.dumps({**FACTS, "languages": ["de", "ja"]}))
    card = write_card(tmp_path).read_text()
    assert "tote: Behälter, コンテナ" in card
    assert "languages other than English" not in card


@pytest.fixture(scope="module")
def exported(tmp_path_factory, rectangles):
    run = tmp_path_factory.mktemp("run")
    settings = TrainSettings(out=run, processes=1, steps=1, shape=ModelShape(32, 1, 64, "ca", 64))
    trainer = Trainer(replace(settings, evaluation_scenes=1), rectangles)
    trainer.tokenizer.save_pretrained(run / TOKENIZER_DIRECTORY)
    trainer.save()
    launch.export(run, run / "checkpoint")
    return trainer, run / "checkpoint"


def test_the_checkpoint_loads_by_its_directory(exported):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    trainer, directory = exported
    register_image_processor()
    model = AutoModelForImageTextToText.from_pretrained(directory)
    assert type(model).__name__ == "Lfm2VlForConditionalGeneration"
    assert model.dtype == torch.bfloat16
    for name, value in trainer.average.state_dict().items():
        assert torch.equal(model.state_dict()[name], value.to(torch.bfloat16)), name
    processor = AutoProcessor.from_pretrained(directory)
    assert processor.image_processor.max_image_tokens == BUDGET.max_tokens
    assert not processor.image_processor.do_image_splitting
    assert (directory / "README.md").read_text().startswith("---\nlicense")


def test_it_can_split_into_tiles_with_a_thumbnail_when_told(exported):
    from PIL import Image
    from transformers import AutoProcessor

    register_image_processor()
    processor = AutoProcessor.from_pretrained(exported[1])
    features = processor(
        images=Image.new("RGB", (1280, 720)),
        text="<image>",
        do_image_splitting=True,
        return_tensors="pt",
    )
    tokens = processor.tokenizer.convert_ids_to_tokens(features["input_ids"][0])
    assert "<|img_row_1_col_2|>" in tokens
    assert "<|img_thumbnail|>" in tokens


def test_nothing_to_export_or_resume_is_said(tmp_path):
    with pytest.raises(UserError, match="train first"):
        launch.export(tmp_path, tmp_path / "checkpoint")
    settings = TrainSettings(out=tmp_path, processes=1)
    with pytest.raises(UserError, match="to resume"):
        launch.train(settings, resume=True)
    (tmp_path / "state.pt").write_bytes(b"")
    with pytest.raises(UserError, match="add --resume"):
        launch.train(settings)
