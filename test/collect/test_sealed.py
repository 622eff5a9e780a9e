# SPDX-License-Identifier: Apache-2.0
"""Samples that are stored encrypted: only the private key opens them, and odd files are named."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.collect.collector import Collector
from lfmvl_ros.collect.folder import SampleFolder
from lfmvl_ros.collect.sample import Sample
from lfmvl_ros.core.config_collect import CollectSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco_reading import read_folder

from ..waiting import PATIENCE_S
from .samples import answer, sample


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
    assert "camera_2.jpg.age holds no sample that can be used: objects is not a list" in said.err
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
