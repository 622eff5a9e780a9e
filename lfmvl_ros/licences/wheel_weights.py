# SPDX-License-Identifier: Apache-2.0
"""The licences of weights that come in the wheel of a package: those of the text reader."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import read_bytes, read_text
from lfmvl_ros.licences.item import Licensed, folded
from lfmvl_ros.licences.spdx import from_words
from lfmvl_ros.models.text_reader import MODELS, PACKAGE

NOTICE = "MODEL_LICENSES.md"
_LARGEST_NOTICE, _LARGEST_WEIGHTS = 1 << 20, 1 << 30
_LICENCE = re.compile(r"made available under [^`]{1,200}\(`([^`]+)`\)")


def weights_in_wheels(known: Mapping[str, str]) -> list[Licensed]:
    """Return the text reader's weights, as they are installed; nothing without its package.

    The package's wheel has a notice that names each file with its SHA-256: a file with another one
    has an unknown licence.

    Args:
        known: folded name -> SPDX expression that a person has looked up; it wins.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        return []
    notice = _notice_of(package)
    found = []
    for file in package.files or ():
        if file.name in MODELS:
            licence, source = known.get(folded(file.name), ""), "looked up"
            if not licence:
                licence, source = _stated(notice, Path(str(file.locate())))
            found.append(Licensed("weights", file.name, package.version, licence, source))
    return found


def _notice_of(package: Distribution) -> str:
    for file in package.files or ():
        if file.name == NOTICE and ".dist-info" in str(file):
            try:
                return read_text(Path(str(file.locate())), _LARGEST_NOTICE, replace=True)
            except UserError:
                return ""
    return ""


def _stated(notice: str, weights: Path) -> tuple[str, str]:
    """Return what a notice says of a file: SPDX expression and source."""
    if not notice:
        return "", f"the wheel of {PACKAGE} has no {NOTICE}"
    row = re.search(rf"`{re.escape(weights.name)}`[^\n]*`([0-9a-f]{{64}})`", notice)
    if row is None:
        return "", f"{NOTICE} of {PACKAGE} does not name it"
    try:
        data = read_bytes(weights, _LARGEST_WEIGHTS)
    except UserError as error:
        return "", str(error)
    if hashlib.sha256(data).hexdigest() != row[1]:
        return "", f"not the file that {NOTICE} of {PACKAGE} names"
    licence = from_words(stated[1]) if (stated := _LICENCE.search(notice)) else ""
    return licence, f"{NOTICE} of {PACKAGE}" if licence else f"not clear in {NOTICE} of {PACKAGE}"
