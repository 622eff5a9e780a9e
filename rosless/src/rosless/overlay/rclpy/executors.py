# SPDX-License-Identifier: Apache-2.0
"""Executors: wait for entities of nodes to be ready and run their callbacks."""

import inspect
import os
import queue
import threading
import time
from collections import deque

from rclpy._entity import Incomplete
from rclpy.exceptions import NotInitializedException
from rclpy.task import Task
from rclpy.utilities import get_default_context
from rosless import dds


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
        self._context = get_default_context() if context is None else context
        if not self._context.ok():
            raise NotInitializedException("cannot create an executor")
        self._nodes, self._ready, self._tasks = [], deque(), deque()
        self._is_shutdown = False
        self._idle = threading.Condition()
        self._running = 0  # callbacks that run now
        self._guard = dds.Guard(self._context._participant)
        self._wait_set = dds.WaitSet(self._context._participant)
        self._context.on_shutdown(self.wake)

    def __del__(self):
        for part in ("_wait_set", "_guard"):
            if hasattr(self, part):
                getattr(self, part).close()

    @property
    def context(self):
        return self._context

    # ----------------------------------------------------------------------------------- nodes

    def add_node(self, node):
        if self._is_shutdown:
            raise ShutdownException()
        if node in self._nodes:
            return False
        self._nodes = [*self._nodes, node]
        node.executor = self
        self.wake()
        return True

    def remove_node(self, node):
        self._nodes = [other for other in self._nodes if other is not node]
        ready = list(self._ready)
        self._ready = deque(r for r in ready if isinstance(r, Task) or r._node is not node)
        if node.executor is self:
            node.executor = None
        self.wake()

    def get_nodes(self):
        return list(self._nodes)

    def wake(self):
        """Have the waiting thread look at everything anew."""
        self._guard.set()

    # ----------------------------------------------------------------------------------- tasks

    def create_task(self, callback, *args, **kwargs):
        """Run a function or coroutine in this executor; returns its Task, a Future."""
        task = Task(callback, args, kwargs, executor=self)
        self._add_task(task)
        return task

    def _add_task(self, task):
        self._tasks.append(task)
        self.wake()

    # -------------------------------------------------------------------------------- spinning

    def spin(self):
        while self._context.ok() and not self._is_shutdown:
            self.spin_once()

    def spin_once(self, timeout_sec=None):
        """Run at most one callback, waiting at most `timeout_sec` (None: no limit) for it."""
        self._spin_one(_deadline(timeout_sec), lambda: False)

    def spin_until_future_complete(self, future, timeout_sec=None):
        deadline = _deadline(timeout_sec)
        future.add_done_callback(lambda _: self.wake())
        while self._context.ok() and not future.done() and not self._is_shutdown:
            self._spin_one(deadline, future.done)
            if deadline is not None and time.monotonic() >= deadline:
                return

    def _spin_one(self, deadline, stop):
        try:
            work = self._next_work(deadline, stop)
        except ShutdownException:
            return
        if work is not None:
            work()

    def shutdown(self, timeout_sec=None):
        """Stop; True when no callback runs any more (within `timeout_sec`)."""
        self._is_shutdown = True
        self.wake()
        with self._idle:
            idle = self._idle.wait_for(lambda: self._running == 0, timeout_sec)
        for node in self._nodes:
            if node.executor is self:
                node.executor = None
        self._nodes = []
        return idle

    def _check(self):
        if self._is_shutdown:
            raise ShutdownException()
        if not self._context.ok():
            raise ExternalShutdownException()

    def _next_work(self, deadline, stop):
        """A function that runs the next callback; None at the deadline or when `stop()`."""
        waited = False
        while True:
            self._check()
            while self._ready:
                ready = self._ready.popleft()
                if isinstance(ready, Task):
                    return lambda: self._tracked(ready)
                work = self._reserve(ready)
                if work is not None:
                    return work
            expired = deadline is not None and time.monotonic() >= deadline
            if (expired and waited) or stop():
                return None
            self._wait(deadline)
            waited = True

    def _reserve(self, entity):
        group = entity.callback_group
        if not group.beginning_execution(entity):
            return None
        taken = None
        try:
            taken = entity._take()
        finally:
            if taken is None:
                group.ending_execution(entity)
        return None if taken is None else lambda: self._run(entity, taken)

    def _run(self, entity, taken):
        group, result = entity.callback_group, None
        try:
            result = self._tracked(entity._execute, taken)
        finally:
            if not inspect.iscoroutine(result):
                group.ending_execution(entity)
        if inspect.iscoroutine(result):
            self._tracked(Task(self._finish(result, entity), executor=self))

    async def _finish(self, coroutine, entity):
        try:
            await coroutine
        finally:
            entity.callback_group.ending_execution(entity)
            self.wake()

    def _tracked(self, function, *args):
        with self._idle:
            self._running += 1
        try:
            return function(*args)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _wait(self, deadline):
        """Sleep until an entity is ready, a timer is due, `wake` is called or the deadline."""
        self._guard.clear()
        entities = {}
        timeout_ns = dds.INFINITE
        if deadline is not None:
            timeout_ns = max(0, int((deadline - time.monotonic()) * 1e9))
        timers = []
        for node in self._nodes:
            for entity in node._ros_entities:
                if entity._condition is None or not entity.callback_group.can_execute(entity):
                    continue
                if entity._condition:
                    entities[entity._condition] = entity
                elif (until_ns := entity.time_until_next_call()) is not None:
                    timers.append(entity)
                    simulated = getattr(entity.clock, "ros_time_is_active", False)
                    if until_ns <= 0 or not simulated:  # simulated time wakes us by /clock
                        timeout_ns = min(timeout_ns, max(0, until_ns))
        if self._tasks or self._is_shutdown or not self._context.ok():
            timeout_ns = 0
        triggered = self._wait_set.wait({self._guard.condition, *entities}, timeout_ns)
        for _ in range(len(self._tasks)):
            self._ready.append(self._tasks.popleft())
        self._ready.extend(timer for timer in timers if timer.is_ready())
        self._ready.extend(entities[c] for c in entities if c in triggered)


class SingleThreadedExecutor(Executor):
    """Runs callbacks in the thread that spins."""


class MultiThreadedExecutor(Executor):
    """Runs callbacks in `num_threads` threads; the spinning thread only waits and hands out."""

    def __init__(self, num_threads=None, *, context=None):
        super().__init__(context=context)
        count = num_threads or os.cpu_count() or 2
        self._free = threading.Semaphore(count)
        self._work, self._errors = queue.SimpleQueue(), deque()
        for number in range(count):
            name = f"rosless-executor-{number}"
            # Daemon threads: a callback that does not return must not keep the process alive.
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        self._count = count

    def _spin_one(self, deadline, stop):
        """Wait for a free thread first, so that no more is taken than can be worked on."""
        while not self._free.acquire(timeout=0.05):
            if self._is_shutdown or stop() or (deadline and time.monotonic() >= deadline):
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
                work()
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
    if timeout_sec is None or timeout_sec < 0:
        return None
    return time.monotonic() + timeout_sec
