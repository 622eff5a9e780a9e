# SPDX-License-Identifier: Apache-2.0
"""Errors meant to be read by a person."""

from lfmvl_ros.core.safe_text import safe_text

_LONGEST = 300  # characters of a message that was not written for people


class UserError(Exception):
    """Something the user can mend: says what happened, why, and what to do, in a sentence or two.

    The command line prints it as one line and exits with code 2; the node refuses the parameter
    with it, or fails the transition with it. It is never used for defects of this package.
    """


def describe(error: BaseException) -> str:
    """Return what went wrong as a person should read it, on one line.

    >>> describe(UserError("no such file")), describe(KeyError("x")), describe(MemoryError())
    ('no such file', "KeyError: 'x'", 'MemoryError')
    """
    if isinstance(error, UserError):
        return safe_text(str(error))
    message = safe_text(str(error))[:_LONGEST]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
