# SPDX-License-Identifier: Apache-2.0
"""SIGINT, SIGTERM and SIGHUP while a command runs: one line, no traceback, no process left behind.

While a command starts, a signal ends the process at once. Once it runs, the first signal raises
:class:`Interrupted`, so that ``finally`` blocks run: files are finished, child processes are asked
to end. A second signal does not wait for that: it kills the child processes and ends this process.

An exception in the middle of an import can turn into another one, or be swallowed (transformers
does), so a signal ends the process there, or waits for the import where there is something to
tidy up. It can also vanish in a destructor: :attr:`InterruptWatch.number` remembers the signal.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

_TO_TIDY: list[Callable[[], object]] = []  # called before a signal ends the process at once
_RETRY_S, _RETRIES = 0.02, 150
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_held = 0  # blocks of held() that the main thread is in; handlers run there, too


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to end."""


def ends_the_process(error: BaseException) -> bool:
    """Whether an exception is a signal to this process, which a handler of errors must let pass.

    Only the main thread gets one. In another thread ``KeyboardInterrupt`` is a defect like others.
    """
    here = threading.current_thread() is threading.main_thread()
    return here and isinstance(error, KeyboardInterrupt)


@contextlib.contextmanager
def tidied_by(function: Callable[[], object]) -> Iterator[None]:
    """Within the block, call a function before a signal ends the process at once.

    Args:
        function: must not block nor raise, such as one that kills child processes.
    """
    _TO_TIDY.append(function)
    try:
        yield
    finally:
        _TO_TIDY.remove(function)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """In the block, let the first signal wait; it raises at most 20 ms after it.

    A mask of signals (``pthread_sigmask``) does not do that where the process has other threads:
    the kernel hands the signal to one of them, and Python then runs the handler in the main one.
    Outside the main thread, where no handler runs, nothing is changed.
    """
    global _held  # noqa: PLW0603  (as signal handlers, it belongs to the process)
    here = threading.current_thread() is threading.main_thread()
    _held += here
    try:
        yield
    finally:
        _held -= here


class InterruptWatch:
    """Handles the signals that end a command, from ``with`` on.

    A signal that is ignored when the command starts (a background job of a shell script, ``nohup``)
    stays ignored. Outside the main thread, where Python allows no handlers, nothing is changed.

    Args:
        say: called with ``"interrupted"`` or ``"terminated"`` before a second signal, or one
            that Python would only report as an ignored exception, ends the process.

    Attributes:
        number: of the first signal that came; 0 when none has.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._before: dict[int, Any] = {}
        self._hook = sys.unraisablehook
        self._begun = False
        self._retries = 0
        self.number = 0

    def __enter__(self) -> InterruptWatch:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._retry)
            self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before:
            sys.unraisablehook = self._hook
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def word(self) -> str:
        """What the signal means to a person."""
        return "interrupted" if self.number == signal.SIGINT else "terminated"

    @property
    def exit_code(self) -> int:
        """The exit code that shells expect: 128 and the number of the signal."""
        return 128 + self.number

    def begin(self) -> None:
        """From now on the first signal raises; until then it ends the process at once."""
        self._begun = True

    def leave_default(self) -> None:
        """Let the next signal end the process silently, as nothing is left to tidy up."""
        for number in self._before:
            signal.signal(number, signal.SIG_DFL)
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.number = bool(self.number), self.number or number
        if again or not self._begun:
            self._end_now()
        self._raise(frame)

    def _raise(self, frame: FrameType | None) -> None:
        """End the process at once where nothing is lost by it, else raise when it is safe."""
        if _held:
            signal.setitimer(signal.ITIMER_REAL, _RETRY_S)
            return
        if _is_importing(frame):
            if not _TO_TIDY:
                self._end_now()
            self._retries += 1
            if self._retries <= _RETRIES:
                signal.setitimer(signal.ITIMER_REAL, _RETRY_S)
                return
        raise Interrupted

    def _retry(self, _number: int, frame: FrameType | None) -> None:
        if self.number:
            self._raise(frame)

    def _unraisable(self, unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):  # nothing else would end the process
            self._end_now()
        if not self.number:
            self._hook(unraisable)

    def _end_now(self) -> None:
        for function in list(_TO_TIDY):
            function()
        self._say(self.word)
        os._exit(self.exit_code)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported in this frame or one that called it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def signal_on_parent_exit(number: int) -> Callable[[], None]:
    """Return what a child process calls to get a signal when its parent ends.

    To be made in the parent: loading a library after a fork may hang. It works on Linux; on other
    systems it does nothing.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def ask_kernel() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, number)

    return ask_kernel
