# SPDX-License-Identifier: Apache-2.0
"""Describes the failure of a model in one sentence."""

from __future__ import annotations

from lfmvl_ros.core.errors import UserError, describe


def is_out_of_memory(error: BaseException) -> bool:
    """True for every exception with which torch reports that memory ran out."""
    import torch  # slow to import, and commands that end at once need none of it

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "not enough memory" in text or "can't allocate" in text


def failure_text(error: Exception) -> str:
    """Return the message for a failed model call."""
    if not isinstance(error, UserError) and is_out_of_memory(error):
        return (
            "out of memory, even with half the image tokens; lower image.max_tokens, set "
            "image.split to never, or use a smaller checkpoint"
        )
    return describe(error)
