# SPDX-License-Identifier: Apache-2.0
"""Which ROS 2 and which RMW are in use, and the DDS profile that lets images through.

Reads environment variables and files only, so that launch files, ``lfmvl demo`` and ``lfmvl
doctor`` share it; no ROS in here.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import user_path
from lfmvl_ros.ros.transport import fast_dds

FAST_DDS, CYCLONE_DDS = "rmw_fastrtps_cpp", "rmw_cyclonedds_cpp"
CYCLONE_VARIABLE = "CYCLONEDDS_URI"
AUTO, NONE = "auto", "none"
_PROFILES = ("fastdds_images.xml", "fastdds_images_small.xml")  # largest segment first
_FILE_OF_CYCLONE = "cyclonedds_images.xml"


@dataclass(frozen=True)
class RosInstallation:
    """The ROS 2 that this Python imports.

    Attributes:
        distribution: such as "jazzy"; "" where nothing tells.
        source: where rclpy comes from, for people.
    """

    distribution: str
    source: str

    def __str__(self) -> str:
        name = self.distribution.capitalize() or "of unknown distribution"
        return f"ROS 2 {name}, {self.source}"


@dataclass(frozen=True)
class ProfileChoice:
    """What to start nodes with.

    Attributes:
        variables: to add to their environment; empty: leave it as it is.
        reason: why, in one sentence.
        warning: the reason is something that the user should act on.
    """

    variables: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    warning: bool = False


def rmw_in_use(environment: Mapping[str, str]) -> str:
    """Return the RMW's name; every distribution since Humble defaults to Fast DDS."""
    return environment.get("RMW_IMPLEMENTATION", "") or FAST_DDS


def is_fast_dds(rmw: str) -> bool:
    """Return whether an RMW reads Fast DDS profiles (there are two variants of it)."""
    return rmw.startswith("rmw_fastrtps")


def find_ros(environment: Mapping[str, str] = os.environ) -> RosInstallation | None:
    """Return which rclpy this Python would import; None without one. Imports nothing."""
    spec = importlib.util.find_spec("rclpy")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).resolve().parent.parent
    for wheel in metadata.distributions(path=[str(folder)]):
        name = wheel.metadata["Name"] or ""
        if match := re.fullmatch(r"ros-(\w+)-rclpy", name):
            return RosInstallation(match[1], f"wheels from PyPI ({name} {wheel.version})")
    if match := re.match(r"/opt/ros/(\w+)/", str(folder)):
        return RosInstallation(match[1], f"/opt/ros/{match[1]}")
    return RosInstallation(environment.get("ROS_DISTRO", ""), str(folder))


# -- profiles --------------------------------------------------------------------------------------


def shipped_profile(name: str = _PROFILES[0]) -> Path:
    """Return the path of a file of config/, in a source checkout or an installation.

    Raises:
        UserError: it is in neither.
    """
    for folder in _config_folders():
        if (folder / name).is_file():
            return folder / name
    raise UserError(
        f"{name} is not installed beside this package; install lfmvl_ros again, or name a profile "
        "of your own"
    )


def _config_folders() -> Iterator[Path]:
    package = Path(__file__).resolve().parents[2]
    if (package.parent / "package.xml").is_file():  # a source checkout
        yield package.parent / "config"
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in (*prefixes, Path(sys.prefix), *package.parents):
        yield prefix / "share" / package.name / "config"


def profile_in_use(
    environment: Mapping[str, str], distribution: str = "", folder: Path | None = None
) -> Path | None:
    """Return the Fast DDS profile that a process started in ``folder`` would load.

    Args:
        environment: of the process.
        distribution: of ROS 2, see :func:`fast_dds.profile_variables`.
        folder: working directory; None is that of this process.
    """
    for variable in fast_dds.profile_variables(distribution):
        if path := environment.get(variable, ""):
            return Path(path)
    if environment.get("SKIP_DEFAULT_XML", "") == "1":
        return None
    for name in fast_dds.DEFAULT_FILES:
        path_here = (folder or Path.cwd()) / name
        if path_here.is_file():
            return path_here
    return None


