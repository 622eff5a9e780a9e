# SPDX-License-Identifier: Apache-2.0
"""How a command ends: the exit code and the message for each exception."""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator

from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.interrupts import InterruptWatch
from lfmvl_ros.core.safe_text import escape, safe_text
from lfmvl_ros.core.whole_files import why_not_written

_FAILED, _DEFECT = 2, 3


class Endings:
    """Runs a command and turns whatever it raises into an exit code and one line.

    Args:
        name: of the command, for messages.
        debug: print tracebacks as well.
        watch: knows whether a signal has ended the command.
    """

    def __init__(self, name: str, *, debug: bool, watch: InterruptWatch) -> None:
        self._name, self._debug, self._watch = name, debug, watch

    def run(self, command: Callable[[], int]) -> int:
        """Return the exit code of the command, once its output is out and its children are gone.

        Raises:
            SystemExit: of argparse.
        """
        _print_in_any_encoding()
        try:
            with contextlib.nullcontext() if self._debug else _logs_in_one_line():
                code = self._ended(command)
            flushed = self._flushed()
        except KeyboardInterrupt:  # in the middle of reporting
            code = flushed = 0
        if self._watch.number:
            _say(f"{self._name}: {self._watch.word}")
            return self._watch.exit_code
        return code or flushed

    def _ended(self, command: Callable[[], int]) -> int:
        try:
            return command()
        except SystemExit:  # of argparse, which has printed help or what is wrong
            if self._flushed():
                return _FAILED
            raise
        except BaseException as error:
            if self._debug and not self._watch.number:
                traceback.print_exc()
            _end_children()
            if self._watch.number:  # whatever the interruption has become
                return self._watch.exit_code
            return self._explained(error)

    def _explained(self, error: BaseException) -> int:
        if isinstance(error, KeyboardInterrupt):  # raised by Python's own handler
            _say(f"{self._name}: interrupted")
            return 130
        if isinstance(error, BrokenPipeError):
            return self._flushed()  # the reader of our output has seen enough
        _say(f"{self._name}: {explanation(error)}")
        return _FAILED if isinstance(error, (UserError, OSError, MemoryError)) else _DEFECT

    def _flushed(self) -> int:
        """Write out what was printed; say when that can't be done."""
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError as error:
            # Python would try again at exit, and print a traceback.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                _say(f"{self._name}: {why_not_written('the output', error)}")
                return _FAILED
        return 0


def explanation(error: BaseException) -> str:
    """Return one line about an exception, with what to do."""
    if isinstance(error, UserError):
        return safe_text(str(error))
    if isinstance(error, OSError):
        what = error.filename or "the output"  # what has no name here has been printed to
        return safe_text(why_not_written(str(what), error))
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out of memory; end other programs, or use a smaller model or smaller images"
    what = safe_text(f"{type(error).__name__}: {error}")[:300]
    return f"a defect of lfmvl_ros ({what}); please report it with the output of --debug"


class _OneLine(logging.Formatter):
    """Gives the reason of a logged exception in place of its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, and the exception on the same line."""
        if not record.exc_info or record.exc_info[1] is None:
            return super().format(record)
        return safe_text(f"{record.getMessage()}: {describe(record.exc_info[1])}")


@contextlib.contextmanager
def _logs_in_one_line() -> Iterator[None]:
    """Print what modules log without tracebacks, as long as nobody else handles the log.

    A node handles it: its log keeps them.
    """
    handler = logging.lastResort
    if handler is None:
        yield
        return
    before = handler.formatter
    handler.setFormatter(_OneLine())
    try:
        yield
    finally:
        handler.setFormatter(before)


def _end_children() -> None:
    if "multiprocessing.process" in sys.modules:
        from lfmvl_ros.child_processes import end_worker_processes

        end_worker_processes()


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be reading it
        print(line, file=sys.stderr, flush=True)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Escape characters that a terminal's encoding lacks, so that printed JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(escape, error.object[error.start : error.end])), error.end


def _print_in_any_encoding() -> None:
    """Let ``print`` escape what standard output can't encode, instead of ending in an error."""
    codecs.register_error("lfmvl_escape", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="lfmvl_escape")
