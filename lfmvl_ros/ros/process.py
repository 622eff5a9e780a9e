# SPDX-License-Identifier: Apache-2.0
"""A node as a process: starts, spins, ends within two seconds of SIGINT or SIGTERM with code 0."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node

from lfmvl_ros.core.errors import UserError

_PATIENCE_S = 0.4


class RunnableNode(Protocol):
    """What :func:`run` needs beyond an rclpy node.

    Attributes:
        exit_code: of the process, once spinning has ended.
    """

    exit_code: int

    def close(self) -> None:
        """Stop threads; called once, before the node is destroyed."""

    def destroy_node(self) -> None:
        """As of rclpy."""


def run(
    build: Callable[[], RunnableNode], usage: str, args: Sequence[str] | None = None
) -> NoReturn:
    """Run a node as this process, until it is told to stop; then end the process.

    Args:
        build: makes the node; a :class:`UserError` is one line on stderr and exit code 2.
        usage: printed for ``--help``.
        args: command line without the program's name; None takes the process's own.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    if {"-h", "--help"} & set(arguments):
        print(usage)
        raise SystemExit(0)
    rclpy.init(args=arguments)
    code = 0
    try:
        code = _spin(build())
    except UserError as error:
        print(error, file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # told to stop while starting
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            rclpy.try_shutdown()
    _leave(code)


def tells_errors(transition: Callable[..., Any]) -> Callable[..., Any]:
    """Log what a life-cycle callback raises: rclpy turns it into ERROR without a word."""

    @functools.wraps(transition)
    def told(node: Node, state: Any) -> Any:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().error(f"{transition.__name__}: {traceback.format_exc()}")
            raise

    return told


@contextlib.contextmanager
def while_running(node: Node) -> Iterator[None]:
    """Forgive the body's errors once the process is told to stop: publishers are gone by then."""
    try:
        yield
    except Exception:
        if node.context.ok():
            raise


def stop_spinning(node: Node) -> None:
    """End :func:`run` from one of the node's own threads or callbacks."""
    rclpy.try_shutdown(context=node.context)


def _spin(node: RunnableNode) -> int:
    executor = None
    try:
        executor = MultiThreadedExecutor(num_threads=4)
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():  # else a thread of the node ended it before or while the executor began
            raise
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            node.close()
            if _shut_down(executor):
                node.destroy_node()
    return node.exit_code


def _shut_down(executor: MultiThreadedExecutor | None) -> bool:
    """Shut the executor down; False when a callback does not end, whatever rclpy would wait."""
    if executor is None:
        return True
    thread = threading.Thread(target=executor.shutdown, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return not thread.is_alive()


def _leave(code: int) -> NoReturn:
    """End the process at once, with everything of ours closed.

    A thread may be stuck in loading a model, and torch alone needs two seconds to be taken apart.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
