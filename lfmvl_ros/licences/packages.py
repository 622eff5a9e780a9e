# SPDX-License-Identifier: Apache-2.0
"""The licences of the Python packages of this environment, from what they say themselves."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path

from lfmvl_ros.licences.item import Licensed, folded
from lfmvl_ros.licences.spdx import from_text, from_words

_TITLE = re.compile(r"(licen[cs]e|copying)", re.IGNORECASE)
_ROS_LICENCE = re.compile(r"<license[^>]*>([^<]*)</license>")
_LARGEST = 1 << 20


def installed_packages(
    known: Mapping[str, str], listed: Mapping[str, str] | None = None
) -> list[Licensed]:
    """Return every package that this Python finds, by name.

    Args:
        known: folded name -> SPDX expression that the user has looked up; it wins.
        listed: the same for packages, or older versions, that state no SPDX expression.
    """
    listed = listed or {}
    found: dict[str, Licensed] = {}
    for package in distributions():
        name = package.metadata["Name"] or "?"
        if folded(name) in found:  # the first one on the path is the one that is imported
            continue
        licence, source = _licence_of(
            package, known.get(folded(name), ""), listed.get(folded(name), "")
        )
        found[folded(name)] = Licensed("package", name, package.version, licence, source)
    for name, item in found.items():  # a ROS wheel brings a package of its own, named without ros-
        wheel = found.get(f"ros-{name}")
        if not item.licence and wheel is not None and wheel.licence:
            found[name] = replace(item, licence=wheel.licence, source=f"as {wheel.name}")
    return [found[name] for name in sorted(found)]


def _licence_of(package: Distribution, looked_up: str, listed: str) -> tuple[str, str]:
    """Return SPDX expression and source; the clearest statement wins."""
    for licence, source in _statements(package, looked_up, listed):
        if licence:
            return licence, source
    about = package.metadata
    stated = _first(about, "License-Expression") or _first(about, "License")
    shown = " ".join((stated or ", ".join(_titles(about))).split())[:60]
    return "", f"not clear: {shown!r}" if shown else "it says nothing"


def _statements(package: Distribution, looked_up: str, listed: str) -> Iterator[tuple[str, str]]:
    """Yield what there is about a package's licence ("" where unclear), the clearest first."""
    about = package.metadata
    yield looked_up, "looked up"
    yield from_words(_first(about, "License-Expression")), "License-Expression"
    yield listed, "listed"
    yield from_words(_first(about, "License")), "License"
    named = [from_words(title) for title in _titles(about) if title != "DFSG approved"]
    yield named[0] if len(named) == 1 else "", "Classifier"
    yield from_ros(_ros_files(package)), "package.xml"
    texts = [from_text(text) for text in _licence_texts(package)]
    parts = {part for text in texts for part in text.split(" AND ")} if all(texts) else set()
    yield " AND ".join(sorted(parts)), "licence text"


def _titles(about: PackageMetadata) -> list[str]:
    classifiers = about.get_all("Classifier") or ()
    return [c.rpartition("::")[2].strip() for c in classifiers if c.startswith("License ::")]


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
