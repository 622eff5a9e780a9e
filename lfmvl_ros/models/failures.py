# SPDX-License-Identifier: Apache-2.0
"""What went wrong in a model, as one sentence."""

from __future__ import annotations

import torch

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import safe_text


def is_out_of_memory(error: BaseException) -> bool:
    """True for every way in which torch says that memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "not enough memory" in text or "can't allocate" in text


def sentence(error: Exception) -> str:
    """Return what to tell the user."""
    if isinstance(error, UserError):
        return str(error)
    if is_out_of_memory(error):
        return (
            "out of memory, even with half the image tokens; lower image.max_tokens, set "
            "image.split to never, or use a smaller checkpoint"
        )
    first = safe_text(str(error))[:300]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
