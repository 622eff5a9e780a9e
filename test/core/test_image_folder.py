# SPDX-License-Identifier: Apache-2.0
"""Which files of a folder are images."""

from __future__ import annotations

from pathlib import Path

from lfmvl_ros.core.image_folder import images_in


def test_hidden_files_folders_and_other_files_are_no_images(tmp_path: Path) -> None:
    for name in ("10.png", "2.JPG", "a.webp", ".2.jpg", "._a.webp", "notes.txt", "jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    assert [path.name for path in images_in(tmp_path)] == ["2.JPG", "10.png", "a.webp"]
