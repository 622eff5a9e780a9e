# SPDX-License-Identifier: Apache-2.0
"""Answers that are stored: which, how many at most, whole, and ready to evaluate on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.collect.collector import Collector
from lfmvl_ros.collect.folder import ANNOTATIONS, SampleFolder
from lfmvl_ros.collect.sample import Sample, reason_for
from lfmvl_ros.core.config_collect import CollectSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.report import Answer
from lfmvl_ros.datasets.coco_reading import read_folder

from ..waiting import PATIENCE_S, until
from .samples import answer, sample


def about_a_part(given: Answer) -> Answer:
    wh = given.grounding.wh
    part = replace(given.grounding, region=Region((0, 0, wh[0] // 2, wh[1]), wh))
    return replace(given, grounding=part)


@pytest.mark.parametrize(
    ("given", "drifting", "reason"),
    [
        (about_a_part(answer(score=0.3)), True, ""),
        (answer(score=0.3), False, "uncertain"),
        (answer(score=0.9), False, ""),
        (answer(score=0.9), True, "drift"),
        (answer(outcome=Outcome.EMPTY, count=0), False, ""),
        (answer(outcome=Outcome.EMPTY, count=0), True, "drift"),
        (answer(outcome=Outcome.TRUNCATED), True, ""),
        (answer(outcome=Outcome.TIMEOUT, count=0), True, ""),
    ],
)
def test_what_is_chosen(given: Answer, drifting: bool, reason: str) -> None:
    assert reason_for(given.grounding, CollectSettings(), drifting=drifting) == reason


def test_the_folder_is_in_coco_format_and_continued(tmp_path: Path) -> None:
    folder = SampleFolder(tmp_path, 10, 10)
    assert folder.add(sample(1))
    assert not folder.add(sample(1))
    again = SampleFolder(tmp_path, 10, 10)
    assert again.add(sample(2))
    assert len(again) == 2
    read = read_folder(tmp_path)
    images = [*read.training, *read.held_out]
    assert sorted(image.name for image in images) == ["images/camera_1.jpg", "images/camera_2.jpg"]
    assert read.categories == ("tote",)
    expected = np.array([4 / 64, 5 / 48, 24 / 64, 35 / 48])
    assert images[0].xyxy[0] == pytest.approx(expected)
    assert dict(read.left_out) == {"categories without a box": 1}  # person, which was asked for


def test_space_and_age_are_bounded_and_the_newest_stays(tmp_path: Path) -> None:
    size_mb = len(sample(1).jpeg) / 1e6
    folder = SampleFolder(tmp_path, 3.5 * size_mb, 1)
    for number in range(1, 8):
        folder.add(sample(number), now_s=1000.0 * number)
        listed = json.loads((tmp_path / ANNOTATIONS).read_text())["images"]
        files = sorted(path.name for path in (tmp_path / "images").iterdir())
        assert files == sorted(entry["file_name"] for entry in listed)
        assert len(files) <= 4
    folder.add(sample(9), now_s=1e6)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["camera_9.jpg"]


def test_an_image_without_annotations_goes_at_the_next_start(tmp_path: Path) -> None:
    SampleFolder(tmp_path, 10, 10).add(sample(1))
    (tmp_path / "images" / "camera_5.jpg").write_bytes(b"cut off")
    (tmp_path / "images" / ".camera_6.77.part.jpg").write_bytes(b"cut off")
    assert len(SampleFolder(tmp_path, 10, 10)) == 1
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["camera_1.jpg"]


def test_a_full_disk_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SampleFolder(tmp_path, 10, 10)
    folder.add(sample(1))
    before = (tmp_path / ANNOTATIONS).read_bytes()

    def full(*_: object, **__: object) -> None:
        raise UserError("no space left")

    monkeypatch.setattr("lfmvl_ros.collect.folder.write_json", full)
    with pytest.raises(UserError, match="no space"):
        folder.add(sample(2))
    assert (tmp_path / ANNOTATIONS).read_bytes() == before
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["camera_1.jpg"]


def test_annotations_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / ANNOTATIONS).write_text('{"images": [], "annotations": [], "categories": []}')
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "mine.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="not a collection of this package"):
        SampleFolder(tmp_path, 10, 10)
    assert (tmp_path / "images" / "mine.jpg").exists()


def test_images_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "camera_1.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match="files of another origin"):
        SampleFolder(tmp_path, 10, 10)
    assert (tmp_path / "images" / "camera_1.jpg").read_bytes() == b"mine"


def test_the_collector_keeps_its_interval_and_counts(tmp_path: Path) -> None:
    settings = CollectSettings(folder=str(tmp_path / "c"), min_interval_s=10.0)
    collector = Collector(settings, lambda _: None)
    for stamp_s in (1, 2, 12, 13):
        collector.answer(answer(stamp_s * 10**9), drifting=False)
    collector.answer(answer(14 * 10**9, camera="front"), drifting=False)
    collector.close(PATIENCE_S)
    problem, values = collector.status()
    assert (problem, values["samples"], values["uncertain"]) == ("", 3, 3)
    names = sorted(path.name for path in (tmp_path / "c" / "images").iterdir())
    assert names == ["camera_1000000000.jpg", "camera_12000000000.jpg", "front_14000000000.jpg"]


def test_a_folder_that_goes_away_is_a_warning_and_no_end(tmp_path: Path) -> None:
    warned: list[str] = []
    settings = CollectSettings(folder=str(tmp_path / "c"), min_interval_s=0.0)
    collector = Collector(settings, warned.append)
    (tmp_path / "c" / "images").rmdir()
    (tmp_path / "c" / "images").write_text("in the way")
    for stamp_s in (1, 2):
        collector.answer(answer(stamp_s * 10**9), drifting=False)
        until(lambda wanted=stamp_s: collector.status()[1]["failed"] == wanted)
    assert len(warned) == 1
    (tmp_path / "c" / "images").unlink()
    (tmp_path / "c" / "images").mkdir()
    collector.answer(answer(3 * 10**9), drifting=False)
    collector.close(PATIENCE_S)
    assert collector.status()[0] == ""
    assert collector.status()[1]["samples"] == 1


def test_lfmvl_evaluate_reads_the_folder_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SampleFolder(tmp_path / "c", 10, 10)
    for number in range(1, 6):
        folder.add(sample(number))
    replies = tmp_path / "replies.jsonl"
    box = [4 / 64, 5 / 48, 24 / 64, 35 / 48]
    replies.write_text(json.dumps({"text": json.dumps([{"label": "tote", "bbox": box}])}))
    words = ["--model", str(replies), "--query", "tote", "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(tmp_path / "c"), *words]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["images"] == 5
    assert summary["models"][0]["recall"] == 1.0


def test_what_had_to_go_stays_where_the_annotations_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SampleFolder(tmp_path, 10, 1)
    folder.add(sample(1), now_s=0.0)

    def full(*_: object, **__: object) -> None:
        raise UserError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("lfmvl_ros.collect.folder.write_json", full)
        with pytest.raises(UserError, match="no space"):
            folder.add(sample(2), now_s=1e6)
    assert len(folder) == 1
    assert (tmp_path / "images" / "camera_1.jpg").exists()
    folder.add(sample(3), now_s=1e6)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["camera_3.jpg"]


NO_SAMPLES = (
    b"",
    b"{}\nx",
    b"[]",
    b'{"schema": "lfmvl/sample/1"}\nx',
    b'{"schema": "lfmvl/sample/1", "name": "../x.jpg"}\nx',
)


HEAD = b'{"schema": "lfmvl/sample/1", "name": "a.jpg"'
ODD_FACTS = (
    b"}\nx",
    b', "objects": {}}\nx',
    b', "objects": [1]}\nx',
    b', "objects": [{"label": "tote", "bbox": [1, 2, 3], "score": 1}]}\nx',
    b', "objects": [{"label": "tote", "bbox": [1, 2, 3, NaN], "score": 1}]}\nx',
    b', "objects": [{"label": 1, "bbox": [1, 2, 3, 4], "score": 1}]}\nx',
    b', "objects": [{"label": "tote", "bbox": [1, 2, 3, 4]}]}\nx',
    b', "objects": [{"label": "tote", "bbox": [1, 2, 3, 4], "score": 1' + b"0" * 400 + b"}]}\nx",
    b', "objects": [], "labels": [1]}\nx',
    b', "objects": [], "id": 7}\nx',
    b', "objects": ' + b"[" * 100_000 + b"\nx",
)


@pytest.mark.parametrize("data", [*NO_SAMPLES, *(HEAD + facts for facts in ODD_FACTS)])
def test_bytes_that_are_no_sample(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Sample.from_bytes(data)
