# SPDX-License-Identifier: Apache-2.0
"""A refusal names what was found."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.file_kinds import _kind_of_bytes, is_lfs_pointer, kind_of
from lfmvl_ros.core.video_reader import VideoReader
from lfmvl_ros.viz.video import VideoWriter, read_image

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"
AV1 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomav01" + b"\x00" * 200
AVI = b"RIFF\x00\x00\x00\x00AVI LIST\xc0\x00\x00\x00hdrlstrh\x38\x00\x00\x00vidsXVID" + b"\x00" * 99


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (POINTER, "Git LFS pointer"),
        (b"GGUF\x03\x00", "GGUF"),
        (AV1, r"an MP4 video \(AV1\)"),
        (AVI, r"an AVI video \(XVID\)"),
        (b"%PDF-1.7", "a PDF document"),
        (b"hello, world", "a text file"),
        (b"\x00\x01\x02", "an unknown kind"),
    ],
)
def test_images_and_videos_that_are_none(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    for read in (read_image, VideoReader):
        with pytest.raises(UserError, match=kind):
            read(path)


def test_one_for_the_other_and_what_is_no_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "in.mp4", (64, 48), 10.0) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(UserError, match=r"is an? (MP4 )?video.*; an image is needed"):
        read_image(tmp_path / "in.mp4")
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path, "a folder"), (tmp_path / "pipe", "a device or pipe")):
        for read in (read_image, VideoReader):
            with pytest.raises(UserError, match=kind):
                read(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_images_are_recognised(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"a{suffix}"), np.zeros((8, 8, 3), np.uint8))
    assert kind_of(tmp_path / f"a{suffix}").endswith(" image")


@given(st.binary(max_size=64))
def test_any_bytes_are_a_kind_or_unknown(content: bytes) -> None:
    assert isinstance(_kind_of_bytes(content), str)


def test_a_pointer_is_told_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(POINTER)
    (tmp_path / "b").write_bytes(POINTER[1:])
    assert is_lfs_pointer(tmp_path / "a")
    assert not is_lfs_pointer(tmp_path / "b")
    assert not is_lfs_pointer(tmp_path / "missing")
