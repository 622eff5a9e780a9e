# SPDX-License-Identifier: Apache-2.0
"""``lfmvl demo --scene``: with a model that answers with the truth, what happened is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lfmvl_ros import registry
from lfmvl_ros.cli.main import main
from lfmvl_ros.core.demo_scene import SceneResults
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.rules import Positions, RuleEngine, parse_rules
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import PickPoint
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_warehouse.demos import assist, picking, shelf
from lfmvl_warehouse.demos.matching import EventMatch, spans
from lfmvl_warehouse.demos.picking_figures import labels_at, pick_error

from ...core.rules.scenes import answer
from ...schemas import check

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("scene", [assist, picking, shelf])
def test_the_shipped_rules_are_those_of_the_scene(scene: Any) -> None:
    name = scene.__name__.rpartition(".")[2]
    path = ROOT / "config" / "rules" / f"{name}.yaml"
    assert path.read_text() == scene.rules(), f"write {path.name} again from {name}.rules()"
    assert main(["rules", "check", str(path)]) == 0


@pytest.mark.parametrize("scene", ["assist", "picking", "shelf"])
def test_a_longer_demo_has_a_longer_plan(scene: str) -> None:
    """Without that, nothing happens after two minutes, and nothing can go wrong."""
    job = registry.load(registry.DEMO_SCENES, scene)
    usual, short, long = (job(7, duration_s) for duration_s in (0.0, 30.0, 600.0))
    assert usual.usual_s == short.usual_s == 120
    assert long.usual_s >= 600
    if scene == "assist":  # it drives on: the image after 400 s is not that of 20 s later
        assert not np.array_equal(long.view(6000).pixels, long.view(6300).pixels)


def oracle(scene: str, frames: int, folder: Path, least: float = 0.5) -> None:
    """Write replies that name what is visible enough, for each frame by its stamp."""
    job = registry.load(registry.DEMO_SCENES, scene)
    asked = Query.parse(job.settings["query"]).labels
    video = job.plan(7, 120.0).video()
    with (folder / "m.jsonl").open("w") as file:
        for index in range(frames):
            reply = [
                {
                    "label": next(name for name in asked if name in item.names),
                    "bbox": (item.visible_xyxy_px / np.tile(video.wh, 2)).round(3).tolist(),
                }
                for item in video.frame(index).objects
                if set(asked) & set(item.names) and item.visibility > least
            ]
            stamp_ns = round(index * 1e9 / job.rate_hz) + 1
            line = {"text": json.dumps(reply), "stamp_ns": stamp_ns}
            file.write(json.dumps(line) + "\n")


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
    oracle("assist", 105, tmp_path)
    summary = demo("assist", 7, tmp_path, capsys)
    assert (summary["approaches"], summary["alerted_in_time"]) == (1, 1)
    assert summary["lead_s"]["least"] > assist.LEAD_S
    assert summary["false_alerts"] == 0


def test_goods_are_counted_and_empty_places_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A crate is taken away after 9.4 s."""
    oracle("shelf", 160, tmp_path)
    summary = demo("shelf", 15, tmp_path, capsys)
    assert (summary["empty"]["happened"], summary["empty"]["f1"]) == (1, 1.0)
    assert summary["empty"]["delay_s"] < 3
    assert summary["misplaced"] == EventMatch().figures()
    assert summary["views_counted_right"] == 1.0


def true_tracks(scene: Any, index: int, asked: tuple[str, ...]) -> Tracks:
    """Return the boxes of what is visible in a frame, as certain tracks."""
    video = scene.plan(7).video()
    frame = video.frame(index)
    seen = [item for item in frame.objects if item.visibility > 0.5 and set(asked) & {*item.names}]
    n = len(seen)
    return Tracks(
        round(index * 1e8) + 1,
        np.array([item.id for item in seen], dtype=np.int64),
        tuple(next(name for name in asked if name in item.names) for item in seen),
        np.full(n, 0.9),
        np.array([item.visible_xyxy_px for item in seen]).reshape(n, 4),
        np.zeros((n, 2)),
        np.tile(np.eye(4) * 4.0, (n, 1, 1)),
        (TrackState.CONFIRMED,) * n,
        np.ones(n),
        wh=video.wh,
    )


def test_what_is_asked_for_is_posed_or_goes_to_review() -> None:
    """The first two requests: a red tote, and a blue one that is hidden; five frames a second."""
    job, asked = picking.JOB, Query.parse(picking.QUERY).labels
    scene, results, engine = job(7), SceneResults(), RuleEngine(parse_rules(picking.rules()))
    placer = Placer(PlacerOptions(frame_id=picking.FRAME))
    assert [r.case.value for r in job.plan(7).requests[:2]] == ["plain", "hidden"]
    for index in range(0, 180, 2):
        tracks = true_tracks(job, index, asked)
        engine.answer(answer(index / 10, query=picking.QUERY))
        view = scene.view(index)
        places = placer.place(tracks, view.depth, view.lens, view.camera)
        engine.select(scene.select(index / 10))
        results.events += engine.observe(tracks, Positions.of(places))
        results.tracks += [tracks, tracks]
        results.places += [places, places]
    found = scene.figures(results)
    assert found["requests"] == {"plain": 1, "hidden": 1}
    assert (found["posed"], found["reviewed"]) == ({"plain": 1}, {"hidden": 1})
    assert found["reviews_right"] == 1
    assert (found["labels_at_request"], found["labels_wrong_at_request"]) == (6, 0)
    assert found["poses_on_something_else"] == found["undecided"] == 0
    assert found["point_error_cm"]["largest"] < 4
    assert found["ask_to_pose_s"]["largest"] < 1
    assert 3 <= found["ask_to_review_s"]["largest"] < 4


def test_a_pose_on_something_else_is_counted() -> None:
    plan = picking.Station(7)
    video = plan.video()
    camera = video.camera_at(60).pose
    down = np.array([0.0, 0.0, 1.0])
    far = PickPoint(camera.apply(np.array([0.0, 0.5, 2.0])), np.eye(3), down, 0.1)
    error = pick_error(video, 60, far, plan.requests[0])
    assert not error.on_object
    assert not error.is_right


def test_a_track_with_the_label_of_other_goods_is_counted() -> None:
    asked = Query.parse(picking.QUERY).labels
    tracks = true_tracks(picking.JOB, 60, asked)
    assert labels_at(picking.Station(7).video(), 60, tracks) == (3, 0)
    mixed = replace(tracks, labels=("bag", *tracks.labels[1:]))
    assert labels_at(picking.Station(7).video(), 60, mixed) == (2, 1)


def test_the_settings_of_the_picking_scene_are_those_of_the_file() -> None:
    parameters = yaml.safe_load((ROOT / "config" / "picking.yaml").read_text())
    (node,) = parameters.values()
    given = {
        f"{group}.{name}" if isinstance(value, dict) else group: one
        for group, value in node["ros__parameters"].items()
        for name, one in (value.items() if isinstance(value, dict) else [("", value)])
    }
    assert {**given, "query": picking.QUERY} == picking.JOB.settings


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
    assert "--answer-s: a number from 0 to 10 s" in capsys.readouterr().err


def test_events_are_matched_once() -> None:
    match = EventMatch()
    match.add([(10.0, 20.0), (30.0, 31.0)], [(12.0, 20.5), (14.0, 15.0), (30.5, 31.0)], 40.0)
    assert match.figures() == {
        "happened": 1, "found": 1, "false": 1, "f1": 0.667, "delay_s": 2.0,
    }  # fmt: skip
    assert spans([True, False, True, True], 2.0) == [(0.0, 0.5), (1.0, 2.0)]
