# SPDX-License-Identifier: Apache-2.0
"""Loggers: to stderr in ROS 2's console format, and to /rosout."""

import os
import re
import sys
import threading
import time
from enum import IntEnum


class LoggingSeverity(IntEnum):
    UNSET = 0
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


_COLOURS = {10: "\033[32m", 30: "\033[33m", 40: "\033[31m", 50: "\033[31m"}
_FORMAT = "[{severity}] [{time}] [{name}]: {message}"
_levels = {"": LoggingSeverity.INFO}  # logger name -> level; "" is the default of all
_call_sites = {}  # (logger name, file, line) -> state of once, skip_first and throttle
_rosout = {}  # node's logger name -> function that publishes a record
_lock = threading.Lock()


class RcutilsLogger:
    """A named logger; its parents are the names up to each dot."""

    def __init__(self, name=""):
        self.name = name

    def get_child(self, name):
        if not name:
            raise ValueError("Need non-empty name for child logger.")
        return RcutilsLogger(f"{self.name}.{name}" if self.name else name)

    def set_level(self, level):
        _levels[self.name] = LoggingSeverity(level)

    def get_level(self):
        return _levels.get(self.name, LoggingSeverity.UNSET)

    def get_effective_level(self):
        name = self.name
        while name:
            if _levels.get(name, LoggingSeverity.UNSET) != LoggingSeverity.UNSET:
                return _levels[name]
            name = name.rpartition(".")[0]
        return _levels[""]

    def is_enabled_for(self, severity):
        return int(severity) >= self.get_effective_level()

    def log(self, message, severity, **options):
        """Log `message`. Options: once, skip_first, throttle_duration_sec (each True/seconds).

        They hold for the line of code that calls; True when the message was logged.
        """
        return self._log(message, LoggingSeverity(severity), options, 2)

    def _log(self, message, severity, options, depth):
        if severity < self.get_effective_level():
            return False
        frame = sys._getframe(depth)
        name = options.pop("name", None)
        if options and not _passes(self.name, severity, options, frame):
            return False
        _write(severity, name or self.name, str(message), frame)
        return True

    def debug(self, message, **options):
        return self._log(message, LoggingSeverity.DEBUG, options, 2)

    def info(self, message, **options):
        return self._log(message, LoggingSeverity.INFO, options, 2)

    def warning(self, message, **options):
        return self._log(message, LoggingSeverity.WARN, options, 2)

    warn = warning

    def error(self, message, **options):
        return self._log(message, LoggingSeverity.ERROR, options, 2)

    def fatal(self, message, **options):
        return self._log(message, LoggingSeverity.FATAL, options, 2)


def _passes(name, severity, options, frame):
    """Apply once, skip_first and throttle for the calling line."""
    allowed = {"once", "skip_first", "throttle_duration_sec", "throttle_time_source_type"}
    if set(options) - allowed:
        raise TypeError(f"Unexpected logging options {sorted(set(options) - allowed)}")
    if options.get("throttle_time_source_type") and "throttle_duration_sec" not in options:
        raise TypeError("Required parameter 'throttle_duration_sec' was not set")
    key = (name, frame.f_code.co_filename, frame.f_lineno)
    with _lock:
        state = _call_sites.setdefault(key, {"calls": 0, "severity": severity, "last": None})
        if state["severity"] != severity:
            raise ValueError("Logger severity cannot be changed between calls.")
        state["calls"] += 1
        passing = state["calls"] - bool(options.get("skip_first"))
        if passing < 1 or (options.get("once") and passing > 1):
            return False
        period = options.get("throttle_duration_sec")
        if period is not None:
            source = options.get("throttle_time_source_type")
            now = source.now().nanoseconds / 1e9 if hasattr(source, "now") else time.monotonic()
            if state["last"] is not None and state["last"] <= now < state["last"] + period:
                return False
            state["last"] = now
    return True


def _write(severity, name, message, frame):
    now_ns = time.time_ns()
    place = (frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno)
    values = {
        "severity": severity.name,
        "name": name,
        "message": message,
        "time": f"{now_ns // 10**9}.{now_ns % 10**9:09d}",
        "time_as_nanoseconds": str(now_ns),
        "file_name": frame.f_code.co_filename,
        "function_name": frame.f_code.co_name,
        "line_number": str(frame.f_lineno),
    }
    layout = os.environ.get("RCUTILS_CONSOLE_OUTPUT_FORMAT") or _FORMAT
    text = re.sub(r"{(\w+)}", lambda match: values.get(match[1], match[0]), layout)
    colour = _COLOURS.get(severity) if _colourful() else None
    stream = sys.stderr
    if stream is not None:
        try:
            stream.write(f"{colour}{text}\033[0m\n" if colour else text + "\n")
            stream.flush()
        except (OSError, ValueError):
            pass  # the reader of our stderr is gone; logging must not end the node
    while name:
        if name in _rosout:
            _rosout[name](now_ns, severity, values["name"], message, place)
            break
        name = name.rpartition(".")[0]


def _colourful():
    forced = os.environ.get("RCUTILS_COLORIZED_OUTPUT")
    return forced == "1" if forced in ("0", "1") else bool(sys.stderr and sys.stderr.isatty())


def _apply_levels(levels):
    for name, level in levels:
        _levels[name] = LoggingSeverity[level]


def get_logger(name):
    if not name:
        raise ValueError("Logger name must not be empty.")
    return RcutilsLogger(name)


def set_logger_level(name, level):
    _levels[name] = LoggingSeverity(level)
