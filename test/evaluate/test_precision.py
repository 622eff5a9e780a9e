# SPDX-License-Identifier: Apache-2.0
"""A scorecard names the precision that answered, whatever was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lfmvl_ros.cli.compare_table import table_lines
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.evaluate.data import evaluation_set
from lfmvl_ros.evaluate.own_process import answered
from lfmvl_ros.evaluate.page import page
from lfmvl_ros.evaluate.questions import questions_for
from lfmvl_ros.evaluate.scorecard import scorecard
from lfmvl_ros.models.load import load_model

from ..datasets.coco_folders import scene_folder
from .folders import recorded


@pytest.mark.parametrize("used", ["bfloat16", "int8", ""])
def test_the_precision_that_answered_is_named(tmp_path: Path, used: str) -> None:
    scene_folder(tmp_path / "images", count=4, kinds=("tote", "person", "crate"))
    data = evaluation_set(tmp_path / "images")
    questions = questions_for(data)
    replies = recorded(tmp_path / "replies.jsonl", data, questions)
    model = load_model(str(replies))
    if used:
        model.precision = used  # type: ignore[attr-defined]
    settings = PerceptionSettings(model="bundled:int8", dtype="int8")
    run = answered(model, settings, {"dtype": "int8"}, data, questions)
    asked = {"ask": "present", "query": "", "questions": len(questions), "languages": []}
    document = {**scorecard(data, asked, [run]), "agreements": [], "failures": []}
    assert document["models"][0]["precision"] == used
    assert f"| bundled:int8 | {used or '-'} | " in table_lines(document)[2]
    assert ("Weights in" in page(document, data, [run])) == bool(used)
