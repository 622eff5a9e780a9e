# SPDX-License-Identifier: Apache-2.0
"""Loggers: to stderr in ROS 2's console format, and to /rosout. Python's logging does the work."""

import logging as _logging
import os
import re
import sys
from enum import IntEnum

from rclpy._entity import Incomplete, refuse


class LoggingSeverity(IntEnum):  # the numbers are those of Python's levels
    UNSET = 0
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


_COLOURS = {10: "\033[32m", 30: "\033[33m", 40: "\033[31m", 50: "\033[31m"}
_FORMAT = "[{severity}] [{time}] [{name}]: {message}"
_PREFIX = "rosless."  # of our loggers among Python's


class RcutilsLogger(Incomplete):
    """A named logger; its parents are the names up to each dot."""

    def __init__(self, name):
        self.name, self._logger = name, _logging.getLogger(_PREFIX + name)

    def get_child(self, name):
        """The logger `<name of this one>.<name>`."""
        return get_logger(f"{self.name}.{name}")

    def set_level(self, level):
        """Log what is at least this severe; UNSET: as the parent does."""
        self._logger.setLevel(LoggingSeverity(level))

    def log(self, message, severity, **options):
        """Log `message`, if `severity` is high enough."""
        self._log(severity, message, options)

    def _log(self, severity, message, options):
        refuse(options)
        self._logger.log(LoggingSeverity(severity), "%s", message, stacklevel=3)

    def debug(self, message, **options):
        self._log(LoggingSeverity.DEBUG, message, options)

    def info(self, message, **options):
        self._log(LoggingSeverity.INFO, message, options)

    def warning(self, message, **options):
        self._log(LoggingSeverity.WARN, message, options)

    warn = warning

    def error(self, message, **options):
        self._log(LoggingSeverity.ERROR, message, options)

    def fatal(self, message, **options):
        self._log(LoggingSeverity.FATAL, message, options)


class _Console(_logging.Handler):
    """Writes to stderr, as it is at the time."""

    def emit(self, record):
        values = {
            "severity": LoggingSeverity(record.levelno).name,
            "name": record.name.removeprefix(_PREFIX),
            "message": record.getMessage(),
            "time": f"{record.created:.9f}",
            "time_as_nanoseconds": str(int(record.created * 1e9)),
            "file_name": record.pathname,
            "function_name": record.funcName,
            "line_number": str(record.lineno),
        }
        layout = os.environ.get("RCUTILS_CONSOLE_OUTPUT_FORMAT") or _FORMAT
        text = re.sub(r"{(\w+)}", lambda match: values.get(match[1], match[0]), layout)
        colour = _COLOURS.get(record.levelno) if _colourful() else None
        try:
            sys.stderr.write(f"{colour}{text}\033[0m\n" if colour else text + "\n")
            sys.stderr.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is no stderr, or its reader is gone; logging must not end the node


def _colourful():
    forced = os.environ.get("RCUTILS_COLORIZED_OUTPUT")
    return forced == "1" if forced in ("0", "1") else bool(sys.stderr and sys.stderr.isatty())


_root = _logging.getLogger(_PREFIX[:-1])
_root.addHandler(_Console())
_root.setLevel(LoggingSeverity.INFO)
_root.propagate = False


def apply_levels(levels):
    """Set levels by the names of loggers, "" for the default, and of severities."""
    for name, level in levels:
        _logging.getLogger((_PREFIX + name).rstrip(".")).setLevel(LoggingSeverity[level])


def get_logger(name):
    """The logger of that name."""
    if not name:
        raise ValueError("Logger name must not be empty.")
    return RcutilsLogger(name)


class RosoutHandler(_logging.Handler):
    """Gives what a node's logger and its children log to `publish(record)`."""

    def __init__(self, logger, publish):
        super().__init__()
        self._logger, self.emit = logger._logger, publish
        self._logger.addHandler(self)

    def close(self):
        self._logger.removeHandler(self)
        super().close()
