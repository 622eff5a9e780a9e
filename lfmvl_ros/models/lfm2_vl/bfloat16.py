# SPDX-License-Identifier: Apache-2.0
"""Whether this machine computes quickly in bfloat16."""

from __future__ import annotations

from pathlib import Path

import torch

_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor computes in bfloat16, as Linux reports it."""
    try:
        words = set(cpuinfo.read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return False
    return bool(words & _FLAGS)


def is_quick_in_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 at least as fast as in float32.

    A CPU without such products takes several times as long.
    """
    return device.type != "cpu" or has_bfloat16()
