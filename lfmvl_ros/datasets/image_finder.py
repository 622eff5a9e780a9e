# SPDX-License-Identifier: Apache-2.0
"""Which file an annotation file means by a name; never one outside of the folder, nor a guess."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from lfmvl_ros.core.user_files import is_below, is_regular_file, without_links
from lfmvl_ros.datasets.spelling import file_spellings, loose

MISSING = "images whose file is missing"
OUTSIDE = "images outside the folder (.. or a link)"
AMBIGUOUS = "images whose name fits several files"


def listed_names(file_names: Iterable[str]) -> Counter[str]:
    """How many different paths end in each bare name, of all that a folder's files list."""
    paths = {loose(spelling[0]) for name in file_names if (spelling := file_spellings(name))}
    return Counter(PurePosixPath(path).name for path in paths)


class ImageFinder:
    """Finds the images that an annotation file names.

    Args:
        directory: the folder; nothing outside of it is found.
        annotations: the annotation file.
        split: of the file; "" for none.
        listed: see :func:`listed_names`.
    """

    def __init__(
        self, directory: Path, annotations: Path, split: str, listed: Counter[str]
    ) -> None:
        self._root, self._listed = directory, listed
        self._real_root = without_links(directory)
        self._parent_inside: dict[Path, bool] = {}
        stem = re.sub(r"^(instances|annotations|lvis_v[0-9.]+)_", "", annotations.stem)
        tails = [stem, split] if split else [stem]
        places = [directory / "images" / tail for tail in tails]
        places += [directory / tail for tail in tails]
        beside = annotations.parent
        places += [beside, directory, directory / "images", beside / "images", directory / "data"]
        self._places = [place for place in dict.fromkeys(places) if place.is_dir()]

    def find(self, file_name: str) -> Path | str:
        """Return the file of this name, which may have folders in it; or why there is none.

        Spellings are tried in turn: as written, with ``%20`` as a space, then without a difference
        between composed and decomposed accents, and between capitals and small letters. Where the
        name's own folders are not there, the bare name is looked for, if no other listed image
        has it: some tools write the path that the image had while it was labelled.
        """
        spellings = file_spellings(file_name)
        if any(".." in PurePosixPath(spelling).parts for spelling in spellings):
            return OUTSIDE
        bare = tuple(dict.fromkeys(PurePosixPath(spelling).name for spelling in spellings))
        alone = bool(bare) and self._listed[loose(bare[0])] <= 1
        for names in (spellings, bare) if alone else (spellings,):
            found = self._exactly(names) or self._loosely(names)
            if found is not None:
                return found
        return MISSING

    def _exactly(self, names: Iterable[str]) -> Path | str | None:
        for name in names:
            for place in self._places:
                try:
                    if (place / name).is_file():
                        return self._inside(place / name)
                except (OSError, ValueError):  # longer than a name can be
                    continue
        return None

    def _loosely(self, names: Iterable[str]) -> Path | str | None:
        for name in names:
            for place in self._places:
                inside = os.path.relpath(place, self._root)
                wanted = loose(name if inside == "." else f"{inside}/{name}")
                found = self._index.get(wanted, [])
                if len(found) > 1:
                    return AMBIGUOUS
                if found:
                    return self._inside(found[0])
        return None

    def _inside(self, path: Path) -> Path | str:
        """Return the path, or why it may not be read; each parent's links are followed once."""
        if path.is_symlink():
            return path if is_below(path, self._real_root) else OUTSIDE
        parent = path.parent
        if parent not in self._parent_inside:
            self._parent_inside[parent] = is_below(parent, self._real_root)
        return path if self._parent_inside[parent] else OUTSIDE

    @cached_property
    def _index(self) -> dict[str, list[Path]]:
        """Every file of the folder by its path without differences of spelling.

        No pipe or device: reading one could wait for ever.
        """
        index: dict[str, list[Path]] = {}
        for parent, _, names in os.walk(self._root):
            for path in (Path(parent, name) for name in names):
                if is_regular_file(path):
                    key = loose(path.relative_to(self._root).as_posix())
                    index.setdefault(key, []).append(path)
        return index
