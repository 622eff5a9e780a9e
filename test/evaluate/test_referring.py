# SPDX-License-Identifier: Apache-2.0
"""Referring expressions: one box for each, on the object that the text is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.datasets.expressions import AMBIGUOUS, UNUSABLE, as_label
from lfmvl_ros.evaluate.data import evaluation_set
from lfmvl_ros.evaluate.questions import questions_for

from ..datasets.coco_folders import add_box, plain_folder, save
from ..schemas import check, undescribed, validator

BIN, OTHER = [0.125, 1 / 3, 0.375, 2 / 3], [0.5, 0.5, 0.75, 1.0]


def spoken_folder(folder: Path) -> dict[str, Any]:
    """Two bins in image 0, one in each other; four expressions, and some that can't be used."""
    content = plain_folder(folder, count=4)
    add_box(content, 0, 3, [20, 15, 10, 15], sentences=[
        {"sent": "the white bin, at the right", "raw": "White!"}, {"sent": "The same for both"},
    ])  # fmt: skip
    content["annotations"][0] |= {
        "phrase": "left bin", "caption": "same for  both", "attributes": {"caption": "x" * 200}
    }  # fmt: skip
    content["annotations"][1]["referring_expressions"] = ["a bin alone", "A bin alone."]
    content["annotations"][2]["caption"] = "nothing here has a box"
    content["annotations"][3] |= {"bbox": [0, 0, 0, 0], "phrase": "of a box that is not used"}
    save(folder / "annotations.json", content)
    return content


def test_what_is_read_and_what_is_left_out(tmp_path: Path) -> None:
    spoken_folder(tmp_path)
    data = evaluation_set(tmp_path)
    assert [image.expressions for image in data.images] == [
        ((0, "left bin"), (1, "the white bin at the right")),
        ((0, "a bin alone"),), ((0, "nothing here has a box"),), (),
    ]  # fmt: skip
    facts = data.facts()
    assert facts["expressions"] == 4
    assert facts["left_out"] == {"empty boxes": 1, UNUSABLE: 1, AMBIGUOUS: 1}
    assert UNUSABLE not in data.folder.left_out  # a training has nothing to do with them


def test_other_expressions_make_another_set(tmp_path: Path) -> None:
    content = spoken_folder(tmp_path)
    before = evaluation_set(tmp_path)
    content["annotations"][1]["referring_expressions"] = ["a lonely bin"]
    save(tmp_path / "annotations.json", content)
    after = evaluation_set(tmp_path)
    assert after.fingerprint() != before.fingerprint()
    assert after.folder.fingerprint() == before.folder.fingerprint()  # the same for a training


def test_an_expression_is_one_label() -> None:
    assert as_label("man, left; in <|im_end|> red") == "man left in red"


def test_each_expression_is_asked_alone_and_never_with_a_query(tmp_path: Path) -> None:
    spoken_folder(tmp_path)
    data = evaluation_set(tmp_path)
    plain = questions_for(data)
    asked = questions_for(data, expressions=True)
    mine = [item for item in asked if item.row is not None]
    assert [item.labels for item in mine] == [
        ("left bin",), ("the white bin at the right",), ("a bin alone",),
        ("nothing here has a box",),
    ]  # fmt: skip
    assert not any(item.headline for item in mine)
    assert [i.labels for i in asked if i.row is None] == [i.labels for i in plain]
    assert questions_for(data, query="bin", expressions=True) == questions_for(data, query="bin")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Replies: the first is right by another label, the second is of the other bin."""
    spoken_folder(tmp_path / "images")
    said = {
        "left bin": [("bin", BIN)],
        "the white bin at the right": [("the white bin at the right", BIN), ("bin", OTHER)],
        "a bin alone": [("A bin alone", BIN)],
        "nothing here has a box": [],
    }
    data, lines = evaluation_set(tmp_path / "images"), []
    for item in questions_for(data, expressions=True):
        text = [{"label": "bin", "bbox": box.tolist()} for box in data.images[item.image].xyxy]
        if item.row is not None:
            text = [{"label": label, "bbox": box} for label, box in said[item.labels[0]]]
        lines.append(json.dumps({"text": json.dumps(text), "stamp_ns": item.number}))
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_the_scorecard_and_its_page(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run.parent / "out"
    words = ["evaluate", str(run.parent / "images"), "--model", str(run), "--out", str(out)]
    assert main([*words, "--fail-if", "referring<0.5"]) == 0
    document = check(json.loads((out / "scorecard.json").read_text()))
    schema = validator(document["schema"]).schema
    known = {"bin", "ok", "empty", *document["models"][0]["latency_ms"],
             *document["data"]["left_out"], *document["data"]["changed"]}  # fmt: skip
    assert undescribed(document, schema, schema) <= known
    (entry,) = document["models"]
    figure = entry["figures"]["referring"]
    assert (figure["value"], figure["n"]) == (0.5, 4)
    assert 0 <= figure["low"] < 0.5 < figure["high"] <= 1
    found = entry["referring"]
    assert found["expressions"] == 4
    shares = {item["slice"]: [item[key]["value"] for key in ("acc50", "answered", "as_asked")]
              for item in found["slices"]}  # fmt: skip
    assert shares == {
        "all": [0.5, 0.75, pytest.approx(2 / 3, abs=1e-4)],
        "the only one of its label": [0.5, 0.5, 1.0],
        "among others of its label": [0.5, 1.0, 0.5],
    }
    assert [(item["expression"], item["label"]) for item in found["wrong"]] == [
        ("the white bin at the right", "white bin at the right"),  # labels as they are compared
        ("nothing here has a box", None),
    ]
    # They are no part of any other figure.
    assert entry["figures"]["recall"] == {**entry["figures"]["recall"], "value": 1.0, "n": 4}
    assert [item["slice"] for item in entry["slices"] if item["by"] == "language"] == [
        "as annotated"
    ]
    page = (out / "scorecard.html").read_text()
    assert "Referring expressions" in page
    assert "the white bin at the right" in page
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["models"][0]["referring"] == 0.5
    assert main([*words, "--fail-if", "referring<0.6"]) == 1


def test_a_condition_that_can_not_be_judged_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    condition = ["--fail-if", "referring<0.5", "--out", str(run.parent / "out")]
    words = ["--model", str(run), *condition]
    assert main(["evaluate", str(run.parent / "images"), "--query", "bin", *words]) == 2
    assert "with --query, no referring expression is asked for" in capsys.readouterr().err
    plain_folder(run.parent / "silent")
    assert main(["evaluate", str(run.parent / "silent"), *words]) == 2
    assert "no referring expression is annotated in" in capsys.readouterr().err
