# SPDX-License-Identifier: Apache-2.0
"""``lfmvl compare`` from the outside: recorded replies; the bundled checkpoint and its exports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.evaluate.data import evaluation_set
from lfmvl_ros.evaluate.questions import questions_for
from lfmvl_ros.models.catalog import find
from lfmvl_ros.viz.video import read_image

from ..datasets.coco_folders import scene_folder
from ..evaluate.folders import recorded
from ..schemas import check, undescribed, validator

KINDS = ("tote", "person", "forklift", "crate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compare") / "images"
    scene_folder(path, count=12, kinds=KINDS)
    return path


@pytest.mark.slow
def test_recorded_replies(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = evaluation_set(folder)
    good = recorded(tmp_path / "good.jsonl", data, questions_for(data), kept=0.95)
    bad = recorded(tmp_path / "bad.jsonl", data, questions_for(data), kept=0.3, jitter=0.05)
    same = shutil.copy(good, tmp_path / "same.jsonl")
    out = tmp_path / "out"
    words = ["compare", str(good), str(same), str(bad), "--data", str(folder), "--out", str(out)]
    assert main(words) == 0
    document = check(json.loads((out / "comparison.json").read_text(encoding="utf-8")))
    schema = validator(document["schema"]).schema
    maps = {*KINDS, "ok", "empty", "repaired", "unparseable",
            *document["models"][0]["latency_ms"], *document["data"]["left_out"]}  # fmt: skip
    assert undescribed(document, schema, schema) <= maps
    one, two = document["agreements"]
    assert one["equal"]["value"] == one["same_objects"]["value"] == 1.0
    assert one["differing"] == []
    assert two["equal"]["value"] < two["same_objects"]["value"] + 1e-9 < 1.0
    assert two["score_difference"]["value"] is None, "these replies have no probabilities"
    assert two["differing"]
    verdicts = {each["figure"]: each["verdict"] for each in document["comparisons"][1]["figures"]}
    assert verdicts["recall"] == "worse"
    assert document["models"][0]["cost"]["process_mb"] > 20
    assert document["models"][0]["cost"]["server_mb"] is None
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["agreements"][0]["equal"] == 1.0
    assert "| equal answers |" in told.err
    assert read_image(out / "comparison.png").shape[1] > 800


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_bundled_checkpoint_and_its_exports(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="gguf is not installed: no GGUF files can be written")
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: no llama.cpp server here")
    from lfmvl_ros.models.gguf.export import export_gguf

    source = Path(find("bundled").source)
    f16, q4_0 = (
        export_gguf(source, tmp_path, kind, name=f"bundled-{kind}", catalogue_name="bundled").text
        for kind in ("f16", "q4_0")
    )
    words = ["--data", str(folder), "--out", str(tmp_path), "--images", "6", "--device", "cpu",
             "--generation-timeout-s", "120"]  # fmt: skip
    assert main(["compare", "bundled", str(f16), str(q4_0), *words]) == 0
    document = check(json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8")))
    exact, rounded = document["agreements"]
    assert exact["same_objects"]["value"] == 1.0
    assert exact["box_iou"]["value"] > 0.99
    assert exact["score_difference"]["value"] < 0.01
    assert rounded["box_iou"]["value"] < exact["box_iou"]["value"], "weights of 4 bits differ"
    assert rounded["box_iou"]["value"] > 0.7
    torch, *served = (entry["cost"] for entry in document["models"])
    assert torch["server_mb"] is None
    assert all(cost["server_mb"] > 9 for cost in served), "the weights alone are 9 MB"
    assert torch["process_mb"] > max(cost["process_mb"] for cost in served)


def test_what_it_refuses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(folder)]
    assert main(["compare", "bundled", *data]) == 2
    assert "two models or more" in capsys.readouterr().err
    assert main(["compare", "bundled", "bundled", *data]) == 2
    assert main(["compare", "bundled", "/nowhere/else", *data]) == 2
    assert "no model" in capsys.readouterr().err
