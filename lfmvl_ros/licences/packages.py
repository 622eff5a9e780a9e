# SPDX-License-Identifier: Apache-2.0
"""The licences of the Python packages of this environment, from what they say themselves."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path

from lfmvl_ros.licences.item import Licensed, folded
from lfmvl_ros.licences.spdx import from_text, from_words

_TITLE = re.compile(r"(licen[cs]e|copying)", re.IGNORECASE)
_ROS_LICENCE = re.compile(r"<license[^>]*>([^<]*)</license>")
_LARGEST = 1 << 20


def installed_packages(known: Mapping[str, str]) -> list[Licensed]:
    """Return every package that this Python finds, by name.

    Args:
        known: folded name -> SPDX expression that a person has looked up; it wins.
    """
    found: dict[str, Licensed] = {}
    for package in distributions():
        name = package.metadata["Name"] or "?"
        if folded(name) in found:  # the first one on the path is the one that is imported
            continue
        licence, source = _licence_of(package, known.get(folded(name), ""))
        found[folded(name)] = Licensed("package", name, package.version, licence, source)
    for name, item in found.items():  # a ROS wheel brings a package of its own, named without ros-
        wheel = found.get(f"ros-{name}")
        if not item.licence and wheel is not None and wheel.licence:
            found[name] = replace(item, licence=wheel.licence, source=f"as {wheel.name}")
    return [found[name] for name in sorted(found)]


def _licence_of(package: Distribution, looked_up: str) -> tuple[str, str]:
    """Return SPDX expression and source; the clearest statement wins."""
    if looked_up:
        return looked_up, "looked up"
    about = package.metadata
    for field in ("License-Expression", "License"):
        if licence := from_words(_first(about, field)):
            return licence, field
    titles = [item.rpartition("::")[2].strip() for item in about.get_all("Classifier") or ()
              if item.startswith("License ::")]  # fmt: skip
    named = [from_words(title) for title in titles if title != "DFSG approved"]
    if len(named) == 1 and named[0]:
        return named[0], "Classifier"
    if licence := from_ros(_ros_files(package)):
        return licence, "package.xml"
    texts = [from_text(text) for text in _licence_texts(package)]
    if texts and all(texts):
        parts = {part for text in texts for part in text.split(" AND ")}
        return " AND ".join(sorted(parts)), "licence text"
    stated = _first(about, "License-Expression") or _first(about, "License") or ", ".join(titles)
    shown = " ".join(stated.split())[:60]
    return "", f"not clear: {shown!r}" if shown else "it says nothing"


def _first(about: PackageMetadata, field: str) -> str:
    return str((about.get_all(field) or ("",))[0])


def from_ros(files: Iterable[Path]) -> str:
    """Return the SPDX expression of the first readable ``package.xml``; "" where there is none."""
    for path in files:
        names = [from_words(words) for words in _ROS_LICENCE.findall(_read(path))]
        if names:
            return " AND ".join(sorted(set(names))) if all(names) else ""
    return ""


def _ros_files(package: Distribution) -> list[Path]:
    """Return where the ``package.xml`` of a ROS package may lie."""
    listed = [file for file in package.files or () if file.name == "package.xml"]
    prefixes = [sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    name = package.metadata["Name"] or ""
    beside = [Path(prefix, "share", name, "package.xml") for prefix in prefixes if prefix and name]
    return [*(Path(str(file.locate())) for file in listed), *beside]


def _licence_texts(package: Distribution) -> list[str]:
    """Return the texts that a package's metadata folder has."""
    files = [file for file in package.files or ()
             if ".dist-info" in str(file) and _TITLE.match(file.name)
             and not file.name.endswith(".py")]  # fmt: skip
    own = [file for file in files if len(file.parts) <= 3]  # not those of vendored parts
    return [_read(Path(str(file.locate()))) for file in own]


def _read(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
