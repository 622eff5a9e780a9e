# SPDX-License-Identifier: Apache-2.0
"""Guard conditions: a callback that any thread can ask the executor to run."""

from rclpy._entity import Entity
from rosless import dds


class GuardCondition(Entity):
    """Made by Node.create_guard_condition."""

    def __init__(self, node, callback, callback_group):
        super().__init__(node, callback_group)
        self.callback = callback
        self._guard = dds.Guard(node._ros_participant)
        self._condition = self._guard.condition
        self._triggered = False

    def trigger(self):
        self._triggered = True
        self._guard.set()

    def _take(self):
        self._guard.clear()
        triggered, self._triggered = self._triggered, False
        return () if triggered else None

    def _execute(self, arguments):
        return self.callback()

    def _close(self):
        self._guard.close()
