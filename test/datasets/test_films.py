# SPDX-License-Identifier: Apache-2.0
"""Folders of MOTChallenge: what is read, and what is refused. Needs no package of figures."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.mot_folder import read_mot_folder

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
        ("seqinfo.ini", "[Sequence]\nframeRate=1e-9\n", "frameRate=1e-9 is none from 0.01 to"),
        ("seqinfo.ini", "[Sequence]\nframeRate=20\nimWidth=160\nimHeight=160\n",
         "which is 160x120, the annotations say 160x160"),
        ("seqinfo.ini", "[Sequence]\nframeRate=20\nimDir=../..\n", "is no folder in it"),
        ("seqinfo.ini", "frameRate", "seqinfo.ini can't be used"),
    ],
)  # fmt: skip
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
    assert [path.name for path in read_mot_folder(folder).sequences[0].images] == [
        "2.jpg",
        "10.jpg",
        "11.tiff",
    ]


def test_seqinfo_that_is_no_small_text_file_is_refused(tmp_path: Path) -> None:
    folder = mot_folder(tmp_path / "mot", count=2)
    (folder / "seqinfo.ini").unlink()
    with pytest.raises(UserError, match=r"seqinfo\.ini can't be read .*; it needs \[Sequence\]"):
        read_mot_folder(folder)
    os.mkfifo(folder / "seqinfo.ini")  # would block for ever
    with pytest.raises(UserError, match=r"seqinfo\.ini is a pipe"):
        read_mot_folder(folder)


@pytest.mark.parametrize(
    ("names", "frames", "found_on", "note"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], [0, 1, 2, 3], ""),
        ([0, 1, 2, 3], [1, 2, 3, 4], [0, 1, 2, 3], "in order"),
        ([100, 101, 102, 103], [1, 2, 3, 4], [0, 1, 2, 3], "in order"),
        ([100, 101, 102, 103], [100, 101, 103], [0, 1, 3], "as the frame that their name is"),
        ([1, 2, 4, 5], [1, 2, 3, 4, 5], [0, 1, 2, 3], "as the frame that their name is"),
        ([3, 4, 5, 6], [3, 4], [0, 1], "as the frame that their name is"),  # fits both
    ],
)
def test_frames_are_those_of_the_names_where_they_fit(
    tmp_path: Path, names: list[int], frames: list[int], found_on: list[int], note: str
) -> None:
    folder = mot_folder(tmp_path / "mot", count=4)
    for image, name in zip(sorted((folder / "img1").iterdir()), names, strict=True):
        image.rename(image.with_name(f"x{name:06}.jpg"))
    for image in list((folder / "img1").iterdir()):
        image.rename(image.with_name(image.name[1:]))
    rows = [f"{frame},7,{frame},40,32,32,1,1,1.0" for frame in frames]
    (folder / "gt" / "gt.txt").write_text("\n".join(rows))
    found = read_mot_folder(folder)
    (film,) = found.sequences
    assert [index for index, truth in film.truth.items() if truth.ids] == found_on
    assert [note in what for what in found.changed.counts] == [True] * bool(note)
    by_name = note.startswith("as")
    for index in found_on:
        assert film.truth[index].xyxy_px[0, 0] == (names[index] if by_name else index + 1)
    lasts_ns = film.stamps_ns[-1] - film.stamps_ns[0]
    assert lasts_ns == 50_000_000 * ((names[-1] - names[0]) if by_name else 3)


def test_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    folder = mot_folder(tmp_path / "mot", count=2)
    with (folder / "gt" / "gt.txt").open("a") as file:
        file.write("\n1,1,0,0,-9,9,1,1,1\n1,2,0,0,0,9,1,1,1\n1,3,500,0,9,9,1,1,1")
    with (folder / "seqinfo.ini").open("a") as file:
        file.write("seqLength=5\nimWidth=80\nimHeight=60\n")
    found = read_mot_folder(folder)
    assert found.left_out.counts == {
        "images of seqLength that are not there": 3,
        "rows that the file takes out (confidence 0)": 2,
        "boxes of negative width or height": 1,
        "empty boxes": 1,
        "boxes outside their image": 1,
    }
    assert list(found.changed.counts.values()) == [2]
    assert found.sequences[0].truth[0].xyxy_px.tolist() == [[20, 80, 84, 144]]  # scaled
