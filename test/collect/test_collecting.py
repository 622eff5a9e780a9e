# SPDX-License-Identifier: Apache-2.0
"""Answers that are stored: which, how many at most, whole, and ready to evaluate on."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.collect.annotations import ANNOTATIONS, NEW
from lfmvl_ros.collect.bounds import Bounds
from lfmvl_ros.collect.collector import Collector
from lfmvl_ros.collect.folder import SampleFolder
from lfmvl_ros.collect.sample import OWN_NAME, Sample, reason_for
from lfmvl_ros.core.config_collect import CollectSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracks, TrackState
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

    monkeypatch.setattr("lfmvl_ros.collect.annotations.whole_file", full)
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


@pytest.mark.parametrize("wanted", [True, False])
def test_the_frame_of_an_event_is_stored_with_its_tracks(tmp_path: Path, wanted: bool) -> None:
    settings = CollectSettings(folder=str(tmp_path / "c"), events=wanted)
    collector = Collector(settings, lambda _: None)
    given = answer(12, camera="front").frame
    assert given is not None
    tracks = Tracks(
        12, np.array([7]), ("tote",), np.array([0.75]), np.array([[4.0, 5, 24, 35]]),
        np.zeros((1, 2)), np.eye(4)[None], (TrackState.CONFIRMED,), np.ones(1), wh=given.wh,
    )  # fmt: skip
    name = collector.event(given, tracks, Query.parse("tote"), "m")
    assert name == ("front_12.jpg" if wanted else "")
    collector.close(PATIENCE_S)
    assert collector.status()[1]["event"] == int(wanted)
    if wanted:
        listed = json.loads((tmp_path / "c" / ANNOTATIONS).read_text())
        assert listed["images"][0]["file_name"] == name
        assert listed["images"][0]["reason"] == "event"
        assert listed["annotations"][0]["bbox"] == [4, 5, 20, 30]
        assert listed["annotations"][0]["score"] == 0.75


def test_no_event_names_the_image_of_another(tmp_path: Path) -> None:
    """Two cameras whose names differ by a sign, time that starts again, a second run."""
    names: list[str] = []
    for _ in range(2):
        collector = Collector(CollectSettings(folder=str(tmp_path)), lambda _: None)
        for camera in ("left/top", "left_top", "left_top"):
            frame = answer(7, camera=camera).frame
            assert frame is not None
            waiting = len(names)
            names.append(
                collector.event(frame, Tracks(7, wh=frame.wh), Query.parse("tote"), "bundled")
            )
            assert names[waiting]
        collector.close(PATIENCE_S)
    assert names == [
        "left-top_7.jpg", "left_top_7.jpg", "left_top-2_7.jpg",
        "left-top-2_7.jpg", "left_top-3_7.jpg", "left_top-4_7.jpg",
    ]  # fmt: skip
    entries = json.loads((tmp_path / ANNOTATIONS).read_text())["images"]
    assert {each["file_name"]: each["camera"] for each in entries} == {
        name: "left/top" if name.startswith("left-") else "left_top" for name in names
    }
    assert len(SampleFolder(tmp_path, 10, 10)) == len(names)


def test_long_names_of_cameras_stay_apart() -> None:
    one, other = (sample(3, camera="c" * 80 + end).name for end in "ab")
    assert one != other
    assert OWN_NAME.fullmatch(one)


def test_an_end_before_all_samples_are_stored_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    go_on = threading.Event()
    monkeypatch.setattr(
        "lfmvl_ros.collect.folder.write_whole", lambda *_: go_on.wait(PATIENCE_S) and None
    )
    collector = Collector(CollectSettings(folder=str(tmp_path), min_interval_s=0.0), said.append)
    collector.answer(answer(1), drifting=False)
    collector.close(0.01)
    go_on.set()
    assert "may not be stored" in said[0]


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
        patched.setattr("lfmvl_ros.collect.annotations.whole_file", full)
        with pytest.raises(UserError, match="no space"):
            folder.add(sample(2), now_s=1e6)
    assert len(folder) == 1
    assert (tmp_path / "images" / "camera_1.jpg").exists()
    folder.add(sample(3), now_s=1e6)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["camera_3.jpg"]


def listed(folder: Path) -> list[str]:
    """Return the images that the file in COCO format names."""
    return [each["file_name"] for each in json.loads((folder / ANNOTATIONS).read_text())["images"]]


def many(folder: Path, count: int) -> SampleFolder:
    made = SampleFolder(folder, 1e3, 1e3)
    made.add_all(sample(number) for number in range(count))
    return made


def test_with_many_samples_the_annotations_are_not_written_for_each(tmp_path: Path) -> None:
    folder = many(tmp_path, 250)
    before = (tmp_path / ANNOTATIONS).read_bytes()
    for number in (250, 251):
        assert folder.add(sample(number))
        assert (tmp_path / ANNOTATIONS).read_bytes() == before
    lines = (tmp_path / NEW).read_text().splitlines()
    assert [json.loads(line)["file_name"] for line in lines] == ["camera_250.jpg", "camera_251.jpg"]
    assert folder.add(sample(252))  # more than a hundredth are new
    assert not (tmp_path / NEW).exists()
    assert len(listed(tmp_path)) == 253
    folder.add(sample(253))
    folder.close()
    assert not (tmp_path / NEW).exists()
    assert listed(tmp_path)[-1] == "camera_253.jpg"
    text = (tmp_path / ANNOTATIONS).read_text()
    assert text == json.dumps(json.loads(text)) + "\n"


WRITER = """
import sys
from pathlib import Path
from lfmvl_ros.collect.folder import SampleFolder
from lfmvl_ros.collect.sample import Sample
folder = SampleFolder(Path(sys.argv[1]), 1e3, 1e3)
facts = {"width": 64, "height": 48, "objects": []}
samples = [Sample(f"camera_{number}.jpg", b"image", facts) for number in range(252)]
folder.add_all(samples[:250])
for each in samples[250:]:
    folder.add(each)
