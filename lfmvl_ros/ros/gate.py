# SPDX-License-Identifier: Apache-2.0
"""Keeps threads from publishing when the node closes.

The ROS context must not end while one of our threads publishes, and publishing after that raises.
Checking ``context.ok()`` first does not help, since the context may end in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


class Gate:
    """Open until :meth:`close`. Any number of threads may be inside at the same time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._open = True

    def call(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Call the function; do nothing and return False once the gate is closed."""
        with self._changed:
            if not self._open:
                return False
            self._inside += 1
        try:
            function(*args, **kwargs)
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()
        return True

    def close(self, timeout_s: float = 1.0) -> bool:
        """Close the gate and wait for threads inside; False if they don't leave in time."""
        with self._changed:
            self._open = False
            return self._changed.wait_for(lambda: self._inside == 0, timeout_s)
