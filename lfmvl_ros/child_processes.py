# SPDX-License-Identifier: Apache-2.0
"""Child processes of a command: none of them outlives it, however it ends."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from types import TracebackType

from lfmvl_ros.core.interrupts import held, signal_on_parent_exit, tidied_by

_KILLED_S = 5.0


class Children:
    """Starts programs, and ends them all at the end of ``with``.

    Each gets a session of its own, so that Ctrl-C in a terminal reaches the command alone, which
    then asks its children to end, in order and once they can. They get SIGTERM also when the
    command is killed (Linux).

    Args:
        grace_s: how long they may take to end after SIGTERM; then they are killed.
    """

    def __init__(self, grace_s: float = 10.0) -> None:
        self._grace_s = grace_s
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tidied = tidied_by(self.kill)

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program; arguments as those of :class:`subprocess.Popen`."""
        with signals_held():  # between its start and its place in the list
            process = subprocess.Popen(
                command,
                start_new_session=True,
                preexec_fn=_child_settings(os.getpid()),  # noqa: PLW1509 (only system calls)
            )
            self._processes.append(process)
        return process

    def end(self) -> None:
        """Ask all that still run to end, wait for them, and kill those that take too long."""
        try:
            for process in self._processes:
                process.terminate()
            deadline_s = time.monotonic() + self._grace_s
            for process in self._processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline_s - time.monotonic()))
        finally:  # also when a signal comes while they end
            self.kill()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_KILLED_S)

    def kill(self) -> None:
        """Kill all that still run, with whatever they have started, without waiting."""
        for process in self._processes:
            if process.returncode is None:  # not poll(): a signal handler may be in there already
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)

    def __enter__(self) -> Children:
        self._tidied.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.end()
        finally:
            self._tidied.__exit__(None, None, None)


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM only after the block, to this thread."""
    with _blocked(signal.SIGINT, signal.SIGTERM):
        yield


@contextlib.contextmanager
def worker_processes() -> Iterator[None]:
    """End what :mod:`multiprocessing` has started when the block is left by an exception."""
    with tidied_by(_kill_worker_processes):
        try:
            yield
        except BaseException:
            end_worker_processes()
            raise


@contextlib.contextmanager
def interrupts_kept_from_children() -> Iterator[None]:
    """Start processes of :mod:`multiprocessing` in the block that never see Ctrl-C.

    A terminal sends it to all processes of a command, and each would print a traceback. A child
    inherits that SIGINT is blocked; it is ended with SIGTERM (:func:`end_worker_processes`).
    """
    # Started with the first process, the tracker would unblock SIGINT for all that follow.
    resource_tracker.ensure_running()
    with _blocked(signal.SIGINT):
        yield


@contextlib.contextmanager
def _blocked(*numbers: signal.Signals) -> Iterator[None]:
    """Keep signals from children that start in the block, and from interrupting their start."""
    with held():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_worker_processes(grace_s: float = 5.0) -> None:
    """End the processes that :mod:`multiprocessing` has started; kill those that take too long."""
    if "multiprocessing.process" not in sys.modules:
        return
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    deadline_s = time.monotonic() + grace_s
    for child in children:
        child.join(max(0.0, deadline_s - time.monotonic()))
        if child.is_alive():
            child.kill()
            child.join(_KILLED_S)


def _kill_worker_processes() -> None:
    for child in multiprocessing.active_children():
        child.kill()


def _child_settings(parent: int) -> Callable[[], None]:
    """Return what a child runs before the program: unblock signals, end with the parent."""
    end_with_parent = signal_on_parent_exit(signal.SIGTERM)

    def settle() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        end_with_parent()
        if sys.platform == "linux" and os.getppid() != parent:  # it was killed before
            os._exit(1)

    return settle
