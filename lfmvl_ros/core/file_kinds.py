# SPDX-License-Identifier: Apache-2.0
"""Recognises a file by its first bytes, so that an error can name what was found."""

from __future__ import annotations

import re
from pathlib import Path

_LFS = b"version https://git-lfs.github.com/spec/"
_FOURCC = {b"av01": "AV1", b"hvc1": "H.265", b"hev1": "H.265", b"avc1": "H.264", b"vp09": "VP9"}
# First bytes -> what it is. Sources: the formats' own specifications.
_SIGNATURES = {
    _LFS: "a Git LFS pointer, not the file itself (fetch it with `git lfs pull`)",
    b"\x89PNG\r\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive (or a file made of one, such as .docx or .pt)",
    b"\x1f\x8b": "a gzip archive",
    b"GGUF": "a GGUF file, the format of llama.cpp",
    b"\x1aE\xdf\xa3": "a Matroska or WebM video",
    b"SQLite format 3": "an SQLite database, such as a ROS 2 bag",
    b"\x89MCAP0": "an MCAP file, such as a ROS 2 bag",
    b"\x93NUMPY": "a NumPy array",
    b"\x7fELF": "a program",
    b"<svg": "an SVG drawing",
    b"<!DOCTYPE html": "a web page",
    b"<html": "a web page",
}
_HEAD, _SEARCHED = 64, 1 << 20


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a pointer to one that Git LFS has not fetched."""
    try:
        with path.open("rb") as file:
            return file.read(len(_LFS)) == _LFS
    except OSError:
        return False


def kind_of(path: Path) -> str:
    """Return what is at a path, as a phrase such as ``"a PNG image"``; "" when it is not known.

    Only the first bytes of regular files are read.
    """
    if path.is_dir():
        return "a folder"
    if not path.is_file():
        return "a device or pipe" if path.exists() else ""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if head[4:8] == b"ftyp":
                return _iso_media(head, head + file.read(_SEARCHED))
    except OSError as error:
        return f"a file that can't be opened ({error.strerror})"
    return _kind_of_bytes(head)


def _kind_of_bytes(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head[:4] == b"RIFF":
        return {b"WEBP": "a WebP image", b"AVI ": "an AVI video"}.get(head[8:12], "a RIFF file")
    known = (kind for signature, kind in _SIGNATURES.items() if head.startswith(signature))
    text = "a text file" if re.fullmatch(rb"[\t\n\r -~\x80-\xff]+", head) else ""
    return next(known, text)


def _iso_media(head: bytes, searched: bytes) -> str:
    """What a file of the MP4 family holds, by its brand and the codec that its index names."""
    brand = head[8:12]
    if brand in (b"heic", b"heix", b"mif1"):
        return "a HEIF image"
    if brand == b"avif":
        return "an AVIF image"
    codecs = {name for code, name in _FOURCC.items() if code in searched}
    return f"a video ({', '.join(sorted(codecs))})" if codecs else "an MP4 video"
