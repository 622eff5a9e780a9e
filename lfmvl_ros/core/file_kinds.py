# SPDX-License-Identifier: Apache-2.0
"""Recognises a file by its first bytes, so that an error can name what was found."""

from __future__ import annotations

import re
from pathlib import Path

from lfmvl_ros.core.errors import UserError

_LFS = b"version https://git-lfs.github.com/spec/"
# What containers call codecs -> what people do: four letters in MP4 and AVI, words in Matroska.
_CODECS = {
    "av01": "AV1", "AV1": "AV1", "hvc1": "H.265", "hev1": "H.265", "MPEGH/ISO/HEVC": "H.265",
    "avc1": "H.264", "avc3": "H.264", "H264": "H.264", "MPEG4/ISO/AVC": "H.264",
    "vp08": "VP8", "VP8": "VP8", "vp09": "VP9", "VP9": "VP9", "mp4v": "MPEG-4 part 2",
    "apcn": "ProRes", "apch": "ProRes", "ap4h": "ProRes", "PRORES": "ProRes", "MJPG": "Motion JPEG",
    "MJPEG": "Motion JPEG", "jpeg": "Motion JPEG", "FFV1": "FFV1", "vvc1": "H.266",
}  # fmt: skip
_SOUND = frozenset({"mp4a", "ac-3", "Opus", "sowt", "tmcd", "text", "alac"})
_MATROSKA = b"\x1aE\xdf\xa3"
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
    _MATROSKA: "a Matroska or WebM video",
    b"SQLite format 3": "an SQLite database, such as a ROS 2 bag",
    b"\x89MCAP0": "an MCAP file, such as a ROS 2 bag",
    b"\x93NUMPY": "a NumPy array",
    b"\x7fELF": "a program",
    b"<svg": "an SVG drawing",
    b"<!DOCTYPE html": "a web page",
    b"<html": "a web page",
}
_HEAD, _SEARCHED = 256, 1 << 20


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a pointer to one that Git LFS has not fetched."""
    try:
        with path.open("rb") as file:
            return file.read(len(_LFS)) == _LFS
    except OSError:
        return False


def kind_of(path: Path) -> str:
    """Return what is at a path, as a phrase such as ``"a PNG image"``; "" when it is not known.

    Of videos the codec is named. At most two megabytes of a regular file are read.
    """
    if path.is_dir():
        return "a folder"
    if not path.is_file():
        return "a device or pipe" if path.exists() else ""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if head[4:8] == b"ftyp" or head[8:12] == b"AVI " or head.startswith(_MATROSKA):
                searched = head + file.read(_SEARCHED)
                file.seek(max(file.tell(), path.stat().st_size - _SEARCHED))
                return _kind_of_container(head, searched + file.read(_SEARCHED))
    except OSError as error:
        return f"a file that can't be opened ({error.strerror})"
    return _kind_of_bytes(head)


def is_cut_off(path: Path) -> bool:
    """Whether a video file (AVI, MP4, Matroska) is shorter than its own headers say.

    >>> is_cut_off(Path("/dev/null"))
    False
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if head[:4] == b"RIFF":
                return size < 8 + int.from_bytes(head[4:8], "little")
            if head.startswith(_MATROSKA):
                return size < _end_of_matroska(head)
            position = 0
            while head[4:8] == b"ftyp" and 0 <= position < size:
                file.seek(position)
                box = file.read(16)
                length = int.from_bytes(box[:4], "big")
                if length == 1:
                    length = int.from_bytes(box[8:16], "big")
                position = size if length < 8 else position + length  # 0: to the end of the file
            return position > size
    except OSError:
        return False


def check_file(path: Path, expected: str) -> None:
    """Refuse what can't be a file of a kind before anything is read from it.

    Args:
        path: of the file.
        expected: ``image`` or ``video``.

    Raises:
        UserError: there is nothing, or no regular file.
    """
    if not path.exists():
        raise UserError(f"there is no {expected} file {str(path)!r}; check the path")
    if not path.is_file():
        raise UserError(f"{str(path)!r} is {kind_of(path)}; a file with one {expected} is needed")


def refusal(path: Path, expected: str, advice: str) -> str:
    """Return why a file can't be read as what is expected, naming what it is."""
    kind = kind_of(path)
    if expected not in kind and kind:
        noun = "an image" if expected == "image" else "a video"
        return f"{str(path)!r} is {kind}; {noun} is needed"
    if kind and is_cut_off(path):
        return f"{str(path)!r} is {kind} that breaks off before its end; copy it again"
    if kind:
        return f"{str(path)!r} is {kind} that is damaged, or OpenCV has no decoder for it; {advice}"
    return f"{str(path)!r} is of an unknown kind, and can't be read as {expected}; {advice}"


def _kind_of_bytes(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head[:4] == b"RIFF":
        return "a WebP image" if head[8:12] == b"WEBP" else "a RIFF file"
    known = (kind for signature, kind in _SIGNATURES.items() if head.startswith(signature))
    text = "a text file" if re.fullmatch(rb"[\t\n\r -~\x80-\xff]+", head) else ""
    return next(known, text)


def _kind_of_container(head: bytes, searched: bytes) -> str:
    """What a file of the MP4 family, an AVI or Matroska file holds, by brand and codec."""
    still = {b"heic": "a HEIF image", b"heix": "a HEIF image", b"mif1": "a HEIF image",
             b"avif": "an AVIF image"}  # fmt: skip
    if head[4:8] == b"ftyp":
        if head[8:12] in still:
            return still[head[8:12]]
        kind, pattern = "an MP4 video", rb"stsd.{4}.{4}.{4}([ -~]{4})"
    elif head[:4] == b"RIFF":
        kind, pattern = "an AVI video", rb"strh.{4}vids([ -~]{4})"
    else:
        kind, pattern = _SIGNATURES[_MATROSKA], rb"V_([A-Z0-9/]+)"
    found = {match.decode() for match in re.findall(pattern, searched, re.DOTALL)}
    found |= {"av01"} if b"av01" in head else set()  # a brand as well
    names = sorted(_CODECS.get(code.strip(), code.strip()) for code in found - _SOUND)
    return f"{kind} ({', '.join(names)})" if names else kind


def _end_of_matroska(head: bytes) -> int:
    """First byte behind the segment, as its header states it; 0 where it states none."""
    first = 4 + _vint(head, 4)[1]
    segment = first + _vint(head, 4)[0]
    if head[segment : segment + 4] != b"\x18S\x80g":
        return 0
    length, width = _vint(head, segment + 4)
    unknown = length == (1 << 7 * width) - 1
    return 0 if unknown or not width else segment + 4 + width + length


def _vint(data: bytes, position: int) -> tuple[int, int]:
    """A number of EBML (RFC 8794), and how many bytes it takes; (0, 0) where there is none."""
    if position >= len(data) or not data[position]:
        return 0, 0
    width = 9 - data[position].bit_length()
    number = int.from_bytes(data[position : position + width], "big")
    return number & ((1 << 7 * width) - 1), width
