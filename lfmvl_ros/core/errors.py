# SPDX-License-Identifier: Apache-2.0
"""Errors meant to be read by a person."""


class UserError(Exception):
    """Something the user can mend: says what happened, why, and what to do, in a sentence or two.

    The command line prints it as one line and exits with code 2; the node refuses the parameter
    with it, or fails the transition with it. It is never used for defects of this package.
    """
