# SPDX-License-Identifier: Apache-2.0
"""``lfmvl ground``, ``track`` and ``demo`` from the outside, with recorded replies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfmvl_ros.cli.label_warnings import warn_of_source
from lfmvl_ros.cli.main import main
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.video_reader import VideoReader
from lfmvl_ros.viz.video import VideoWriter, read_image, write_image

from ..waiting import PATIENCE_S

SEEN = '[{"label": "tote", "bbox": [0.25, 0.25, 0.50, 0.75]}]'


@pytest.fixture
def replies(tmp_path: Path) -> Path:
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"text": SEEN}) + "\n")
    return path


def test_ground_prints_the_document_and_draws(
    tmp_path: Path, replies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "in.png", np.full((120, 160, 3), 90, np.uint8))
    code = main(
        ["ground", str(tmp_path / "in.png"), "--query", "tote", "--model", str(replies),
         "--annotate", str(tmp_path / "out.png")]
    )  # fmt: skip
    document = json.loads(capsys.readouterr().out)
    assert code == 0
    assert document["status"] == "ok"
    assert document["objects"][0]["label"] == "tote"
    assert document["objects"][0]["bbox"] == [0.25, 0.25, 0.5, 0.75]
    drawn = read_image(tmp_path / "out.png").astype(int)
    assert (abs(drawn[90, 40:80] - 90).max(axis=-1) > 60).mean() > 0.8


def test_ground_zooms_and_says_which_parts_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "in.png", np.full((120, 160, 3), 90, np.uint8))
    found = json.dumps([{"label": "tote", "bbox": [0.4, 0.4, 0.5, 0.5]}])
    lines = [{"text": "[]"}, {"text": found}, {"text": "[]"}, {"error": "no"}, {"text": "[]"}]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, lines)))
    words = ["ground", str(tmp_path / "in.png"), "--query", "tote"]
    assert main([*words, "--model", str(tmp_path / "r.jsonl"), "--zoom", "1.6", "--raw"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["status"], document["region"]) == ("ok", None)
    assert document["objects"][0]["bbox"] == [0.25, 0.25, 0.3125, 0.3125]
    assert document["raw_parts"] == [found, "[]", "", "[]"]
    assert "1 of 4 parts of the image have no usable answer: no" in err
    assert main([*words, "--model", str(tmp_path / "r.jsonl"), "--zoom", "9"]) == 2
    assert "from 1.2 to 4" in capsys.readouterr().err


def test_a_terminal_that_lacks_letters_gets_json_all_the_same(
    tmp_path: Path, replies: Path
) -> None:
    write_image(tmp_path / "in.png", np.full((120, 160, 3), 90, np.uint8))
    done = subprocess.run(
        [sys.executable, "-m", "lfmvl_ros.cli.main", "ground", str(tmp_path / "in.png"),
         "--query", "caisse brisée, 📦, 箱", "--model", str(replies)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, timeout=PATIENCE_S,
        check=True,
    )  # fmt: skip
    assert json.loads(done.stdout.decode("ascii"))["query"] == "caisse brisée, 📦, 箱"


def test_ground_of_an_unreadable_answer_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "in.png", np.full((120, 160, 3), 90, np.uint8))
    (tmp_path / "replies.jsonl").write_text(json.dumps({"text": "I like trains 12"}) + "\n")
    code = main(
        ["ground", str(tmp_path / "in.png"), "--query", "tote",
         "--model", str(tmp_path / "replies.jsonl")]
    )  # fmt: skip
    assert (code, json.loads(capsys.readouterr().out)["status"]) == (1, "unparseable")


def test_ground_takes_a_frame_of_a_video(
    tmp_path: Path, replies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with VideoWriter(tmp_path / "in.mp4", (160, 120), 10.0) as video:
        for shade in range(20):
            video.write(np.full((120, 160, 3), 10 * shade, np.uint8))
    words = ["ground", str(tmp_path / "in.mp4"), "--query", "tote", "--model", str(replies)]
    assert main([*words, "--at", "1.5", "--annotate", str(tmp_path / "out.png")]) == 0
    assert json.loads(capsys.readouterr().out)["stamp"] == {"sec": 1, "nanosec": 500_000_000}
    assert abs(int(read_image(tmp_path / "out.png")[5, 5, 0]) - 150) < 8
    assert main([*words, "--at", "2.5"]) == 2
    assert "is at 1.90 s" in capsys.readouterr().err


def test_ground_of_a_video_without_a_time_names_the_flag(
    tmp_path: Path, replies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with VideoWriter(tmp_path / "in.mp4", (160, 120), 10.0) as video:
        for _ in range(5):
            video.write(np.full((120, 160, 3), 90, np.uint8))
    words = ["ground", str(tmp_path / "in.mp4"), "--query", "tote", "--model", str(replies)]
    assert main(words) == 2
    assert "--at 0" in capsys.readouterr().err
    assert main([*words, "--at", "0"]) == 0
    for nonsense in ("-1", "nan", "inf"):
        assert main([*words, f"--at={nonsense}"]) == 2
        assert "--at: a number of 0 s or more" in capsys.readouterr().err


def test_labels_that_the_card_does_not_list_are_named_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.full((120, 160, 3), 90, np.uint8)
    pixels[:, :80] = 150
    write_image(tmp_path / "in.png", pixels)
    words = ["ground", str(tmp_path / "in.png"), "--model", "bundled", "--query"]
    main([*words, "totes, red box"])
    assert "does not list 'totes' (nearest: tote)" in capsys.readouterr().err
    main([*words, "red box"])
    assert "warning" not in capsys.readouterr().err


def test_demo_says_what_its_scene_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_source("scene", 7, Query.parse("red box, person, submarine"))
    assert capsys.readouterr().err.startswith("note: the scene of --seed 7 has no red box; it has ")
    warn_of_source("scene", 7, Query.parse("person"))
    assert capsys.readouterr().err == ""


def test_ground_offers_no_setting_that_one_answer_can_not_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["ground", "--help"])
    text = capsys.readouterr().out
    assert "--image-max-tokens" in text
    assert "--tracker" not in text
    assert "--generation-draft" not in text


@pytest.mark.parametrize("command", ["track", "scenes"])
def test_a_folder_that_can_not_be_made_is_one_line(
    command: str, tmp_path: Path, replies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with VideoWriter(tmp_path / "in.mp4", (160, 120), 10.0) as video:
        video.write(np.full((120, 160, 3), 90, np.uint8))
    (tmp_path / "file").write_text("in the way")
    words = {
        "track": [str(tmp_path / "in.mp4"), "--query", "tote", "--model", str(replies),
                  "--out", str(tmp_path / "file")],
        "scenes": ["--video", str(tmp_path / "file" / "out.mp4"), "--seconds", "0.1"],
    }[command]  # fmt: skip
    assert main([command, *words]) == 2
    assert "file" in capsys.readouterr().err.splitlines()[-1]


def test_track_writes_every_frame_and_keeps_the_id(
    tmp_path: Path, replies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with VideoWriter(tmp_path / "in.mp4", (160, 120), 20.0) as video:
        for _ in range(40):
            video.write(np.full((120, 160, 3), 90, np.uint8))
    code = main(
        ["track", str(tmp_path / "in.mp4"), "--query", "tote", "--model", str(replies),
         "--out", str(tmp_path / "out")]
    )  # fmt: skip
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, summary["frames"], summary["answers"], summary["tracks"]) == (0, 40, 8, 1)
    lines = (tmp_path / "out" / "tracks.jsonl").read_text().splitlines()
    ids = {track["id"] for line in lines for track in json.loads(line)["tracks"]}
    assert (len(lines), ids) == (40, {1})
    assert len(list(VideoReader(tmp_path / "out" / "annotated.mp4"))) == 40
    assert (tmp_path / "out" / "preview.png").is_file()


def test_track_asks_as_the_trigger_says(
    tmp_path: Path, replies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with VideoWriter(tmp_path / "in.mp4", (160, 120), 20.0) as video:
        for index in range(80):
            image = np.full((120, 160, 3), 90, np.uint8)
            if index >= 60:  # something comes, and stays
                image[30:60, 60:90] = 200
            video.write(image)
    code = main(
        ["track", str(tmp_path / "in.mp4"), "--query", "tote", "--model", str(replies),
         "--out", str(tmp_path / "out"), "--no-video", "--trigger-mode", "motion",
         "--trigger-burst", "2"]
    )  # fmt: skip
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, summary["answers"], summary["skipped_asleep"]) == (0, 4, 12)
    lines = (tmp_path / "out" / "tracks.jsonl").read_text().splitlines()
    assert all(json.loads(line)["tracks"] for line in lines), "nobody looked, and nothing ended"


def run_demo(folder: Path, model: Path, duration_s: int) -> dict[str, Any]:
    """Return what the demo says at its end."""
    done = subprocess.run(
        [sys.executable, "-m", "lfmvl_ros.cli.main", "demo", "--duration", str(duration_s),
         "--model", str(model), "--query", "tote", "--out", str(folder)],
        env={**os.environ, "ROS_DOMAIN_ID": "78"}, capture_output=True, text=True,
        timeout=2 * PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


@pytest.mark.slow
def test_demo_is_three_processes_over_dds(tmp_path: Path, replies: Path) -> None:
    """The real thing, short: synthetic camera, perception node, subscriber."""
    replies.write_text(json.dumps({"text": SEEN, "delay_s": 0.2}) + "\n")
    summary = run_demo(tmp_path / "demo", replies, 4)
    if summary["frames"] <= 20 or summary["answers"] < 3:  # a busy machine: once more, longer
        summary = run_demo(tmp_path / "demo", replies, 40)
    assert summary["frames"] > 20
    assert summary["outcomes"].get("ok", 0) >= 3
    assert summary["tracks"] == 1
    assert summary["track_latency_ms"]["p50"] > 0
    assert summary["tracks_with_position"] == 1  # the recorded box may lie on no true object
    for name in (
        "preview.png",
        "annotated.mp4",
        "camera.mp4",
        "grounding.jsonl",
        "tracks.jsonl",
        "places.mp4",
        "places.png",
    ):
        assert (tmp_path / "demo" / name).stat().st_size > 0


def test_demo_refuses_a_domain_that_ros_would_read_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "1e3")
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 2
    assert "ROS_DOMAIN_ID is '1e3'; it is to be a plain whole number" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_demo_says_what_is_wrong_with_the_camera(tmp_path: Path, replies: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lfmvl_ros.cli.main", "demo", "--camera", "missing.mp4",
         "--model", str(replies), "--out", str(tmp_path / "demo")],
        env={**os.environ, "ROS_DOMAIN_ID": "79"}, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "missing.mp4" in done.stderr
    assert "camera_node ended with exit code 2" in done.stderr
