# SPDX-License-Identifier: Apache-2.0
"""What a program meets that asks for a part of rclpy which rosless does not supply."""

import dis
import sys

_IMPORT_FROM = dis.opmap["IMPORT_FROM"]


def missing(module):
    """A module `__getattr__` for `module`: says that a real ROS 2 is needed.

    `from rclpy.x import Y` replaces an AttributeError by its own message, so that statement (told
    by the instruction that is running) gets an ImportError; `hasattr` gets its AttributeError.
    """

    def __getattr__(name):
        text = f"{module}.{name} is not supplied by rosless: a real ROS 2 is needed for it"
        frame = sys._getframe(1)
        if frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _IMPORT_FROM:
            raise ImportError(text, name=module)
        raise AttributeError(text)

    return __getattr__
