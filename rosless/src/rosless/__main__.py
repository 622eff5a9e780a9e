# SPDX-License-Identifier: Apache-2.0
"""`python -m rosless run SCRIPT [ARGUMENTS]`: run a rclpy program.

Needed only where `rosless.pth` is not in effect (a checkout on PYTHONPATH, `python -S`).
"""

import os
import runpy
import sys

from rosless import finder

USAGE = "usage: python -m rosless run SCRIPT.py [ARGUMENTS ...] [--ros-args ...]"


def main(arguments):
    """Run the program named in `arguments`; returns 2 after a usage error."""
    if len(arguments) < 2 or arguments[0] != "run":
        print(USAGE, file=sys.stderr)
        return 2
    finder.install()
    script = arguments[1]
    if not os.path.isfile(script):
        print(f"rosless: there is no file {script!r} to run", file=sys.stderr)
        return 2
    sys.argv = arguments[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
