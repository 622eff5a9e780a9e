# SPDX-License-Identifier: Apache-2.0
"""Folders of MOTChallenge: what is read, and what is refused. Needs no package of figures."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.films import read_mot_folder

from .mot_folders import mot_folder


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("gt/gt.txt", "1,2,3", "line 1 of"),
        ("gt/gt.txt", "1,7,nan,0,1,1,1,1,1", "line 1 of"),
        ("gt/gt.txt", "1,nan,0,0,1,1,1,1,1", "line 1 of"),
        ("gt/gt.txt", "1,inf,0,0,1,1,1,1,1", "line 1 of"),
        ("gt/gt.txt", "1,7,0,0,9,9,1,1,1\n1,7,5,0,9,9,1,1,1", "line 2 of"),
        ("seqinfo.ini", "[Sequence]\n", "frameRate"),
        ("seqinfo.ini", "[Sequence]\nframeRate=20\nimDir=../..\n", "is no folder in it"),
        ("seqinfo.ini", "frameRate", "seqinfo.ini can't be used"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, file: str, text: str, says: str) -> None:
    folder = mot_folder(tmp_path / "mot", count=2)
    (folder / file).write_text(text)
    with pytest.raises(UserError, match=re.escape(says)):
        read_mot_folder(folder)


def test_images_are_those_that_every_folder_of_images_has(tmp_path: Path) -> None:
    folder = mot_folder(tmp_path / "mot", count=3)
    images = folder / "img1"
    for number, name in enumerate(("2.jpg", "10.jpg", "11.tiff"), start=1):
        (images / f"{number:06}.jpg").rename(images / name)
    (images / "._2.jpg").write_bytes(b"left by another system")
    (images / "3.jpg").mkdir()
    assert [path.name for path in read_mot_folder(folder).images] == ["2.jpg", "10.jpg", "11.tiff"]


def test_seqinfo_that_is_no_small_text_file_is_refused(tmp_path: Path) -> None:
    folder = mot_folder(tmp_path / "mot", count=2)
    (folder / "seqinfo.ini").unlink()
    with pytest.raises(UserError, match=r"seqinfo\.ini can't be read .*; it needs \[Sequence\]"):
        read_mot_folder(folder)
    os.mkfifo(folder / "seqinfo.ini")  # would block for ever
    with pytest.raises(UserError, match=r"seqinfo\.ini is a pipe"):
        read_mot_folder(folder)
