# SPDX-License-Identifier: Apache-2.0
"""rosless' rclpy: the public API of ROS 2's Python client library, as far as README.md lists it."""

import contextlib

from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.signals import (
    SignalHandlerOptions,
    install_signal_handlers,
    uninstall_signal_handlers,
)
from rclpy.utilities import get_default_context, ok

_executor = None  # of the functions that spin, where none is given

__all__ = ["Context", "Parameter", "create_node", "get_default_context", "init", "ok"]
__all__ += ["shutdown", "spin", "spin_once", "spin_until_future_complete", "try_shutdown"]


def init(*, args=None, context=None, domain_id=None, signal_handler_options=None):
    """Open the connection to ROS; `args` like sys.argv. What it returns closes it after `with`."""
    if signal_handler_options is None:
        signal_handler_options = SignalHandlerOptions.NO if context else SignalHandlerOptions.ALL
    (context or get_default_context()).init(args, domain_id=domain_id)
    install_signal_handlers(signal_handler_options)
    closing = contextlib.ExitStack()
    closing.callback(try_shutdown, context=context)
    return closing


def shutdown(*, context=None):
    """Close the connection; RuntimeError when it is not open."""
    _leave(context, Context.shutdown)


def try_shutdown(*, context=None):
    """Like `shutdown`, without the error."""
    _leave(context, Context.try_shutdown)


def _leave(context, close):
    global _executor
    executor, _executor = _executor, None
    if executor is not None:
        executor.shutdown(0.0)
    close(context or get_default_context())
    if context is None:
        uninstall_signal_handlers()


def create_node(node_name, **options):
    """`Node(node_name, …)`."""
    from rclpy.node import Node

    return Node(node_name, **options)


@contextlib.contextmanager
def _added(node, executor):
    """The executor (by default one for all) with the node in it."""
    from rclpy.executors import SingleThreadedExecutor

    global _executor
    if executor is None:
        executor = _executor = _executor or SingleThreadedExecutor()
    try:
        executor.add_node(node)
        yield executor
    finally:
        executor.remove_node(node)


def spin(node, executor=None):
    """Run the node's callbacks until the context is shut down."""
    with _added(node, executor) as spinning:
        spinning.spin()


def spin_once(node, *, executor=None, timeout_sec=None):
    """Run at most one callback, waiting at most `timeout_sec` for it."""
    with _added(node, executor) as spinning:
        spinning.spin_once(timeout_sec=timeout_sec)


def spin_until_future_complete(node, future, executor=None, timeout_sec=None):
    """Run callbacks until `future` is done, at most `timeout_sec`."""
    with _added(node, executor) as spinning:
        spinning.spin_until_future_complete(future, timeout_sec)
