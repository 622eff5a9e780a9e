# SPDX-License-Identifier: Apache-2.0
"""A checkpoint with int8 weights in this process: ``bundled:int8``, ``runs/mine:int8``.

What follows the colon stands for the setting ``dtype``, so that one name says all, as it does for
GGUF files (:mod:`lfmvl_ros.models.gguf.by_name`).
"""

from __future__ import annotations

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import is_directory, user_path
from lfmvl_ros.models.server.address import is_gguf, is_server

_SUFFIX = ":int8"


def without_int8(model: str) -> str:
    """Return the checkpoint that a ``model`` setting means, without ``:int8`` behind it.

    >>> without_int8("bundled:int8"), without_int8("lfm2.5-vl-450m:q4_0")
    ('bundled', 'lfm2.5-vl-450m:q4_0')

    Raises:
        UserError: what stands before it is no checkpoint but a server, a GGUF file or a recording.
    """
    name = model.strip()
    if (
        is_server(name)
        or not name.lower().endswith(_SUFFIX)
        or is_directory(user_path(name, "model"))
    ):
        return name
    name = name[: -len(_SUFFIX)]
    if is_gguf(name) or name.endswith(".jsonl"):
        raise UserError(
            f"{quoted(model)}: int8 is a precision of checkpoints (a directory, a catalogue name "
            "or a hub id); leave it out"
        )
    return name


def resolved(settings: PerceptionSettings) -> PerceptionSettings:
    """Return settings whose ``model`` is a checkpoint's name alone, and ``dtype`` its precision.

    Raises:
        UserError: ``:int8`` follows something else, or ``dtype`` is another precision.
    """
    name = without_int8(settings.model)
    if name == settings.model.strip():
        return settings
    if settings.dtype not in ("auto", "int8"):
        raise UserError(
            f"{quoted(settings.model)} asks for int8 weights, and dtype for {settings.dtype}; "
            "leave one of them out"
        )
    return settings.updated({"model": name, "dtype": "int8"})
