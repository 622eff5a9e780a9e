# SPDX-License-Identifier: Apache-2.0
"""Checks of ``lfmvl doctor`` for an installation: packages, devices, ROS.

Imports that could crash (a broken torch, a cv_bridge for another NumPy) are tried in another
process. No ROS in here.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.transport import middleware

OK, WARN, FAIL = "ok", "warn", "fail"
# Distribution -> (oldest version that is known to work, module that must import).
PACKAGES = {
    "numpy": ("1.26", "numpy"),
    "scipy": ("1.11", "scipy"),
    "filterpy": ("1.4.5", "filterpy.kalman"),
    "opencv-python-headless": ("4.8", "cv2"),
    "pyyaml": ("6", "yaml"),
    "pillow": ("10", "PIL.Image"),
    "safetensors": ("0.4", "safetensors"),
    "tqdm": ("4.60", "tqdm"),
    "torch": ("2.4", "torch"),
    "transformers": ("5.15.1", "transformers"),
}
MESSAGES = ("sensor_msgs.msg", "vision_msgs.msg", "visualization_msgs.msg", "diagnostic_msgs.msg",
            "std_srvs.srv", "lifecycle_msgs.srv")  # fmt: skip
_TRIAL_S = 120.0
_TORCHVISION = "torchvision.transforms.v2.functional"
_IMPORTER = """
import importlib, json, sys
from lfmvl_ros.core.errors import describe
for name in sys.argv[1:]:
    problem = ""
    try:
        importlib.import_module(name)
    except BaseException as error:
        problem = describe(error)
    print(json.dumps([name, problem]), flush=True)
"""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        level: ``ok``, ``warn`` (works, but not as it should) or ``fail`` (will not work).
        name: what was checked.
        message: what was found.
        advice: what to do; empty when there is nothing to do.
    """

    level: str
    name: str
    message: str
    advice: str = ""

    def __post_init__(self) -> None:
        if self.level not in (OK, WARN, FAIL):
            raise ValueError(f"level is ok, warn or fail, got {self.level!r}")
        if self.level == FAIL and not self.advice:
            raise ValueError(f"{self.name}: what fails needs advice")


@dataclass(frozen=True)
class TrialOutput:
    """Output of a program in another process, and why it failed ("" if it did not)."""

    lines: tuple[str, ...]
    problem: str

    @property
    def output(self) -> str:
        """The last line."""
        return self.lines[-1] if self.lines else ""


def try_out(program: str) -> TrialOutput:
    """Run a Python program with this interpreter; never raises."""
    return _run([sys.executable, "-c", program])


def _run(command: Sequence[str]) -> TrialOutput:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TRIAL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return TrialOutput((), f"could not be tried: {error}")
    lines = tuple(done.stdout.strip().splitlines())
    if done.returncode == 0:
        return TrialOutput(lines, "")
    told = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
    if done.returncode < 0:
        told = f"the process died with signal {-done.returncode}"
    return TrialOutput(lines, told)


def import_problems(modules: Sequence[str]) -> dict[str, str]:
    """Import modules one after the other in another process; module -> why not, or "".

    A module that takes the process down does not keep those after it from being tried.
    """
    found: dict[str, str] = {}
    while left := [name for name in modules if name not in found]:
        trial = _run([sys.executable, "-c", _IMPORTER, *left])
        told = [json.loads(line) for line in trial.lines if line.startswith('["')]
        found.update({name: problem for name, problem in told if name in left})
        if trial.problem and (culprit := next((n for n in left if n not in found), "")):
            found[culprit] = trial.problem
        elif not told:
            found.update(dict.fromkeys(left, trial.problem or "no answer"))
    return found


def installation() -> Iterator[Finding]:
    """Python and the packages that the model side needs."""
    yield Finding(OK, "python", f"{platform.python_version()}, {sys.executable}")
    modules = [module for _, module in PACKAGES.values()]
    problems = import_problems([*modules, _TORCHVISION])
    for name, (oldest, module) in PACKAGES.items():
        yield _package(name, oldest, problems[module])
    yield _torchvision(problems[_TORCHVISION])


def _package(name: str, oldest: str, problem: str) -> Finding:
    version = _version(name)
    if not version:
        return Finding(FAIL, name, "is not installed", f"pip install '{name}>={oldest}'")
    if _numbers(version) < _numbers(oldest):
        return Finding(
            FAIL, name, f"{version} is older than {oldest}", f"pip install '{name}>={oldest}'"
        )
    if problem:
        return Finding(
            FAIL, name, f"{version} does not import: {problem}",
            f"install the build for this machine again: pip install --force-reinstall {name}",
        )  # fmt: skip
    return Finding(OK, name, version)


