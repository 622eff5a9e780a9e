# SPDX-License-Identifier: Apache-2.0
"""One line instead of a traceback where a benchmark lacks a package or data.

A benchmark imports what it can't do without inside :class:`needed_packages`, which ends it with
exit code 2 and says how to get the package. What it can leave out, it imports with
:func:`optional`, which says so and returns None. Its main function runs in :func:`run_command`,
which does the same for files and settings.

    python benchmarks/needs.py     # which packages of the comparison import, exit code 1 if not all
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import NoReturn

PEERS = ("trackeval", "motmetrics", "trackers", "supervision", "norfair")
_COMPARED = {*PEERS[1:], "pandas", "requests", "deprecate", "defusedxml", "xmltodict", "matplotlib"}
_ROS = {"rclpy", "std_msgs", "sensor_msgs", "vision_msgs", "lifecycle_msgs", "geometry_msgs"}
EXIT_LACKING = 2


def how_to_get(package: str) -> str:
    """Return the command that installs a package, as text."""
    if package in _COMPARED:
        return (
            "`make bench-setup`, or `pip install -r requirements-bench.txt` and then "
            "`pip install --no-deps -r requirements-bench-peers.txt`"
        )
    if package == "trackeval":
        return "`make setup`, or `pip install --no-deps trackeval`"
    if package in ("gguf", "xllamacpp"):
        return "`pip install gguf xllamacpp`"
    if package in _ROS:
        return "`source /opt/ros/$ROS_DISTRO/setup.bash`, or `make setup`"
    if package == "lfmvl_ros":
        return "`make setup`, or `pip install -e .` in the repository"
    return "`make setup`, or `pip install -r requirements.txt`"


class needed_packages:  # noqa: N801 - reads as a statement
    """Context of imports; where one fails, print one line and exit with code 2."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, ImportError):
            end(f"{_reason(error)}: {how_to_get(_package(error))}")


def require(package: str) -> None:
    """Exit with code 2 and one line where ``package`` can't be imported."""
    with needed_packages():
        _imported(package)


def optional(package: str, left_out: str) -> ModuleType | None:
    """Import a package; where that fails, print one line and return None.

    Args:
        package: name of the module.
        left_out: what the benchmark does without, for the line.
    """
    try:
        return _imported(package)
    except ImportError as error:
        _say_once(f"left out: {left_out} ({_reason(error)}: {how_to_get(_package(error))})")
        return None


def _imported(package: str) -> ModuleType:
    """Import without what packages print meanwhile, as trackeval does about its optional parts."""
    with contextlib.redirect_stdout(io.StringIO()):
        return importlib.import_module(package)


@functools.cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr)


def run_command(main: Callable[[], int | None]) -> NoReturn:
    """Run a benchmark and exit with its code.

    Input that is missing or wrong (a file, a checkpoint, a setting) takes one line and code 2.
    """
    with needed_packages():
        from lfmvl_ros.core.errors import UserError
    try:
        code = main()
    except (UserError, OSError) as error:
        end(" ".join(str(error).split()))
    sys.exit(code)


def end(reason: str) -> NoReturn:
    """Print one line and exit with code 2: nothing is left to measure."""
    print(f"{Path(sys.argv[0]).name}: {reason}", file=sys.stderr)
    sys.exit(EXIT_LACKING)


def _package(error: ImportError) -> str:
    """The package on whose account an import failed; "" where it does not say."""
    return (error.name or "").partition(".")[0]


def _reason(error: ImportError) -> str:
    package = _package(error)
    if isinstance(error, ModuleNotFoundError) and package:
        return f"needs {package}, which is not installed"
    return " ".join(f"an import fails ({error})".split())


def main() -> int:
    """Import every package of the comparison; exit code 1 when one is left out."""
    found = [optional(package, package) is not None for package in PEERS]
    print(f"{sum(found)} of {len(PEERS)} packages that benchmarks compare with can be imported")
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
