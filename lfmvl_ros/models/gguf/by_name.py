# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of the catalogue with a quantisation: ``lfm2.5-vl-450m:q4_0``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.models.catalog import CatalogEntry, find

KIND = r"i?q\d\w*|f16|bf16|f32"
"""Regular expression of what llama.cpp calls the precision of weights."""


@dataclass(frozen=True)
class QuantisedName:
    """A checkpoint of the catalogue and the precision of its weights, such as ``q4_0``."""

    entry: CatalogEntry
    kind: str


def quantised(model: str) -> QuantisedName | None:
    """Return what a ``model`` setting like ``lfm2.5-vl-450m:q4_0`` means, None for any other.

    >>> quantised("LiquidAI/LFM2.5-VL-450M:Q4_0").kind, quantised("lfm2.5-vl-450m")
    ('q4_0', None)

    Raises:
        UserError: the checkpoint is known, and what follows the colon is not a quantisation.
    """
    name, colon, kind = model.strip().rpartition(":")
    entry = find(name) if colon else None
    if entry is None or kind.lower() == "int8":  # in this process: models/int8_name.py
        return None
    if not re.fullmatch(KIND, kind, re.IGNORECASE):
        raise UserError(
            f"{quoted(kind)} is not a quantisation of {entry.name}; give one such as "
            f"{entry.name}:q4_0, q8_0 or f16 (llama.cpp) or int8 (in this process)"
        )
    return QuantisedName(entry, kind.lower())
