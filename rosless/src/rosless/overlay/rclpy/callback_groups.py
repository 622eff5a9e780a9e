# SPDX-License-Identifier: Apache-2.0
"""Which callbacks may run at the same time."""

import math
import threading


class CallbackGroup:
    """Callbacks of the entities that were created with this group."""

    _most = math.inf  # that may run at once

    def __init__(self):
        self._lock, self._running = threading.Lock(), 0

    def can_execute(self, entity):
        return self._running < self._most

    def beginning_execution(self, entity):
        """Reserve the group for `entity`; False when it may not run now."""
        with self._lock:
            free = self.can_execute(entity)
            self._running += free
            return free

    def ending_execution(self, entity):
        with self._lock:
            self._running -= 1


class ReentrantCallbackGroup(CallbackGroup):
    """Any number at once, several of one entity included."""


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """One at a time."""

    _most = 1
