#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Say where this machine's ROS 2 comes from, before `make setup` downloads anything.

    python3 interfaces/preflight.py jazzy

prints `sourced` where a ROS 2 is sourced and works with this Python, `wheels` where PyPI's wheels
can be used. Where neither is possible, one sentence on standard error says what to do; exit code 2.
Standard library only, and runs on any Python 3: it has to explain why a Python won't do.
"""

import importlib
import importlib.util
import os
import platform
import shutil
import sys
import sysconfig

DISTRIBUTIONS = ("jazzy", "kilted")
OLDEST, NEWEST = (3, 10), (3, 13)
MESSAGES = ("vision_msgs", "diagnostic_msgs", "visualization_msgs", "tf2_msgs")
INSTALL_ROS = "install ROS 2 (docs.ros.org) and source its setup.bash, then run make again"


class Machine:
    """What the answer depends on, so that tests can vary it.

    Attributes:
        system: "linux", "darwin" ...; machine: "x86_64", "aarch64" ...; libc: "glibc" or other.
        python: version as (major, minor).
        distro: ROS distribution that is sourced, "" without one.
        missing: modules out of :data:`MESSAGES` and rclpy that do not import, with the reason.
        lacks: Debian packages that building needs and that are not there.
    """

    def __init__(self, system, machine, libc, python, distro="", missing=None, lacks=()):
        self.system, self.machine, self.libc = system, machine, libc
        self.python, self.distro = tuple(python), distro
        self.missing, self.lacks = dict(missing or {}), tuple(lacks)


def this_machine():
    """Look at the machine that this runs on."""
    distro = os.environ.get("ROS_DISTRO", "")
    return Machine(
        sys.platform,
        platform.machine(),
        platform.libc_ver()[0],
        sys.version_info[:2],
        distro,
        missing_modules() if distro else {},
        missing_packages(),
    )


def missing_modules():
    """Return module -> why it does not import, for what a sourced ROS has to bring."""
    found = {}
    for name in ("rclpy", *MESSAGES):
        try:
            importlib.import_module(name)
        except Exception as error:
            found[name] = str(error)
    return found


def missing_packages():
    """Return the Debian packages that setting up an environment and building messages need."""
    python = "python%d.%d" % sys.version_info[:2]
    needed = []
    if not (shutil.which(os.environ.get("CC", "gcc").split()[0])
            and shutil.which(os.environ.get("CXX", "g++").split()[0])):  # fmt: skip
        needed.append("g++")
    if not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")):
        needed.append(python + "-dev")
    if importlib.util.find_spec("ensurepip") is None:
        needed.append(python + "-venv")
    return needed


def judge(machine, distribution):
    """Return ("sourced" or "wheels", "") or ("", why neither is possible and what to do)."""
    python = "%d.%d" % machine.python
    if not OLDEST <= machine.python <= NEWEST:
        return "", (
            "lfmvl_ros runs on Python %d.%d to %d.%d, this is %s: name another one, such as "
            "`make PYTHON=python3.12 ...`" % (*OLDEST, *NEWEST, python)
        )
    if machine.distro:
        return judge_sourced(machine, python)
    if distribution not in DISTRIBUTIONS:
        return "", "DISTRO is %s, not %r" % (" or ".join(DISTRIBUTIONS), distribution)
    if machine.system != "linux" or machine.machine != "x86_64" or machine.libc != "glibc":
        return "", "PyPI has ROS 2 for Linux on x86_64 with glibc only, this is %s on %s%s: %s" % (
            machine.system,
            machine.machine,
            "" if machine.libc == "glibc" or machine.system != "linux" else " without glibc",
            INSTALL_ROS,
        )
    if machine.lacks:
        return "", "building ROS messages needs %s: sudo apt install %s" % (
            " and ".join(machine.lacks),
            " ".join(machine.lacks),
        )
    return "wheels", ""


def judge_sourced(machine, python):
    """Judge a machine where a ROS 2 is sourced: it is used, or the user learns what it lacks."""
    rclpy = machine.missing.get("rclpy")
    if rclpy is not None:
        return "", (
            "ROS 2 %s is sourced, but Python %s can't import its rclpy (%s): name the Python that "
            "it was built for, such as `make PYTHON=/usr/bin/python3 ...`"
            % (machine.distro, python, rclpy.splitlines()[0] if rclpy else "no reason given")
        )
    if machine.missing:
        packages = ["ros-%s-%s" % (machine.distro, n.replace("_", "-")) for n in machine.missing]
        return "", "ROS 2 %s is sourced, but lacks messages: sudo apt install %s" % (
            machine.distro,
            " ".join(packages),
        )
    return "sourced", ""


def main():
    """Print the answer for this machine."""
    answer, problem = judge(this_machine(), sys.argv[1] if len(sys.argv) > 1 else "jazzy")
    if problem:
        sys.stderr.write(problem + "\n")
        return 2
    print(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
