# SPDX-License-Identifier: Apache-2.0
"""Errors meant to be read by a person."""

from lfmvl_ros.core.safe_text import safe_text

_LONGEST = 300  # characters of a message that was not written for people


class UserError(Exception):
    """An error that the user can fix: states what happened, why, and what to do.

    The command line prints it as one line and exits with code 2; the node refuses the parameter, or
    fails the transition. It is not used for defects of this package.
    """


def describe(error: BaseException) -> str:
    """Return the message of an exception on one line, for people.

    >>> describe(UserError("no such file")), describe(KeyError("x")), describe(MemoryError())
    ('no such file', "KeyError: 'x'", 'MemoryError')
    """
    if isinstance(error, UserError):
        return safe_text(str(error))
    message = safe_text(str(error))[:_LONGEST]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
