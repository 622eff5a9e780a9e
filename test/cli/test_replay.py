# SPDX-License-Identifier: Apache-2.0
"""``lfmvl record`` and ``lfmvl replay`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed")

from lfmvl_ros.bags.reading import open_bag
from lfmvl_ros.cli.main import main

SEEN = '[{"label": "tote", "bbox": [0.25, 0.25, 0.50, 0.75]}]'


@pytest.fixture
def replies(tmp_path: Path) -> Path:
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"text": SEEN, "times": {"decode_s": 0.2}, "delay_s": 60}) + "\n")
    return path


@pytest.mark.parametrize("form", [[], ["--compressed"]])
def test_record_then_replay(
    tmp_path: Path, replies: Path, form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--seconds", "1", "--fps", "10", *form]
    assert main(["record", str(tmp_path / "camera"), *words]) == 0
    recorded = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert recorded["images"] == 10
    bag, out = str(tmp_path / "camera"), str(tmp_path / "tracks")
    words = ["--query", "tote", "--model", str(replies), "--latency", "measured"]
    assert main(["replay", bag, *words, "--out", out]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["frames"] == 10
    assert summary["topics"] == [recorded["topic"]]
    assert summary["answers"] == 5  # 0.2 s each: recorded, not the minute that playing them takes
    with open_bag(tmp_path / "tracks") as opened:
        names = [topic.name for topic in opened.topics]
    assert names == sorted(summary["written"])
    assert "/lfmvl/tracks" in names


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "there is no bag nowhere"),
        (["nowhere", "--imu", ""], "--imu names the topic of --ego-motion-source imu"),
        (["nowhere", "--depth", "/depth"], "--depth names the topic of --spatial-source depth"),
        (["nowhere", "--latency", "soon"], "--latency must be 'zero', 'measured' or milliseconds"),
        (["nowhere", "--latency", "-1"], "--latency must be"),
        (["nowhere", "--latency", "nan"], "--latency must be"),
        (["nowhere", "--namespace", "x"], "--namespace must begin with /"),
        (["nowhere", "--namespace", "/a b"], "ROS takes no --namespace '/a b'"),
        (["nowhere", "--namespace", "/a//b"], "ROS takes no --namespace '/a//b'"),
        (["nowhere", "--namespace", "/" + "x" * 5000], "ROS takes no --namespace '/xxx"),
        (["nowhere", "--namespace", "/"], "there is no bag nowhere"),
        (["nowhere", "--namespace", "/robot/lfmvl/"], "there is no bag nowhere"),
    ],
)
def test_wrong_words_are_one_line(
    words: list[str], says: str, replies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--query", "tote", "--model", str(replies), "--out", str(tmp_path / "out")]
    assert main(["replay", *words, *more]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert says in lines[-1]
    assert len(lines) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--seconds", "0"], "--seconds: a number from 0.001 to 86400 s"),
        (["--seconds", "0.01"], "must give 1 to 100000 images, got 0"),
        (["--seconds", "inf"], "--seconds: a number"),
        (["--seed", "-1"], "--seed: a whole number of 0 or more"),
        (["--fps", "nan"], "--fps: a number"),
        (["--topic", "image_raw"], "--topic must be a topic such as"),
        (["--topic", "/front/image raw"], "--topic must be a topic such as"),
        (["--camera", "missing.mp4"], "missing.mp4"),
    ],
)
def test_nothing_is_recorded_of_wrong_words(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", str(tmp_path / "out"), *words]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
