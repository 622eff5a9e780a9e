# SPDX-License-Identifier: Apache-2.0
"""``lfmvl rules``: check a file, try it on a video."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.rules import load_rules
from lfmvl_ros.core.video_reader import VideoReader
from lfmvl_ros.viz.video import VideoWriter, read_image
from lfmvl_ros.viz.zones import draw_zones

from ..schemas import check

ROOT = Path(__file__).parents[2]
LEFT = "zones: {left: {image: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}\n"
RULES = LEFT + "rules:\n  inside: {when: enter, label: tote, zone: left}\n"
SEEN = '[{"label": "tote", "bbox": [0.1, 0.25, 0.4, 0.75]}]'


def test_check_prints_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", str(ROOT / "config" / "rules" / "aisle.yaml")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "zone aisle: 4 corners, image"
    assert told[-1] == "query: person, forklift"
    assert sum(line.startswith("rule ") for line in told) == 4


def test_check_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RULES.replace("zone: left", "zone: lift"))
    assert main(["rules", "check", str(path)]) == 2
    assert "r.yaml:3: rules.inside.zone: there is no zone 'lift'" in capsys.readouterr().err


def test_try_writes_events_and_draws_zones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.yaml").write_text(RULES)
    (tmp_path / "m.jsonl").write_text(json.dumps({"text": SEEN}) + "\n")
    with VideoWriter(tmp_path / "in.mp4", (160, 120), 10.0) as video:
        for _ in range(20):
            video.write(np.full((120, 160, 3), 90, np.uint8))
    out = tmp_path / "out"
    code = main(
        ["rules", "try", str(tmp_path / "r.yaml"), str(tmp_path / "in.mp4"),
         "--model", str(tmp_path / "m.jsonl"), "--out", str(out)]
    )  # fmt: skip
    assert code == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["events"] == {"inside": 1}
    events = [check(json.loads(line)) for line in (out / "events.jsonl").read_text().splitlines()]
    assert [event["state"] for event in events][:1] == ["begin"]
    assert (events[-1]["state"], events[-1]["reason"]) == ("end", "stopped")
    assert VideoReader(out / "annotated.mp4").length == 20
    preview = read_image(out / "preview.png").astype(int)
    assert preview[110, 40, 0] > preview[110, 120, 0] + 10  # red where the zone is


def test_rules_without_labels_need_a_query(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.yaml").write_text("rules: {a: {when: appear}}")
    assert main(["rules", "try", str(tmp_path / "r.yaml"), "none.mp4"]) == 2
    assert "give --query" in capsys.readouterr().err


def test_a_zone_is_drawn_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RULES)
    pixels = np.zeros((100, 200, 3), np.uint8)
    drawn = draw_zones(pixels, load_rules(path).zones.values(), [])
    assert drawn[50, 20].any()
    assert not drawn[:, 104:].any()
    assert not pixels.any()
    assert cv2.countNonZero(drawn[..., 1]) > 5000
