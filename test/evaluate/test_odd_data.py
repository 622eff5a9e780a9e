# SPDX-License-Identifier: Apache-2.0
"""Scorecards and pages of data with little in them, and of models that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lfmvl_ros.cli.main import main

from ..schemas import check

BOX_PX = [20, 40, 50, 80]  # of 320x240
TOTE = {"label": "tote", "bbox": [0.0625, 0.1667, 0.2187, 0.5]}


def folder_of(path: Path, images: list[list[str]], labels: list[str]) -> Path:
    """Write grey images with one box for each of their labels."""
    (path / "annotations").mkdir(parents=True)
    listed, boxes = [], []
    for i, named in enumerate(images, 1):
        cv2.imwrite(str(path / f"{i}.png"), np.full((240, 320, 3), 120, np.uint8))
        listed.append({"id": i, "file_name": f"{i}.png", "width": 320, "height": 240})
        boxes += [{"id": 10 * i + labels.index(name), "image_id": i, "bbox": BOX_PX, "area": 9,
                   "category_id": labels.index(name) + 1, "iscrowd": 0}
                  for name in named]  # fmt: skip
    kinds = [{"id": i, "name": name} for i, name in enumerate(labels, 1)]
    document = {"images": listed, "annotations": boxes, "categories": kinds}
    (path / "annotations" / "instances.json").write_text(json.dumps(document))
    return path


def evaluated(data: Path, answer: Any, *words: str) -> tuple[dict[str, Any], str]:
    """Return the figures and the page of a model that always gives this answer."""
    replies, out = data.parent / "replies.jsonl", data.parent / "out"
    text = answer if isinstance(answer, str) else json.dumps(answer)
    replies.write_text(json.dumps({"text": text}))
    assert main(["evaluate", str(data), "--model", str(replies), "--out", str(out), *words]) == 0
    document = check(json.loads((out / "scorecard.json").read_text()))
    return document["models"][0], (out / "scorecard.html").read_text()


def test_where_no_label_is_absent_the_page_says_so(tmp_path: Path) -> None:
    entry, page = evaluated(folder_of(tmp_path / "data", [["tote"]] * 12, ["tote"]), [TOTE])
    assert entry["figures"]["absent_empty"]["value"] is None
    assert "as no label is absent from any" in page
    assert "one label that is not" not in page
    assert "Images with errors" not in page  # there are none
    two = folder_of(tmp_path / "two" / "data", [["tote"], ["person"]] * 4, ["tote", "person"])
    assert "one label that is not" in evaluated(two, [TOTE])[1]


def test_where_nothing_varies_there_is_no_interval_of_what_is_no_share(tmp_path: Path) -> None:
    entry, page = evaluated(folder_of(tmp_path / "data", [["tote"]] * 12, ["tote"]), [TOTE])
    figures = entry["figures"]
    assert figures["recall"]["low"] == pytest.approx(0.757, abs=0.001)  # Wilson's
    for name in ("mean_iou", "count_error", "ap", "ap50"):
        if name in figures and figures[name]["value"] is not None:
            assert (figures[name]["low"], figures[name]["high"]) == (None, None), name
    assert "too few images that differ for an interval" in page


def test_one_image_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry, page = evaluated(folder_of(tmp_path / "data", [["tote"]], ["tote"]), [TOTE])
    assert entry["figures"]["recall"] == {"value": 1.0, "low": 0.2065, "high": 1.0, "n": 1}
    assert "too few images for an interval" in page
    assert "too few answers for an interval" in page
    assert "data: 1 image, 1 box: tote 1\n" in capsys.readouterr().err
    assert evaluated(tmp_path / "data", [TOTE], "--split", "held-out")[0]["answers"] == 1


def test_all_boxes_in_the_val_split_are_no_fault_of_an_evaluation(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data", [["tote"]] * 2, ["tote"])
    whole = json.loads((data / "annotations" / "instances.json").read_text())
    (data / "annotations" / "instances.json").unlink()
    for split, i in (("train", 0), ("val", 1)):
        boxes = [each for each in whole["annotations"] if each["image_id"] == i + 1 and i]
        part = {**whole, "images": [whole["images"][i]], "annotations": boxes}
        (data / "annotations" / f"instances_{split}.json").write_text(json.dumps(part))
    assert evaluated(data, [TOTE])[0]["figures"]["recall"]["n"] == 1


def test_no_image_and_no_box_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = folder_of(tmp_path / "data", [[], []], ["tote"])
    assert main(["evaluate", str(empty), "--model", "bundled"]) == 2
    assert "has no boxes that can be used; annotate" in capsys.readouterr().err
    file = empty / "1.png"
    assert main(["evaluate", str(file), "--model", "bundled"]) == 2
    assert "1.png is a file; give the folder" in capsys.readouterr().err


def test_a_label_that_is_never_found_has_its_row(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data", [["tote"], ["person"]] * 6, ["tote", "person"])
    entry, page = evaluated(data, [TOTE])
    (row,) = [each for each in entry["labels"] if each["label"] == "person"]
    assert (row["recall"]["value"], row["precision"]["value"], row["objects"]) == (0.0, None, 6)
    assert "<td>person</td><td>0.000 [" in page
    assert "Images with errors" in page


def test_a_page_of_failures_says_so_before_its_figures(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data", [["tote"]] * 2, ["tote"])
    sentence = "No answer could be used (unparseable 2)."
    _, page = evaluated(data, "I can't do that")
    assert 0 < page.index(sentence) < page.index('class="cards"')
    assert "No answer could be used" not in evaluated(data, [])[1]


def test_boxes_without_confidences_show_none_and_times_only_what_was_timed(tmp_path: Path) -> None:
    _, page = evaluated(folder_of(tmp_path / "data", [["tote"]] * 2, ["tote"]), [TOTE])
    assert ">tote</text>" in page
    assert "tote 0.50" not in page
    assert "<td>total</td>" in page
    assert "<td>vision</td>" not in page  # recorded replies have no stages


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": "lfmvl/scorecard/0"}, "of another version of lfmvl_ros ('lfmvl/scorecard/0'"),
        ({"schema": "lfmvl/tracking_scorecard/1"}, "but one of a film"),
        ({"schema": None}, "is not a scorecard of images"),
        ({"models": []}, "is not a scorecard of images"),
        ({"asked": None}, "is a damaged scorecard (it has no asked)"),
        ({"models": [{}]}, "is a damaged scorecard (KeyError('images'))"),
        ({"models": [3]}, "is a damaged scorecard"),
        ({"models": 3}, "is a damaged scorecard"),
    ],
)
def test_an_earlier_scorecard_that_can_not_be_compared_is_refused_before_a_model_answers(
    tmp_path: Path, change: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder_of(tmp_path / "data", [["tote"]] * 2, ["tote"])
    evaluated(data, [TOTE])
    earlier = tmp_path / "earlier.json"
    document = json.loads((tmp_path / "out" / "scorecard.json").read_text()) | change
    earlier.write_text(json.dumps(document))
    words = ["--model", str(tmp_path / "replies.jsonl"), "--out", str(tmp_path / "new")]
    capsys.readouterr()
    assert main(["evaluate", str(data), *words, "--against", str(earlier)]) == 2
    error = capsys.readouterr().err
    assert "earlier.json" in error
    assert told in error
    assert not (tmp_path / "new").exists()


def test_other_labels_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = folder_of(tmp_path / "old" / "data", [["tote"]] * 2, ["tote"])
    evaluated(old, [TOTE])
    data = folder_of(tmp_path / "data", [["tote", "person"]] * 2, ["tote", "person"])
    evaluated(data, [TOTE], "--against", str(tmp_path / "old" / "out" / "scorecard.json"))
    assert "labels 'tote', now 'tote, person'" in capsys.readouterr().err
