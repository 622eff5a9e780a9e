# SPDX-License-Identifier: Apache-2.0
"""A node as a process: starts, spins, and ends on SIGINT or SIGTERM with code 0.

rclpy's own signal handlers end the ROS context at once, so a node can't publish its last messages
(the end of a bond, the last results). Here a signal is only a request: the node closes first, then
the executor stops, then the context ends.

The main thread does nothing but wait for that request, so that a signal is noticed while the node
is being built, a model loads or the executor waits. The node lives in a thread beside it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

import rclpy
import rclpy.logging
from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.allocation import keep_large_blocks
from lfmvl_ros.ros.ros_context import start_ros
from lfmvl_ros.threads import apply_thread_policy

_BUILD_S, _CLOSE_S, _CALLBACKS_S = 1.0, 10.0, 0.4  # longest waits once the process is to end
_LOOK_UP_S = 1.0
_RACES = 100  # rounds of the executor in a row; more is not a race


class RunnableNode(Protocol):
    """What :func:`run` needs beyond an rclpy node.

    Attributes:
        exit_code: of the process, once spinning has ended.
    """

    exit_code: int

    def close(self) -> None:
        """Stop threads and publish what is left; called once, while the context is valid.

        Nothing may be published after it has returned.
        """

    def destroy_node(self) -> None:
        """As of rclpy."""


NodeType = TypeVar("NodeType", bound=RunnableNode)

# A signal handler runs between any two steps of the main thread and may take no lock that it might
# hold; SimpleQueue.put is made for that.
_requests: queue.SimpleQueue[None] = queue.SimpleQueue()


def run(
    build: Callable[[], NodeType],
    usage: str,
    args: Sequence[str] | None = None,
    *,
    threads: int = 1,
    finish: Callable[[NodeType], int] | None = None,
) -> NoReturn:
    """Run a node as this process until a signal or shutdown; then end the process.

    A second signal changes nothing. Ending takes two seconds on a quiet machine, and is aborted
    after ten.

    Args:
        build: makes the node, in a thread of its own; a :class:`UserError` is one line on stderr
            and exit code 2.
        usage: printed for ``--help``.
        args: command line without the program's name; None takes the process's own.
        threads: that callbacks run in.
        finish: called with the node after ROS has ended; returns the exit code.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    if {"-h", "--help"} & set(arguments):
        print(usage)
        raise SystemExit(0)
    apply_thread_policy()  # before the node imports torch
    keep_large_blocks()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _requests.put(None))
    code = 1
    try:
        start_ros(arguments, signal_handler_options=SignalHandlerOptions.NO)
        forward_logs()
        process = _Process(build, threads)
        code = process.run()
        if process.node is not None and finish is not None:
            code = finish(process.node)
    except UserError as error:
        print(error, file=sys.stderr)
        code = 2
    except Exception:
        traceback.print_exc()
    _leave(code)


def stop_spinning() -> None:
    """End :func:`run`, from any thread, callback or constructor of the node."""
    _requests.put(None)


def logs_errors(transition: Callable[..., Any]) -> Callable[..., Any]:
    """Log what a life-cycle callback raises: rclpy turns it into ERROR without a message."""

    @functools.wraps(transition)
    def logged(node: Node, state: Any) -> Any:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().error(f"{transition.__name__}: {traceback.format_exc()}")
            raise

    return logged


class _RosLog(logging.Handler):
    """Forwards the log of Python modules to the log of ROS."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one line; rclpy requires a separate line of source for each severity."""
        logger, text = rclpy.logging.get_logger(record.name), self.format(record)
        if record.levelno >= logging.ERROR:
            logger.error(text)
        elif record.levelno >= logging.WARNING:
            logger.warning(text)
        else:
            logger.info(text)


def forward_logs() -> None:
    """Let this package's Python modules, and warnings of all others, write into the log of ROS."""
    if not any(isinstance(handler, _RosLog) for handler in logging.root.handlers):
        logging.root.addHandler(_RosLog())
        logging.getLogger("lfmvl_ros").setLevel(logging.INFO)


def _wait_for_request() -> None:
    """Wait until the node is asked to end.

    The system may deliver a signal to another thread than this one, which then sleeps on while its
    handler is due (seen once, on a busy machine): so it looks up once a second.
    """
    while True:
        with contextlib.suppress(queue.Empty):
            return _requests.get(timeout=_LOOK_UP_S)


class _Process:
    """Builds, spins and ends a node in a thread, while the main thread waits for a request."""

    def __init__(self, build: Callable[[], Any], threads: int) -> None:
        self._build, self._threads = build, threads
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._executor: SingleThreadedExecutor | MultiThreadedExecutor | None = None
        self._failure: BaseException | None = None
        self.node: Any = None

    def run(self) -> int:
        """Return the exit code, once the node has ended or has not done so in time.

        Raises:
            BaseException: what the node's constructor, a callback or :meth:`close` raised.
        """
        thread = threading.Thread(target=self._work, name="node", daemon=True)
        thread.start()
        _wait_for_request()
        self._stop.set()
        with self._lock:
            if self._executor is not None:
                self._executor.create_task(lambda: None)  # it may be waiting
        thread.join(_BUILD_S)
        if thread.is_alive() and self.node is not None:
            thread.join(_CLOSE_S)
            if thread.is_alive():
                print(f"the node did not end within {_CLOSE_S:g} s", file=sys.stderr)
        if self._failure is not None:
            raise self._failure
        return 0 if self.node is None else int(self.node.exit_code)

    def _work(self) -> None:
        try:
            self.node = self._build()
            try:
                self._spin(self.node)
            finally:
                self.node.close()
                self._end_executor()
                self.node.destroy_node()
        except BaseException as error:
            self._failure = error
        finally:
            rclpy.try_shutdown()
            stop_spinning()

    def _spin(self, node: Any) -> None:
        one = self._threads == 1
        executor = SingleThreadedExecutor() if one else MultiThreadedExecutor(self._threads)
        executor.add_node(node)
        self._executor = executor
        raced = 0
        with contextlib.suppress(ExternalShutdownException):
            while rclpy.ok() and not self._stop.is_set():
                try:
                    executor.spin_once()
                    raced = 0
                except InvalidHandle:
                    # A subscription was destroyed in another thread while the executor collected
                    # what to wait for (ros2/rclpy issues 1206 and 1355). The next round is fine.
                    raced += 1
                    if raced >= _RACES:
                        raise

    def _end_executor(self) -> None:
        """Shut the executor down; give up on a callback that does not return, such as loading."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            thread = threading.Thread(target=executor.shutdown, daemon=True)
            thread.start()
            thread.join(_CALLBACKS_S)


def _leave(code: int) -> NoReturn:
    """End the process at once, with everything of ours closed.

    A thread may be stuck in loading a model, and torch alone needs two seconds to be taken apart.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
