# SPDX-License-Identifier: Apache-2.0
"""Which callbacks may run at the same time."""

import threading


class CallbackGroup:
    """Callbacks of the entities that were created with this group."""

    def __init__(self):
        self._lock = threading.Lock()
        self._running = 0

    def can_execute(self, entity):
        raise NotImplementedError

    def beginning_execution(self, entity):
        """Reserve the group for `entity`; False when it may not run now."""
        with self._lock:
            if not self.can_execute(entity):
                return False
            self._running += 1
            return True

    def ending_execution(self, entity):
        with self._lock:
            self._running -= 1


class ReentrantCallbackGroup(CallbackGroup):
    """Any number at once, several of one entity included."""

    def can_execute(self, entity):
        return True


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """One at a time."""

    def can_execute(self, entity):
        return self._running == 0
