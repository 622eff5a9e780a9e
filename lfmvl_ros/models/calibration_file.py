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
type of GGUF files such as ``q4_0``, or ``int8``."""
CHECKPOINT = "checkpoint"
_OF_WEIGHTS = "calibration_{}.json"  # of weights that are made from the checkpoint's, as int8
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


def calibration_path(folder: Path, weights: str = CHECKPOINT) -> Path:
    """Return where a checkpoint's calibration is kept.

    Args:
        folder: of the checkpoint.
        weights: those it is fitted on, :data:`CHECKPOINT` or ``int8``.
    """
    return folder / (FILE if weights == CHECKPOINT else _OF_WEIGHTS.format(weights))


def read_calibration(folder: Path, weights: str = CHECKPOINT) -> Fitted | None:
    """Return the calibration of weights, as :func:`calibration_of` does, without its origin."""
    return calibration_of(folder, weights)[0]


def calibration_of(folder: Path, weights: str = CHECKPOINT) -> tuple[Fitted | None, str]:
    """Return the calibration of weights, and the weights that it was fitted on.

    Weights that are made from the checkpoint's use its calibration until they have their own, with
    a warning. One made for another checkpoint is ignored as if it were not there, with a warning.

    Args:
        folder: of the checkpoint.
        weights: :data:`CHECKPOINT` or ``int8``.

    Returns:
        The calibration, None where there is none; and :data:`CHECKPOINT` or ``int8``.

    Raises:
        UserError: the file is damaged.
    """
    path = calibration_path(folder, weights)
    if not path.is_file():
        return (None, weights) if weights == CHECKPOINT else _of_checkpoint(folder, weights)
    try:
        document = read_json_object(path)
        found = calibration_from(document)
    except (UserError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} can't be used ({error}); delete it, or make it again with `lfmvl calibrate`"
        ) from error
    if document.get("weights") != fingerprint(folder):
        if weights != CHECKPOINT:
            _log.warning("%s was made for another checkpoint and is not used", path)
            return _of_checkpoint(folder, weights)
        _log.warning("%s was made for other weights; confidences stay uncalibrated", path)
        return None, weights
    return found, weights


def _of_checkpoint(folder: Path, weights: str) -> tuple[Fitted | None, str]:
    """Return the calibration of the checkpoint that weights were made from, with a warning."""
    found, fitted_on = calibration_of(folder)
    if found is not None:
        _log.warning(
            "%s: its confidences were calibrated on the weights of the checkpoint, and those of "
            "%s differ a little; `lfmvl calibrate --model %s:%s --write` fits its own",
            folder.name, weights, folder, weights,
        )  # fmt: skip
    return found, fitted_on


def write_calibration(
    folder: Path, found: Fitted, facts: dict[str, Any], weights: str = CHECKPOINT
) -> Path:
    """Write the file for the weights in ``folder``; ``facts`` say how it was made.

    Args:
        folder: of the checkpoint.
        found: the calibration.
        facts: further keys of the file.
        weights: those it was fitted on, :data:`CHECKPOINT` or ``int8``.

    Raises:
        UserError: it can't be written; one that was there stays.
    """
    path = calibration_path(folder, weights)
    document = {**found.to_document(), FITTED_ON: weights, "weights": fingerprint(folder),
                **facts}  # fmt: skip
    write_json(path, document)
    return path
