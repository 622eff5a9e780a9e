# SPDX-License-Identifier: Apache-2.0
"""Keeps the memory of images in the process, instead of fetching it again for each. No ROS in here.

glibc returns a large block to the kernel when it is freed, and gets the next one page by page:
with several copies of each image that is a thousand page faults an image, and each of them waits
when the machine is busy. glibc adapts its thresholds by itself, but not always, and may undo that
later.
"""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_TRIM_BYTES, _MMAP_BYTES = 64 << 20, 32 << 20  # the values that glibc adapts to at most
_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


def keep_large_blocks() -> bool:
    """Set glibc's limits for this process, unless the user has; return whether that was done."""
    if any(name in os.environ for name in _VARIABLES):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _TRIM_BYTES) and mallopt(_MMAP_THRESHOLD, _MMAP_BYTES))
