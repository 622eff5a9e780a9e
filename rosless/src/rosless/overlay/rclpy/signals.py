# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM stop all contexts.

Python runs its signal handlers in the main thread only, and not while that waits in Cyclone DDS:
executors never wait long at a time.
"""

import signal
import threading
from enum import IntFlag

from rclpy.context import _stop_all


class SignalHandlerOptions(IntFlag):
    NO = 0
    SIGINT = 1
    SIGTERM = 2
    ALL = 3


_previous = {}


def install_signal_handlers(options=SignalHandlerOptions.ALL):
    """Install the handlers asked for; does nothing outside the main thread."""
    if threading.current_thread() is threading.main_thread():
        for option in (SignalHandlerOptions.SIGINT, SignalHandlerOptions.SIGTERM):
            number = signal.Signals[option.name]
            if options & option and number not in _previous:
                _previous[number] = signal.signal(number, _on_signal)


def uninstall_signal_handlers():
    """Put the handlers back that were there before."""
    if threading.current_thread() is threading.main_thread():
        while _previous:
            number, previous = _previous.popitem()
            if signal.getsignal(number) is _on_signal:
                signal.signal(number, previous)


def _on_signal(number, frame):
    """Stop the contexts, then do what was done before (for SIGINT: KeyboardInterrupt)."""
    _stop_all()
    previous = _previous.get(number)
    if callable(previous):
        previous(number, frame)
