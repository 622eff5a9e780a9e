# SPDX-License-Identifier: Apache-2.0
"""Whether the data of a JPEG is complete, by its markers (ITU-T T.81, annex B and G)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# The next marker in coded data: stuffed zeros, restarts and fill bytes belong to the data.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SOS, _EOI = 0xDA, 0xD9


@dataclass(frozen=True)
class JpegScans:
    """The scans of a JPEG, as its markers state them.

    Attributes:
        is_progressive: the image comes in several passes.
        are_complete: every pass that the image needs is there, though perhaps not to its end.
        end: where the end marker of the first image lies; None where it has none.
    """

    is_progressive: bool
    are_complete: bool
    end: int | None


def read_scans(raw: bytes) -> JpegScans:
    """Return what the markers of a JPEG say; never raises, whatever the bytes are."""
    position, end, scans = 2, None, 0
    progressive, components = False, b""
    missing: dict[tuple[int, int], int] = {}  # component and coefficient -> bits that are missing
    while position + 2 <= len(raw) and raw[position] == 0xFF:
        marker = raw[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == _EOI:
            end = position
            break
        length = int.from_bytes(raw[position + 2 : position + 4], "big")
        segment = raw[position + 4 : position + 2 + length]
        position += 2 + max(length, 2)
        if marker in _FRAMES:
            progressive = marker in _PROGRESSIVE
            components = segment[6::3]
            missing = {(name, band): 14 for name in components for band in (0, 1, 63)}
        elif marker == _SOS:
            scans += 1
            _take(segment, missing)
            found = _MARKER.search(raw, position)
            position = len(raw) if found is None else found.start()
    complete = scans > 0 and not (progressive and any(missing.values()))
    return JpegScans(progressive or scans > 1, complete, end)


def _take(scan: bytes, missing: dict[tuple[int, int], int]) -> None:
    """Note the bits that a scan brings: of bands first to last, all but the lowest few."""
    count = scan[0] if scan else 0
    names, tail = scan[1 : 1 + 2 * count : 2], scan[1 + 2 * count :]
    if len(tail) < 3:
        return
    first, last, low_bits = tail[0], tail[1], tail[2] & 0x0F
    for name in names:
        for band in (0, 1, 63):
            if first <= band <= last and (name, band) in missing:
                missing[name, band] = low_bits
