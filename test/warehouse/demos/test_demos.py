# SPDX-License-Identifier: Apache-2.0
"""``lfmvl demo --scene``: with a model that answers with the truth, what happened is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfmvl_ros.cli.main import main
from lfmvl_warehouse.demos import assist, shelf
from lfmvl_warehouse.demos.matching import Match, spans
from lfmvl_warehouse.scenes.staged import StagedVideo

from ...schemas import check

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("scene", [assist, shelf])
def test_the_shipped_rules_are_those_of_the_scene(scene: Any) -> None:
    name = scene.__name__.rpartition(".")[2]
    path = ROOT / "config" / "rules" / f"{name}.yaml"
    assert path.read_text() == scene.rules(), f"write {path.name} again from {name}.rules()"
    assert main(["rules", "check", str(path)]) == 0


def oracle(video: StagedVideo, query: tuple[str, ...], frames: range, path: Path) -> None:
    """Write replies that name what is half visible or more in these frames."""
    with path.open("w") as file:
        for index in frames:
            reply = [
                {
                    "label": item.kind,
                    "bbox": (item.visible_xyxy_px / np.tile(video.wh, 2)).round(3).tolist(),
                }
                for item in video.frame(index).objects
                if item.kind in query and item.visibility > 0.5
            ]
            file.write(json.dumps({"text": json.dumps(reply)}) + "\n")


def demo(
    scene: str, duration_s: float, folder: Path, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    code = main(
        ["demo", "--scene", scene, "--duration", str(duration_s), "--seed", "7",
         "--model", str(folder / "m.jsonl"), "--out", str(folder / "out")]
    )  # fmt: skip
    assert code == 0
    summary: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    lines = (folder / "out" / "events.jsonl").read_text().splitlines()
    assert sum(check(json.loads(line))["state"] == "begin" for line in lines) == summary["events"]
    return summary


def test_an_approach_is_alerted_in_time_and_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = assist.Shift(7).video()
    oracle(video, assist.QUERY, range(0, 105, 4), tmp_path / "m.jsonl")
    summary = demo("assist", 7, tmp_path, capsys)
    assert (summary["approaches"], summary["alerted_in_time"]) == (1, 1)
    assert summary["lead_s"]["least"] > assist.LEAD_S
    assert summary["false_alerts"] == 0


def test_goods_are_counted_and_empty_places_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A crate is taken away after 9.4 s."""
    video = shelf.Shelf(7).video()
    oracle(video, shelf.QUERY, range(0, 160, 3), tmp_path / "m.jsonl")
    summary = demo("shelf", 15, tmp_path, capsys)
    assert (summary["empty"]["happened"], summary["empty"]["f1"]) == (1, 1.0)
    assert summary["empty"]["delay_s"] < 3
    assert summary["misplaced"] == Match().figures()
    assert summary["views_counted_right"] == 1.0


def test_a_model_that_sees_nothing_finds_every_place_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.jsonl").write_text('{"text": "[]"}\n')
    summary = demo("shelf", 5, tmp_path, capsys)
    assert summary["empty"]["false"] == len(shelf.PLACES)
    assert summary["views_counted_right"] == 0.0


def test_flags_that_make_no_sense_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--scene", "shelf", "--answer-s", "-1", "--out", str(tmp_path)]) == 2
    assert "--answer-s must be between 0 and 10 s" in capsys.readouterr().err


def test_events_are_matched_once() -> None:
    match = Match()
    match.add([(10.0, 20.0), (30.0, 31.0)], [(12.0, 20.5), (14.0, 15.0), (30.5, 31.0)], 40.0)
    assert match.figures() == {
        "happened": 1, "found": 1, "false": 1, "f1": 0.667, "delay_s": 2.0,
    }  # fmt: skip
    assert spans([True, False, True, True], 2.0) == [(0.0, 0.5), (1.0, 2.0)]
