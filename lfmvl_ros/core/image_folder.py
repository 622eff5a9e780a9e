# SPDX-License-Identifier: Apache-2.0
"""Which files of a folder are images, and in which order they are shown."""

from __future__ import annotations

import re
from pathlib import Path

from lfmvl_ros.core.encoded_images import IMAGE_SUFFIXES

_DIGITS = frozenset("0123456789")


def is_image_name(name: str) -> bool:
    """Return whether a file of this name is taken for an image: hidden ones are not.

    >>> is_image_name("a.JPG"), is_image_name("._a.jpg"), is_image_name("a.txt")
    (True, False, False)
    """
    return Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that counts: ``2.png`` before ``10.png``.

    >>> sorted(["10.png", "2.png", "a.png"], key=natural_key)
    ['2.png', '10.png', 'a.png']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(part), part) if part[0] in _DIGITS else (1, 0, part) for part in parts)


def images_in(folder: Path) -> list[Path]:
    """Return the image files of a folder, not of those in it, in natural order of their names.

    Raises:
        OSError: the folder can't be read.
    """
    found = (path for path in folder.iterdir() if is_image_name(path.name) and path.is_file())
    return sorted(found, key=lambda path: natural_key(path.name))
