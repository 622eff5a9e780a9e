# SPDX-License-Identifier: Apache-2.0
"""Checks that peft, which makes low-rank adapters, is installed and new enough."""

from __future__ import annotations

import re
from importlib import metadata

from lfmvl_ros.core.errors import UserError

OLDEST_PEFT = (0, 18)
INSTALL = 'pip install "peft>=0.18"'


def check_peft(version: str | None = None) -> None:
    """Refuse a missing or old peft (``version``, or the installed one).

    Raises:
        UserError: it is missing or older than 0.18; with the line that installs it.
    """
    if version is None:
        try:
            version = metadata.version("peft")
        except metadata.PackageNotFoundError as error:
            raise UserError(
                "fine-tuning with adapters needs the Python package peft, which is missing; "
                f"install it with `{INSTALL}`, or train all weights with --full"
            ) from error
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_PEFT:
        raise UserError(
            f"peft {version} is too old to put adapters into LFM2-VL; install a newer one with "
            f"`{INSTALL}`"
        )