def choose_profile(
    wanted: str,
    environment: Mapping[str, str],
    *,
    processes: int,
    free_bytes: int | None,
    distribution: str | None = None,
) -> ProfileChoice:
    """Decide which DDS profile processes are to be started with.

    Args:
        wanted: ``auto`` (the shipped one where the RMW is Fast DDS and the user has set none),
            ``none``, or the path of a profile.
        environment: that the processes would have.
        processes: how many will be started; each allocates a shared-memory segment.
        free_bytes: free space in /dev/shm; None where unknown.
        distribution: of ROS 2; None finds out.

    Raises:
        UserError: there is no file at that path.
    """
    rmw = rmw_in_use(environment)
    if distribution is None:
        found = find_ros(environment)
        distribution = found.distribution if found else environment.get("ROS_DISTRO", "")
    if wanted == NONE:
        return ProfileChoice(reason="no DDS profile was requested")
    if wanted != AUTO:
        return _own_profile(user_path(wanted, "DDS profile"), rmw, distribution)
    return _automatic(environment, rmw, distribution, processes, free_bytes)


def _automatic(
    environment: Mapping[str, str],
    rmw: str,
    distribution: str,
    processes: int,
    free_bytes: int | None,
) -> ProfileChoice:
    if not is_fast_dds(rmw):
        return ProfileChoice(reason=f"{rmw} reads no Fast DDS profile")
    if (path := profile_in_use(environment, distribution)) is not None:
        return ProfileChoice(reason=f"the Fast DDS profile {path} is set already")
    if builtin := environment.get(fast_dds.BUILTIN_VARIABLE, ""):
        return ProfileChoice(reason=f"{fast_dds.BUILTIN_VARIABLE}={builtin} is set")
    variable = fast_dds.profile_variables(distribution)[0]
    needed = 0
    for path in map(shipped_profile, _PROFILES):
        segment_bytes = fast_dds.read_transport(path).segment_bytes or 0
        needed = processes * fast_dds.shared_memory_bytes(segment_bytes)
        if free_bytes is None or needed <= free_bytes:
            reason = f"{variable}={path}: {processes} segments of {segment_bytes >> 20} MiB"
            return ProfileChoice({variable: str(path)}, reason)
    return ProfileChoice(
        reason=f"images may get lost: /dev/shm has {(free_bytes or 0) / 1e6:.0f} MB free, and "
        f"segments that hold images take {needed / 1e6:.0f} MB for {processes} processes; start "
        "the container with --shm-size=256m, or run `fastdds shm clean` after crashes",
        warning=True,
    )


def _own_profile(path: Path, rmw: str, distribution: str) -> ProfileChoice:
    if not path.is_file():
        raise UserError(f"there is no DDS profile {path}; give auto, none or the path of an XML")
    if is_fast_dds(rmw):
        fast_dds.read_transport(path)
    elif rmw != CYCLONE_DDS:
        raise UserError(f"a DDS profile was given, but {rmw} reads none; take auto or none")
    settings = profile_settings(rmw, distribution, path.resolve())
    return ProfileChoice(settings, " ".join(f"{n}={v}" for n, v in settings.items()))


def profile_settings(rmw: str, distribution: str, path: Path | None = None) -> dict[str, str]:
    """Return the environment variable that makes processes load a profile.

    Args:
        rmw: Cyclone DDS, or else Fast DDS.
        distribution: of ROS 2.
        path: of the profile; None takes the shipped one.
    """
    if rmw == CYCLONE_DDS:
        return {CYCLONE_VARIABLE: f"file://{path or shipped_profile(_FILE_OF_CYCLONE)}"}
    return {fast_dds.profile_variables(distribution)[0]: str(path or shipped_profile())}


def export_line(rmw: str, distribution: str) -> str:
    """Return the shell line that makes processes started after it load the shipped profile."""
    ((name, value),) = profile_settings(rmw, distribution).items()
    return f"export {name}={value}"
