# SPDX-License-Identifier: Apache-2.0
"""Futures, and tasks that run (co)routines in an executor."""

import inspect
import threading
import weakref


class Future:
    """A result that comes later; done callbacks run in the executor where there is one."""

    def __init__(self, *, executor=None):
        self._lock = threading.Lock()
        self._event, self._cancelled = threading.Event(), False
        self._result = self._exception = None
        self._callbacks = []
        self._executor = None if executor is None else weakref.ref(executor)

    def __await__(self):
        while not self.done():
            yield self
        return self.result()

    def done(self):
        return self._event.is_set()

    def cancelled(self):
        return self._cancelled

    def cancel(self):
        self._finish(cancelled=True)

    def result(self):
        """The result, None while there is none; raises the exception that was set."""
        if self._exception is not None:
            raise self._exception
        return self._result

    def exception(self):
        return self._exception

    def set_result(self, result):
        self._finish(result=result)

    def set_exception(self, exception):
        self._finish(exception=exception)

    def _finish(self, *, result=None, exception=None, cancelled=False):
        with self._lock:
            if self.done():
                return
            self._result, self._exception, self._cancelled = result, exception, cancelled
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._schedule(callback)

    def _schedule(self, callback):
        executor = self._executor() if self._executor is not None else None
        if executor is None:
            callback(self)
        else:
            executor.create_task(callback, self)

    def add_done_callback(self, callback):
        with self._lock:
            if not self.done():
                self._callbacks.append(callback)
                return
        self._schedule(callback)

    def remove_done_callback(self, callback):
        with self._lock:
            before = len(self._callbacks)
            self._callbacks = [c for c in self._callbacks if c != callback]
            return before - len(self._callbacks)


class Task(Future):
    """Runs a function or coroutine; a coroutine goes on when the future it awaits is done."""

    def __init__(self, handler, args=(), kwargs=None, executor=None):
        super().__init__(executor=executor)
        self._handler, self._args, self._kwargs = handler, args, kwargs or {}
        self._coroutine = handler if inspect.iscoroutine(handler) else None

    def __call__(self):
        """Run up to the end or the next `await` of something unfinished."""
        if self.done():
            return
        try:
            if self._coroutine is None:
                result = self._handler(*self._args, **self._kwargs)
                if not inspect.iscoroutine(result):
                    self.set_result(result)
                    return
                self._coroutine = result
            awaited = self._coroutine.send(None)
        except StopIteration as stop:
            self.set_result(stop.value)
        except Exception as error:
            self.set_exception(error)
            raise
        else:
            self._resume_after(awaited)

    def _resume_after(self, awaited):
        executor = self._executor() if self._executor is not None else None
        if isinstance(awaited, Future) and executor is not None:
            awaited.add_done_callback(lambda _: executor._add_task(self))
        elif executor is not None:  # a bare `yield`: once more in the next round
            executor._add_task(self)
