# SPDX-License-Identifier: Apache-2.0
"""The context: one DDS participant, the ROS arguments, and whether all this still runs."""

import atexit
import os
import threading
import weakref

from rclpy._entity import Incomplete
from rosless import graph, rosargs
from rosless.dds import Participant


class Context(Incomplete):
    """Life of one `rclpy.init` … `rclpy.shutdown`."""

    def __init__(self):
        self._lock = threading.RLock()
        self._is_ok = False
        self.args = self._participant = self._graph = None

    def init(self, args=None, *, domain_id=None):
        """Open the participant; `args` like sys.argv, `domain_id` else from ROS_DOMAIN_ID."""
        from rclpy.logging import apply_levels

        with self._lock:
            if self._is_ok:
                raise RuntimeError("Context.init() must only be called once")
            self.args = rosargs.parse(args)
            domain_id = _domain_id() if domain_id is None else domain_id
            if domain_id < 0:
                raise RuntimeError(f"Domain id ({domain_id}) should not be lower than zero.")
            apply_levels(self.args.log_levels)
            self._participant = Participant(domain_id)
            self._graph = graph.Graph(self._participant)
            self._is_ok = True
        _contexts.add(self)

    def ok(self):
        """True between `init` and `shutdown`."""
        return self._is_ok

    def shutdown(self):
        """Close everything; RuntimeError when it is closed already."""
        if not self._stop():
            raise RuntimeError("Context must be initialized before it can be shutdown")
        self._close()

    def try_shutdown(self):
        """Like `shutdown`, without the error."""
        self._stop()
        self._close()

    def _stop(self):
        """No longer ok: ends spinning. Called by shutdown and when a signal arrives."""
        with self._lock:
            was_ok, self._is_ok = self._is_ok, False
        return was_ok

    def _close(self):
        with self._lock:
            participant, self._participant = self._participant, None
            if participant is not None:
                self._graph.close()
                participant.close()


_contexts = weakref.WeakSet()


def _domain_id():
    text = os.environ.get("ROS_DOMAIN_ID") or "0"
    if not text.isdigit() or int(text) > 232:
        raise RuntimeError(f"ROS_DOMAIN_ID must be a number from 0 to 232, got {text!r}")
    return int(text)


@atexit.register
def _close_all():
    """Leave the network properly, so that others need not wait for our lease to run out."""
    for context in list(_contexts):
        context.try_shutdown()


def _stop_all():
    """What SIGINT and SIGTERM do: every context stops being ok."""
    for context in list(_contexts):
        context._stop()
