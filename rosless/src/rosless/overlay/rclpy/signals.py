# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM stop all contexts.

Python runs its signal handlers in the main thread only, and not while that waits in Cyclone DDS. So
a small thread, woken through `signal.set_wakeup_fd`, stops the contexts at once, which ends every
wait; then the main thread runs the handler that was there before (for SIGINT: KeyboardInterrupt).
"""

import os
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
_wakeup = {}


def install_signal_handlers(options=SignalHandlerOptions.ALL):
    """Install the handlers asked for; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread() or not options:
        return
    if not _wakeup:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        _wakeup["previous"] = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        _wakeup["fd"] = writing
        threading.Thread(
            target=_watch, args=(reading,), daemon=True, name="rosless-signals"
        ).start()
    for option, number in ((1, signal.SIGINT), (2, signal.SIGTERM)):
        if options & option and number not in _previous:
            _previous[number] = signal.signal(number, _on_signal)


def uninstall_signal_handlers():
    """Put the handlers back that were there before."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number, previous in list(_previous.items()):
        if signal.getsignal(number) is _on_signal:
            signal.signal(number, previous)
    _previous.clear()
    if _wakeup:
        signal.set_wakeup_fd(_wakeup["previous"], warn_on_full_buffer=False)
        os.close(_wakeup["fd"])  # ends the thread
        _wakeup.clear()


def get_current_signal_handlers_options():
    bits = {signal.SIGINT: 1, signal.SIGTERM: 2}
    return SignalHandlerOptions(sum(bits[number] for number in _previous))


def _on_signal(number, frame):
    _stop_all()
    previous = _previous.get(number)
    if callable(previous):
        previous(number, frame)


def _watch(reading):
    while True:
        numbers = os.read(reading, 64)
        if not numbers:
            os.close(reading)
            return
        if any(number in _previous for number in numbers):
            _stop_all()
        previous = _wakeup.get("previous", -1)
        if previous != -1:
            os.write(previous, numbers)
