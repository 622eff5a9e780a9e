# SPDX-License-Identifier: Apache-2.0
"""What every process that a training starts has in common."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from threading import Thread


def end_with_parent() -> None:
    """End this process when the one that started it is gone, however that ended.

    A killed command can't tell its processes, and what a shell script starts in the background
    ignores the interrupt that torch would send them.
    """
    Thread(target=_wait_and_end, name="end with parent", daemon=True).start()


def _wait_and_end() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
