# SPDX-License-Identifier: Apache-2.0
"""Executors: wait for entities of nodes to be ready and run their callbacks."""

import math
import os
import queue
import threading
import time
from collections import deque

from rclpy._entity import Incomplete
from rclpy.exceptions import NotInitializedException
from rclpy.utilities import get_default_context
from rosless import dds

_SLICE_S = 0.1  # longest wait: signals and shutdowns are noticed between two


class ShutdownException(Exception):
    """The executor was shut down."""


class ExternalShutdownException(Exception):
    """The context was shut down (for example by SIGTERM) while the executor was spinning."""


class Executor(Incomplete):
    """Common part of both executors.

    One round: `_wait` sleeps in a DDS wait set until something is ready and puts the ready entities
    in a queue; `_next_work` reserves the callback group of the next one and takes its data.
    Entities whose group is busy are left out of the wait and come back when it is free.
    """

    def __init__(self, *, context=None):
        self.context = get_default_context() if context is None else context
        if not self.context.ok():
            raise NotInitializedException("cannot create an executor")
        self._nodes, self._ready, self._is_shutdown = [], deque(), False
        self._idle, self._running = threading.Condition(), 0  # callbacks that run now
        self._guard = dds.Guard(self.context._participant)
        self._wait_set = dds.WaitSet(self.context._participant)

    def __del__(self):
        for part in ("_wait_set", "_guard"):
            if hasattr(self, part):
                getattr(self, part).close()

    def add_node(self, node):
        """Serve a node; False when it is there already."""
        if self._is_shutdown:
            raise ShutdownException()
        if node in self._nodes:
            return False
        if node.executor is not None:
            node.executor.remove_node(node)
        self._nodes = [*self._nodes, node]
        node.executor = self
        self.wake()
        return True

    def remove_node(self, node):
        """Serve a node no longer."""
        self._nodes = [other for other in self._nodes if other is not node]
        self._ready = deque(entity for entity in list(self._ready) if entity._node is not node)
        if node.executor is self:
            node.executor = None
        self.wake()

    def wake(self):
        """Have the waiting thread look at everything anew."""
        self._guard.set()

    def spin(self):
        """Run callbacks until the context or the executor is shut down."""
        while self.context.ok() and not self._is_shutdown:
            self.spin_once()

    def spin_once(self, timeout_sec=None):
        """Run at most one callback, waiting at most `timeout_sec` (None: no limit) for it."""
        self._spin_one(_deadline(timeout_sec), lambda: False)

    def spin_until_future_complete(self, future, timeout_sec=None):
        """Run callbacks until `future` is done, at most `timeout_sec`."""
        deadline = _deadline(timeout_sec)
        future.add_done_callback(lambda _: self.wake())
        while self.context.ok() and not future.done() and not self._is_shutdown:
            self._spin_one(deadline, future.done)
            if time.monotonic() >= deadline:
                return

    def _spin_one(self, deadline, stop):
        try:
            work = self._next_work(deadline, stop)
        except ShutdownException:
            return
        if work is not None:
            self._run(*work)

    def shutdown(self, timeout_sec=None):
        """Stop; True when no callback runs any more (within `timeout_sec`)."""
        self._is_shutdown = True
        self.wake()
        with self._idle:
            idle = self._idle.wait_for(lambda: self._running == 0, timeout_sec)
        for node in self._nodes:
            self.remove_node(node)
        return idle

    def _check(self):
        if self._is_shutdown:
            raise ShutdownException()
        if not self.context.ok():
            raise ExternalShutdownException()

    def _next_work(self, deadline, stop):
        """(entity, what it took) of the next callback; None at the deadline or when `stop()`."""
        waited = False
        while True:
            self._check()
            while self._ready:
                work = self._reserve(self._ready.popleft())
                if work is not None:
                    return work
            if (waited and time.monotonic() >= deadline) or stop():
                return None
            self._wait(deadline)
            waited = True

    def _reserve(self, entity):
        if not entity.callback_group.beginning_execution(entity):
            return None
        taken = None
        try:
            taken = entity._take()
        finally:
            if taken is None:
                entity.callback_group.ending_execution(entity)
        return None if taken is None else (entity, taken)

    def _run(self, entity, taken):
        with self._idle:
            self._running += 1
        try:
            entity._execute(taken)
        finally:
            entity.callback_group.ending_execution(entity)
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _wait(self, deadline):
        """Sleep until an entity is ready, a timer is due, `wake` is called or the deadline."""
        self._guard.clear()
        entities, timers = {}, []
        timeout_ns = int(min(deadline - time.monotonic(), _SLICE_S) * 1e9)
        for node in self._nodes:
            for entity in node._ros_entities:
                if entity._condition is None or not entity.callback_group.can_execute(entity):
                    continue
                if entity._condition:
                    entities[entity._condition] = entity
                elif (until_ns := entity.time_until_next_call()) is not None:
                    timers.append(entity)
                    if until_ns <= 0 or not entity.clock.ros_time_is_active:
                        timeout_ns = min(timeout_ns, until_ns)  # else /clock wakes us
        if self._is_shutdown or not self.context.ok():
            timeout_ns = 0
        triggered = self._wait_set.wait({self._guard.condition, *entities}, timeout_ns)
        self._ready.extend(timer for timer in timers if timer.is_ready())
        self._ready.extend(entities[c] for c in entities if c in triggered)


class SingleThreadedExecutor(Executor):
    """Runs callbacks in the thread that spins."""


class MultiThreadedExecutor(Executor):
    """Runs callbacks in `num_threads` threads; the spinning thread only waits and hands out."""

    def __init__(self, num_threads=None, *, context=None):
        super().__init__(context=context)
        self._count = num_threads or os.cpu_count() or 2
        self._free = threading.Semaphore(self._count)
        self._work, self._errors = queue.SimpleQueue(), deque()
        for _ in range(self._count):
            # Daemon threads: a callback that does not return must not keep the process alive.
            threading.Thread(target=self._serve, name="rosless-executor", daemon=True).start()

    def _spin_one(self, deadline, stop):
        """Wait for a free thread first, so that no more is taken than can be worked on."""
        while not self._free.acquire(timeout=0.05):
            if self._is_shutdown or stop() or time.monotonic() >= deadline:
                return
            self._check()
        work = None
        try:
            work = self._next_work(deadline, stop)
        except ShutdownException:
            pass
        finally:
            if work is None:
                self._free.release()
        if work is not None:
            self._work.put(work)

    def _serve(self):
        while (work := self._work.get()) is not None:
            try:
                self._run(*work)
            except BaseException as error:  # raised again where the executor spins
                self._errors.append(error)
            finally:
                del work
                self._free.release()
                self.wake()

    def _check(self):
        if self._errors:
            raise self._errors.popleft()
        super()._check()

    def shutdown(self, timeout_sec=None):
        idle = super().shutdown(timeout_sec)
        for _ in range(self._count):
            self._work.put(None)
        return idle


def _deadline(timeout_sec):
    """The time until which to wait, infinite for None and what is negative."""
    unlimited = timeout_sec is None or timeout_sec < 0
    return math.inf if unlimited else time.monotonic() + timeout_sec
