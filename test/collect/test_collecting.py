# SPDX-License-Identifier: Apache-2.0
"""Answers that are stored: which, how many at most, whole, encrypted, and ready to evaluate on."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.collect.collector import Collector
from lfmvl_ros.collect.folder import ANNOTATIONS, SampleFolder
from lfmvl_ros.collect.sample import Sample, reason_for, sample_of
from lfmvl_ros.core.config_collect import CollectSettings
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Applied
from lfmvl_ros.datasets.coco_reading import read_folder

from ..waiting import PATIENCE_S, until

WH = (64, 48)


def answer(
    stamp_ns: int = 1, *, score: float = 0.3, outcome: Outcome = Outcome.OK, count: int = 1,
    camera: str = "",
) -> Answer:  # fmt: skip
    pixels = np.random.default_rng(stamp_ns % 1000).integers(0, 255, (*WH[::-1], 3), np.uint8)
    frame = Frame(pixels, stamp_ns, "lens", camera)
    boxes = np.array([[4.0, 5, 24, 35]] * count).reshape(-1, 4)
    found = Detections(boxes, ("tote",) * count, np.full(count, score), np.ones((count, 4)))
    grounding = Grounding(
        outcome=outcome, detections=found, stamp_ns=stamp_ns, frame_id="lens", camera=camera,
        wh=WH, query=Query.parse("tote, person"), reply=Reply("[]", model="m"),
        confidence_kind="token_probability",
    )  # fmt: skip
    return Answer(grounding, Applied(stamp_ns, (0,) * count), 0, frame)


def sample(stamp_ns: int = 1, **more: object) -> Sample:
    made = sample_of(answer(stamp_ns, **more), "uncertain")
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("given", "drifting", "reason"),
    [
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


def test_only_the_private_key_opens_encrypted_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyrage", reason="pyrage is not installed")
    key = tmp_path / "key.txt"
    assert main(["collected", "new-key", str(key)]) == 0
    public = json.loads(capsys.readouterr().out)["public_key"]
    assert key.stat().st_mode & 0o077 == 0
    assert main(["collected", "new-key", str(key)]) == 2  # never over another
    settings = CollectSettings(folder=str(tmp_path / "c"), public_key=public, min_interval_s=0.0)
    collector = Collector(settings, lambda _: None)
    for stamp_s in (1, 2, 3):
        collector.answer(answer(stamp_s * 10**9), drifting=False)
    collector.close(PATIENCE_S)
    files = sorted((tmp_path / "c").iterdir())
    assert [path.name for path in files] == [f"camera_{s}000000000.jpg.age" for s in (1, 2, 3)]
    assert not any(b"tote" in path.read_bytes() for path in files)
    files[2].write_bytes(files[2].read_bytes()[:-5])
    words = ["collected", "decrypt", str(tmp_path / "c"), "--out", str(tmp_path / "out")]
    assert main([*words, "--key", str(key)]) == 1
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["samples"], summary["refused"]) == (2, 1)
    read = read_folder(tmp_path / "out")
    assert len(read.training) + len(read.held_out) == 2
    main(["collected", "new-key", str(tmp_path / "other.txt")])
    assert main([*words, "--key", str(tmp_path / "other.txt")]) == 2
    assert "has no sample that this key decrypts" in capsys.readouterr().err
    assert main([*words, "--key", str(files[0])]) == 2
    assert "it is not UTF-8 text" in capsys.readouterr().err
    for text, reason in (
        ("age1", "holds no age private key"),
        ("x" * 5000, "at most 4,096 are read"),
    ):
        (tmp_path / "odd.txt").write_text(text)
        assert main([*words, "--key", str(tmp_path / "odd.txt")]) == 2
        assert reason in capsys.readouterr().err


def sealed(folder: Path, key: Path) -> object:
    """A folder of encrypted samples that the key of this new file opens."""
    pytest.importorskip("pyrage", reason="pyrage is not installed")
    from lfmvl_ros.collect.sealed import SealedFolder, new_key

    return SealedFolder(folder, new_key(key), 10, 10)


def test_odd_files_are_named_and_the_other_samples_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sealed(tmp_path / "c", tmp_path / "key.txt")
    good = sample(1)
    folder.add(good)  # type: ignore[attr-defined]
    folder.add(Sample("camera_2.jpg", good.jpeg, {"width": 4}))  # type: ignore[attr-defined]
    folder.add(sample(3))  # type: ignore[attr-defined]
    (tmp_path / "c" / "camera_4.jpg.age").mkdir()
    os.mkfifo(tmp_path / "c" / "camera_5.jpg.age")  # would block for ever
    (tmp_path / "c" / ".camera_6.jpg.77.part.age").write_bytes(b"cut off")
    words = ["collected", "decrypt", str(tmp_path / "c"), "--key", str(tmp_path / "key.txt")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    summary = json.loads(said.out.splitlines()[-1])
    assert (summary["samples"], summary["new"], summary["refused"]) == (2, 2, 3)
    assert "camera_2.jpg.age holds no sample that can be used: objects is no list" in said.err
    assert "camera_4.jpg.age is a directory" in said.err
    assert "camera_5.jpg.age is a pipe" in said.err
    assert "with this key" not in said.err
    assert len(SampleFolder(tmp_path / "out", 10, 10)) == 2


def test_samples_before_a_full_disk_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sealed(tmp_path / "c", tmp_path / "key.txt")
    for number in (1, 2, 3):
        folder.add(sample(number))  # type: ignore[attr-defined]

    def full(path: Path, data: bytes) -> None:
        if path.name == "camera_3.jpg":
            raise UserError(f"{path}: the disk is full")
        path.write_bytes(data)

    monkeypatch.setattr("lfmvl_ros.collect.folder.write_whole", full)
    words = ["collected", "decrypt", str(tmp_path / "c"), "--key", str(tmp_path / "key.txt")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert len(SampleFolder(tmp_path / "out", 10, 10)) == 2


def test_decrypting_holds_one_sample_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sealed(tmp_path / "c", tmp_path / "key.txt")
    for number in (1, 2, 3):
        folder.add(sample(number))  # type: ignore[attr-defined]
    stored: list[int] = []
    add_all = SampleFolder.add_all

    def counting(self: SampleFolder, samples: Iterable[Sample]) -> int:
        def watched() -> Iterator[Sample]:
            for one in samples:
                stored.append(len(list((tmp_path / "out" / "images").iterdir())))
                yield one

        return add_all(self, watched())

    monkeypatch.setattr(SampleFolder, "add_all", counting)
    words = ["collected", "decrypt", str(tmp_path / "c"), "--key", str(tmp_path / "key.txt")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert stored == [0, 1, 2]


def test_encrypted_samples_are_bounded_too(tmp_path: Path) -> None:
    pyrage = pytest.importorskip("pyrage", reason="pyrage is not installed")
    from lfmvl_ros.collect.sealed import SealedFolder

    public = str(pyrage.x25519.Identity.generate().to_public())
    size_mb = (len(sample(1).to_bytes()) + 300) / 1e6
    folder = SealedFolder(tmp_path, public, 2.5 * size_mb, 1)
    for number in range(1, 6):
        folder.add(sample(number))
        time.sleep(0.02)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["camera_4.jpg.age", "camera_5.jpg.age"]


def test_only_whole_samples_count_and_go(tmp_path: Path) -> None:
    pyrage = pytest.importorskip("pyrage", reason="pyrage is not installed")
    from lfmvl_ros.collect.sealed import SealedFolder

    others = (".hidden.age", "somebody else's.age")
    cut_off = tmp_path / ".camera_7.jpg.77.part.age"
    for name in (*others, cut_off.name):
        (tmp_path / name).write_bytes(b"x" * 10_000_000)
    public = str(pyrage.x25519.Identity.generate().to_public())
    folder = SealedFolder(tmp_path, public, 1, 1)
    assert (len(folder), folder.size_mb) == (0, 0)
    folder.add(sample(1))
    assert len(SealedFolder(tmp_path, public, 1, 1)) == len(folder) == 1
    assert all((tmp_path / name).exists() for name in others)
    assert not cut_off.exists()
    folder.add(sample(2), now_s=time.time() + 2 * 86400)
    assert not (tmp_path / "camera_1.jpg.age").exists()


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


@pytest.mark.parametrize("key", ["age1nonsense", "AGE-SECRET-KEY-1X", "x" * 5000])
def test_a_wrong_key_is_refused_at_start(tmp_path: Path, key: str) -> None:
    pytest.importorskip("pyrage", reason="pyrage is not installed")
    with pytest.raises(UserError, match="is not an age public key") as caught:
        Collector(CollectSettings(folder=str(tmp_path), public_key=key), lambda _: None)
    assert key not in str(caught.value)


def test_without_pyrage_the_install_line_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(UserError, match="pip install pyrage"):
        Collector(CollectSettings(folder=str(tmp_path), public_key="age1"), lambda _: None)


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
