# SPDX-License-Identifier: Apache-2.0
"""Guard conditions: a callback that any thread can ask the executor to run."""

from rosless import dds


class GuardCondition:
    """Made by Node.create_guard_condition."""

    def __init__(self, node, callback, callback_group):
        self._node, self.callback, self.callback_group = node, callback, callback_group
        self._guard = dds.Guard(node._ros_participant)
        self._condition = self._guard.condition
        self._triggered = False
        self._endpoints = []

    def trigger(self):
        self._triggered = True
        self._guard.set()

    def _take(self):
        self._guard.clear()
        triggered, self._triggered = self._triggered, False
        return () if triggered else None

    def _execute(self, arguments):
        return self.callback()

    def destroy(self):
        self._node.destroy_guard_condition(self)

    def _close(self):
        self._guard.close()
