# SPDX-License-Identifier: Apache-2.0
"""The context: one DDS participant, the ROS arguments, and whether all this still runs."""

import atexit
import os
import threading
import weakref

from rosless import graph, rosargs
from rosless.dds import Participant


class Context:
    """Life of one `rclpy.init` … `rclpy.shutdown`."""

    def __init__(self):
        self._lock = threading.RLock()
        self._participant = None
        self._is_ok = False
        self._on_shutdown = []
        self.args, self._graph = None, None

    def init(self, args=None, *, domain_id=None, initialize_logging=True):
        """Open the participant; `args` like sys.argv, `domain_id` else from ROS_DOMAIN_ID."""
        with self._lock:
            if self._is_ok:
                raise RuntimeError("Context.init() must only be called once")
            self.args = rosargs.parse(args)
            if domain_id is None:
                domain_id = _domain_id()
            if domain_id < 0:
                raise RuntimeError(f"Domain id ({domain_id}) should not be lower than zero.")
            if initialize_logging:
                from rclpy.logging import _apply_levels

                _apply_levels(self.args.log_levels)
            self._domain_id = domain_id
            self._participant = Participant(domain_id)
            self._graph = graph.Graph(self._participant)
            self._is_ok = True
        _contexts.add(self)

    def ok(self):
        return self._is_ok

    def get_domain_id(self):
        return self._domain_id

    def shutdown(self):
        if not self._stop():
            raise RuntimeError("Context must be initialized before it can be shutdown")
        self._close()

    def try_shutdown(self):
        if self._stop() or self._participant is not None:
            self._close()

    def on_shutdown(self, callback):
        """Have `callback` called at shutdown (at once when it has been shut down already)."""
        if not callable(callback):
            raise TypeError("callback should be a callable")
        with self._lock:
            if self._is_ok:
                is_method = hasattr(callback, "__self__")
                reference = weakref.WeakMethod(callback) if is_method else (lambda: callback)
                self._on_shutdown.append(reference)
                return
        callback()

    def _stop(self):
        """No longer ok: ends spinning. Called by shutdown and when a signal arrives."""
        with self._lock:
            was_ok, self._is_ok = self._is_ok, False
            callbacks, self._on_shutdown = self._on_shutdown, []
        for reference in callbacks:
            callback = reference()
            if callback is not None:
                callback()
        return was_ok

    def _close(self):
        with self._lock:
            participant, self._participant = self._participant, None
            if self._graph is not None:
                self._graph.close()
            self._graph = None
        if participant is not None:
            participant.close()

    def __enter__(self):
        self.init()
        return self

    def __exit__(self, *_):
        self.try_shutdown()


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
