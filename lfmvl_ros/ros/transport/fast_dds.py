# SPDX-License-Identifier: Apache-2.0
"""What Fast DDS makes of its settings: profile files, transports, shared memory. No ROS in here.

Measured on 2.14 (Jazzy) and 3.2 (Kilted), see docs/images.md.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from lfmvl_ros.core.errors import UserError

DEFAULT_SEGMENT_BYTES = 512 * 1024
BUILTIN_VARIABLE = "FASTDDS_BUILTIN_TRANSPORTS"
DEFAULT_FILES = ("DEFAULT_FASTRTPS_PROFILES.xml", "DEFAULT_FASTDDS_PROFILES.xml")
SHARED_MEMORY_FOLDER = Path("/dev/shm")
_OLD_VARIABLE, _NEW_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
_OLD_DISTRIBUTIONS = ("foxy", "galactic", "humble", "iron", "jazzy")
_WITH_SHARED_MEMORY = ("DEFAULT", "DEFAULTV6", "SHM", "LARGE_DATA", "LARGE_DATAV6")
# A context allocates its segment with 4.7 % for bookkeeping, and ports of 52 kB each. Where traffic
# is kept on this machine (ROS_AUTOMATIC_DISCOVERY_RANGE), ROS adds a second, default segment.
_OVERHEAD, _EXTRA_BYTES = 1.047, 549_408 + 5 * 52_400


@dataclass(frozen=True)
class Transport:
    """How a participant sends to others on its machine.

    Attributes:
        segment_bytes: size of its shared-memory segment; None: it uses no shared memory.
        origin: where that is set, for people.
        receive_buffer_bytes: of its UDP sockets; None: the kernel's default.
    """

    segment_bytes: int | None
    origin: str
    receive_buffer_bytes: int | None = None


def profile_variables(distribution: str) -> tuple[str, ...]:
    """Return the environment variables that name a profile, the recommended one first.

    Jazzy (2.14) and older honour ``FASTRTPS_DEFAULT_PROFILES_FILE`` alone; Kilted honours both and
    warns about the old one. An unknown distribution is taken for a new one.
    """
    if distribution in _OLD_DISTRIBUTIONS:
        return (_OLD_VARIABLE,)
    return (_NEW_VARIABLE, _OLD_VARIABLE)


def read_transport(path: Path) -> Transport:
    """Return what the default participant profile of an XML file sets.

    Raises:
        UserError: it can't be read or is no XML.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise UserError(
            f"the DDS profile {path} can't be read ({error.strerror}); correct the path, or unset "
            "the variable that names it"
        ) from error
    except ElementTree.ParseError as error:
        raise UserError(f"the DDS profile {path} is not valid XML: {error}; correct it") from error
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    participants = [
        item for item in root.iter("participant") if item.get("is_default_profile") == "true"
    ]
    if not participants:
        return Transport(DEFAULT_SEGMENT_BYTES, f"{path} (no default participant profile)")
    rtps = participants[0].find("rtps")
    used = _texts(rtps, "userTransports/transport_id")
    descriptors = {
        _text(item, "type"): item
        for item in root.iter("transport_descriptor")
        if _text(item, "transport_id") in used
    }
    mode = (_texts(rtps, "builtinTransports") or ["DEFAULT"])[0]
    plain = _texts(rtps, "useBuiltinTransports") != ["false"]
    segment_bytes = _builtin(mode, "").segment_bytes if plain else None
    if "SHM" in descriptors:
        segment_bytes = _number(descriptors["SHM"], "segment_size") or DEFAULT_SEGMENT_BYTES
    udp = descriptors.get("UDPv4", descriptors.get("UDPv6"))
    buffer_bytes = None if udp is None else _number(udp, "receiveBufferSize")
    return Transport(segment_bytes, str(path), buffer_bytes)


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _number(element: ElementTree.Element, path: str) -> int | None:
    text = _text(element, path)
    return int(text) if text.isdigit() else None


def _texts(element: ElementTree.Element | None, path: str) -> list[str]:
    found = [] if element is None else element.findall(path)
    return [(item.text or "").strip() for item in found]


def _builtin(mode: str, origin: str) -> Transport:
    shared = mode.partition("?")[0].upper() in _WITH_SHARED_MEMORY
    return Transport(DEFAULT_SEGMENT_BYTES if shared else None, origin)


def transport_of(environment: Mapping[str, str], profile: Path | None) -> Transport:
    """Return how a process with this environment sends.

    Args:
        environment: of the process.
        profile: the XML file that it loads; None: it loads none.

    Raises:
        UserError: the profile can't be read.
    """
    if mode := environment.get(BUILTIN_VARIABLE, ""):
        return _builtin(mode, f"{BUILTIN_VARIABLE}={mode}")
    if profile is None:
        return Transport(DEFAULT_SEGMENT_BYTES, "the default of Fast DDS")
    return read_transport(profile)


# -- /dev/shm --------------------------------------------------------------------------------------


def shared_memory_bytes(segment_bytes: int) -> int:
    """Return what one process takes from /dev/shm, at start and not only when it is used."""
    return round(segment_bytes * _OVERHEAD) + _EXTRA_BYTES


def free_shared_memory(folder: Path = SHARED_MEMORY_FOLDER) -> int | None:
    """Return the free bytes in /dev/shm; None where there is none."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def segment_of(gid: Sequence[int], own_gid: Sequence[int]) -> int | None:
    """Return the size in bytes of the segment that a publisher has; None if it is unknown.

    A Fast DDS GID holds its host (bytes 2, 3) and the lower half of its process id (bytes 4, 5); a
    process keeps a lock on a file beside each segment of its own, of which the largest is what
    images go through. Another host, container or user: None.

    Args:
        gid: of the publisher, as rclpy reports it.
        own_gid: of any endpoint of this process.
    """
    if len(gid) < 6 or bytes(gid[:4]) != bytes(own_gid[:4]):
        return None
    low = gid[4] | gid[5] << 8
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) & 0xFFFF == low and (size := _segment_of_process(process)):
            return size
    return None


def _segment_of_process(process: Path) -> int:
    sizes = []
    with contextlib.suppress(OSError):  # another user's, or it has ended
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                target = os.readlink(descriptor)
                if not re.fullmatch(r"/dev/shm/fast(rtps|dds)_[0-9a-f]{16}_el", target):
                    continue
                if "lock:" in (process / "fdinfo" / descriptor.name).read_text():
                    sizes.append(os.stat(target.removesuffix("_el")).st_size)
    return round(max(sizes, default=0) / _OVERHEAD)