print("stored", flush=True)
sys.stdin.read()
"""


def test_no_sample_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert writer.stdout.readline() == "stored\n"
    writer.kill()
    writer.wait()
    writer.stdin.close()
    writer.stdout.close()
    assert len(listed(tmp_path)) == 250
    assert len(SampleFolder(tmp_path, 1e3, 1e3)) == 252
    assert listed(tmp_path) == [f"camera_{number}.jpg" for number in range(252)]
    assert sum(1 for _ in (tmp_path / "images").iterdir()) == 252
    assert not (tmp_path / NEW).exists()


def test_a_line_that_was_cut_off_and_one_without_its_image_are_left_out(tmp_path: Path) -> None:
    folder = many(tmp_path, 250)
    folder.add(sample(250))
    folder.add(sample(251))
    (tmp_path / "images" / "camera_250.jpg").unlink()
    with (tmp_path / NEW).open("a") as file:
        file.write('{"file_name": "camera_252.jpg", "wid')
    assert len(SampleFolder(tmp_path, 1e3, 1e3)) == 251
    assert listed(tmp_path)[-1] == "camera_251.jpg"


@pytest.mark.parametrize("text", ["nonsense", "[1]", '{"file_name": "camera_1.jpg"}', "{}"])
def test_lines_of_new_samples_by_somebody_else_are_refused(tmp_path: Path, text: str) -> None:
    many(tmp_path, 3)
    (tmp_path / NEW).write_text(text + "\n")
    with pytest.raises(UserError, match="not a collection of this package"):
        SampleFolder(tmp_path, 1e3, 1e3)
    assert len(listed(tmp_path)) == 3


def test_the_collector_leaves_one_file_when_it_ends(tmp_path: Path) -> None:
    many(tmp_path / "c", 250)
    settings = CollectSettings(folder=str(tmp_path / "c"), min_interval_s=0.0)
    collector = Collector(settings, lambda _: None)
    collector.answer(answer(10**12), drifting=False)
    collector.close(PATIENCE_S)
    assert not (tmp_path / "c" / NEW).exists()
    assert listed(tmp_path / "c")[-1] == f"camera_{10**12}.jpg"


def test_where_something_has_to_go_a_share_goes_at_once() -> None:
    stored = [(f"{number}", 1, float(number)) for number in range(1000)]
    bounds = Bounds(1000 / 1e6, math.inf, stored)
    assert bounds.surplus(1e3, 0.01) == []
    bounds.add("new", 1, 1e3)
    assert bounds.surplus(1e3) == ["0"]
    assert bounds.surplus(1e3, 0.01) == [f"{number}" for number in range(10)]
    assert Bounds(0.0, math.inf, stored[:2]).surplus(1e3, 1.0) == ["0"]  # the newest stays


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
