# SPDX-License-Identifier: Apache-2.0
"""A checkpoint and the precision of its weights in one name: ``bundled:int8``, ``bundled:q4_0``.

``int8`` runs in this process and stands for the setting ``dtype``, behind any checkpoint. What
llama.cpp calls a quantisation means GGUF files, behind a name of the catalogue only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import is_directory, user_path
from lfmvl_ros.models.catalog import CatalogEntry, find
from lfmvl_ros.models.server.address import is_gguf, is_server

QUANTISATION = r"i?q\d\w*|f16|bf16|f32"
"""Regular expression of what llama.cpp calls the precision of weights."""
INT8 = "int8"


@dataclass(frozen=True)
class QuantisedName:
    """A checkpoint of the catalogue and the precision of its GGUF files, such as ``q4_0``."""

    entry: CatalogEntry
    kind: str


@dataclass(frozen=True)
class ModelName:
    """What a ``model`` setting says.

    Attributes:
        checkpoint: the name without what follows the colon; of anything else than a checkpoint (a
            server, a GGUF file, a recording) the whole setting.
        int8: int8 weights are asked for, in this process.
        quantised: GGUF files of a checkpoint of the catalogue are asked for.
    """

    checkpoint: str
    int8: bool = False
    quantised: QuantisedName | None = None


def split_name(model: str) -> ModelName:
    """Return the checkpoint and the precision that a ``model`` setting means.

    A directory whose name ends like that is meant as it is.

    >>> split_name("bundled:int8"), split_name("lfm2.5-vl-450m:Q4_0").quantised.kind
    (ModelName(checkpoint='bundled', int8=True, quantised=None), 'q4_0')

    Raises:
        UserError: ``:int8`` follows something that is not a checkpoint; or the checkpoint is known,
            and what follows the colon is not a precision.
    """
    whole = model.strip()
    name, colon, kind = whole.rpartition(":")
    if not colon or is_server(whole) or is_directory(user_path(whole, "model")):
        return ModelName(whole)
    if kind.lower() == INT8:
        if is_gguf(name) or name.endswith(".jsonl"):
            raise UserError(
                f"{quoted(model)}: int8 is a precision of checkpoints (a directory, a catalogue "
                "name or a hub id); leave it out"
            )
        return ModelName(name, int8=True)
    entry = find(name)
    if entry is None:
        return ModelName(whole)
    if not re.fullmatch(QUANTISATION, kind, re.IGNORECASE):
        raise UserError(
            f"{quoted(kind)} is not a quantisation of {entry.name}; give one such as "
            f"{entry.name}:q4_0, q8_0 or f16 (llama.cpp) or int8 (in this process)"
        )
    return ModelName(name, quantised=QuantisedName(entry, kind.lower()))


def resolved(settings: PerceptionSettings) -> PerceptionSettings:
    """Return settings whose ``model`` is a checkpoint's name alone, and ``dtype`` its precision.

    GGUF files keep their precision in the name: ``dtype`` is of weights in this process.

    Raises:
        UserError: as :func:`split_name`; or ``dtype`` is another precision than ``int8``.
    """
    name = split_name(settings.model)
    if not name.int8:
        return settings
    if settings.dtype not in ("auto", INT8):
        raise UserError(
            f"{quoted(settings.model)} asks for int8 weights, and dtype for {settings.dtype}; "
            "leave one of them out"
        )
    return settings.updated({"model": name.checkpoint, "dtype": INT8})