def _version(name: str) -> str:
    """Return the installed version, "" without one. OpenCV has several distributions."""
    variants = ("", "-headless", "-contrib", "-contrib-headless") if "opencv" in name else ("",)
    for variant in variants:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name.removesuffix("-headless") + variant)
    if "opencv" in name:  # a system package has no metadata
        return try_out("import cv2; print(cv2.__version__)").output
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers as they compare.

    >>> _numbers("2.13.0+cpu") >= _numbers("2.4")
    True
    """
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


def _torchvision(problem: str) -> Finding:
    """A torchvision for another torch would break transformers' model code."""
    version = _version("torchvision")
    if not version:
        return Finding(OK, "torchvision", "not installed, and not needed")
    if problem:
        return Finding(
            WARN, "torchvision", f"{version} does not work with this torch ({problem})",
            "this package does not need it, others may fail: pip uninstall torchvision",
        )  # fmt: skip
    return Finding(OK, "torchvision", version)


def devices() -> Iterator[Finding]:
    """The devices of torch."""
    trial = try_out(
        "import json, torch\n"
        "found = [(torch.cuda.get_device_name(i), torch.cuda.mem_get_info(i))"
        " for i in range(torch.cuda.device_count())]\n"
        "print(json.dumps([torch.get_num_threads(), torch.version.cuda, found]))"
    )
    if trial.problem:
        yield Finding(
            WARN, "devices", f"torch can't tell: {trial.problem}",
            "look at the GPU's driver (nvidia-smi, tegrastats)",
        )  # fmt: skip
        return
    threads, cuda, found = json.loads(trial.output)
    for name, (free, total) in found:
        memory = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        yield Finding(OK, "devices", f"{name}, {memory}")
    if not found and shutil.which("nvidia-smi"):
        build = f"a torch for CUDA {cuda}" if cuda else "a torch without CUDA"
        yield Finding(
            WARN, "devices", f"there is an NVIDIA driver, but {build} finds no GPU",
            "install the CUDA build of torch for this machine, or look at nvidia-smi",
        )  # fmt: skip
    elif not found:
        yield Finding(OK, "devices", f"CPU only, {threads} threads")


def ros() -> Iterator[Finding]:
    """The ROS libraries: which distribution, from where; messages; cv_bridge."""
    trial = try_out("import rclpy; print(rclpy.__file__)")
    found = middleware.find_ros()
    chosen = os.environ.get("RMW_IMPLEMENTATION", "")
    if chosen and found is not None and "rmw" in trial.problem.lower():
        yield Finding(
            FAIL, "RMW", f"RMW_IMPLEMENTATION={chosen}, but it can't be loaded: {trial.problem}",
            "unset RMW_IMPLEMENTATION, or sudo apt install "
            f"ros-{found.distribution or '$ROS_DISTRO'}-{chosen.replace('_', '-')}",
        )  # fmt: skip
        return
    if trial.problem or found is None:
        sourced = os.environ.get("ROS_DISTRO")
        why = f"ROS {sourced} is sourced, but " if sourced else ""
        yield Finding(
            FAIL, "ROS", f"{why}rclpy does not import: {trial.problem}",
            f"run this with the Python that ROS {sourced} was built for" if sourced
            else "source /opt/ros/<distro>/setup.bash, or let `make setup` of the source checkout "
            "install ROS 2",
        )  # fmt: skip
        return
    yield Finding(OK, "ROS", str(found))
    how = "set by RMW_IMPLEMENTATION" if chosen else "the default"
    yield Finding(OK, "RMW", f"{rmw_implementation()}, {how}")
    missing = try_out("import " + ", ".join(MESSAGES)).problem
    if missing:
        package = re.search(r"named '(\w+)", missing)
        name = (package[1] if package else "vision_msgs").replace("_", "-")
        yield Finding(FAIL, "messages", missing, f"sudo apt install ros-$ROS_DISTRO-{name}")
    from lfmvl_ros.ros.cv_bridge_codec import CvBridgeAdapter

    bridge = CvBridgeAdapter()
    if bridge.works or "not installed" in bridge.reason:
        codec = "" if bridge.works else "; the built-in codec decodes images"
        yield Finding(OK, "cv_bridge", bridge.reason + codec)
    else:
        yield Finding(
            WARN, "cv_bridge", bridge.reason,
            "the built-in codec decodes images instead; other nodes need 'numpy<2', or a cv_bridge "
            "built for NumPy 2",
        )  # fmt: skip


def rmw_implementation() -> str:
    """Return the name of the RMW that rclpy loads; that of the environment where it loads none."""
    name = try_out("import rclpy.utilities as u; print(u.get_rmw_implementation_identifier())")
    return name.output if not name.problem else middleware.rmw_in_use(os.environ)


def failure(name: str, error: UserError) -> Finding:
    """Return a user's error as a finding: what follows its last semicolon is what to do."""
    what, _, advice = str(error).rpartition("; ")
    return Finding(FAIL, name, what or advice, advice if what else "see the message")
