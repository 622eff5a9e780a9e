# SPDX-License-Identifier: Apache-2.0
"""What commands may do now, by the node's settings and its model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """What commands may do now.

    Attributes:
        allowed: names of tools that may be used.
        dry_run: check, but do nothing.
        syntax: how the model in use is given tools; "" where it can't call functions.
        model: its name.
        constrained: its calls keep to the form of its family, where it can.
    """

    allowed: Collection[str]
    dry_run: bool
    syntax: str
    model: str
    constrained: bool = True
