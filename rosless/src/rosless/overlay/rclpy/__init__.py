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
from rclpy.utilities import try_shutdown as _try_shutdown

_global_executor = None


class InitContextManager:
    """What `init` returns, for `with rclpy.init(): …`, which shuts down at its end."""

    def __init__(self, context):
        self.context = context

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try_shutdown(context=self.context)


def init(*, args=None, context=None, domain_id=None, signal_handler_options=None):
    """Open the connection to ROS; `args` like sys.argv (the default)."""
    is_default = context is None
    context = get_default_context() if is_default else context
    if signal_handler_options is None:
        signal_handler_options = SignalHandlerOptions.ALL if is_default else SignalHandlerOptions.NO
    context.init(args, domain_id=domain_id)
    install_signal_handlers(signal_handler_options)
    return InitContextManager(context)


def shutdown(*, context=None, uninstall_handlers=None):
    """Close the connection; RuntimeError when it is not open."""
    _forget_executor()
    (get_default_context() if context is None else context).shutdown()
    if uninstall_handlers or (uninstall_handlers is None and context is None):
        uninstall_signal_handlers()


def try_shutdown(*, context=None, uninstall_handlers=None):
    """Like `shutdown`, without the error."""
    _forget_executor()
    _try_shutdown(context=context)
    if uninstall_handlers or (uninstall_handlers is None and context is None):
        uninstall_signal_handlers()


def _forget_executor():
    global _global_executor
    if _global_executor is not None:
        _global_executor.shutdown(0.0)
        _global_executor = None


def get_global_executor():
    """The SingleThreadedExecutor that `spin` uses where none is given."""
    from rclpy.executors import SingleThreadedExecutor

    global _global_executor
    if _global_executor is None:
        _global_executor = SingleThreadedExecutor()
    return _global_executor


def create_node(node_name, **options):
    """`Node(node_name, …)`."""
    from rclpy.node import Node

    return Node(node_name, **options)


@contextlib.contextmanager
def _added(node, executor):
    """The executor (by default the global one) with the node in it."""
    executor = get_global_executor() if executor is None else executor
    try:
        executor.add_node(node)
        yield executor
    finally:
        executor.remove_node(node)


def spin(node, executor=None):
    """Run the node's callbacks until the context is shut down."""
    with _added(node, executor) as spinning:
        while spinning.context.ok():
            spinning.spin_once()


def spin_once(node, *, executor=None, timeout_sec=None):
    """Run at most one callback, waiting at most `timeout_sec` for it."""
    with _added(node, executor) as spinning:
        spinning.spin_once(timeout_sec=timeout_sec)


def spin_until_future_complete(node, future, executor=None, timeout_sec=None):
    """Run callbacks until `future` is done, at most `timeout_sec`."""
    with _added(node, executor) as spinning:
        spinning.spin_until_future_complete(future, timeout_sec)


__all__ = ["Context", "Parameter", "create_node", "get_default_context", "get_global_executor"]
__all__ += ["init", "ok", "shutdown", "spin", "spin_once", "spin_until_future_complete"]
__all__ += ["try_shutdown"]
