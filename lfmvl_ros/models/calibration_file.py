# SPDX-License-Identifier: Apache-2.0
"""Reads and writes ``calibration.json``, which belongs to the weights beside it."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from lfmvl_ros.core.calibration.calibration import Fitted, calibration_from
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import read_json_object
from lfmvl_ros.core.whole_files import write_json

FILE = "calibration.json"
FITTED_ON = "fitted_on"
"""Key that names the weights whose answers a calibration was fitted on: :data:`CHECKPOINT`, or a
type of GGUF files such as ``q4_0``."""
CHECKPOINT = "checkpoint"
_PIECE = 1 << 20
_log = logging.getLogger(__name__)


def fingerprint(folder: Path) -> str:
    """Return a fingerprint of weights: sizes, first and last MiB of each file."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(_PIECE))
            file.seek(max(0, size - _PIECE))
            digest.update(file.read(_PIECE))
    return digest.hexdigest()[:32]


def read_calibration(folder: Path) -> Fitted | None:
    """Return the calibration of a checkpoint, None when it has none of its own.

    One made for other weights is ignored, with a warning.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        document = read_json_object(path)
        found = calibration_from(document)
    except (UserError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} can't be used ({error}); delete it, or make it again with `lfmvl calibrate`"
        ) from error
    if document.get("weights") != fingerprint(folder):
        _log.warning("%s was made for other weights; confidences stay uncalibrated", path)
        return None
    return found


def write_calibration(folder: Path, found: Fitted, facts: dict[str, Any]) -> Path:
    """Write the file for the weights in ``folder``; ``facts`` say how it was made.

    Raises:
        UserError: it can't be written; one that was there stays.
    """
    document = {**found.to_document(), FITTED_ON: CHECKPOINT, "weights": fingerprint(folder),
                **facts}  # fmt: skip
    write_json(folder / FILE, document)
    return folder / FILE
