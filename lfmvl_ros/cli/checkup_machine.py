# SPDX-License-Identifier: Apache-2.0
"""Checks of ``lfmvl doctor`` for the machine: DDS settings, load, memory, disk, hub."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from lfmvl_ros.cli.checkup import FAIL, OK, WARN, Finding
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.ros_domain import domain_of
from lfmvl_ros.models import hub

_LITTLE_MEMORY_MB, _LITTLE_DISK_MB = 2_000, 3_000
_CONNECT_S = 5.0
_HIGHEST_SAFE_DOMAIN = 101
_SAFE_DOMAINS = f"a number from 0 to {_HIGHEST_SAFE_DOMAIN}"


def _domain(environment: Mapping[str, str]) -> Finding:
    try:
        number = domain_of(environment) or 0
    except UserError as error:
        return Finding(
            FAIL, "domain", str(error), f"give {_SAFE_DOMAINS}, the same on every machine"
        )
    if number > _HIGHEST_SAFE_DOMAIN:
        return Finding(
            WARN, "domain", f"ROS_DOMAIN_ID {number} uses ports that Linux gives to other programs",
            f"take {_SAFE_DOMAINS}",
        )  # fmt: skip
    return Finding(OK, "domain", f"ROS_DOMAIN_ID {number}")


def discovery(environment: Mapping[str, str]) -> Iterator[Finding]:
    """The settings that decide which nodes find each other."""
    yield _domain(environment)
    reach = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper()
    alone = environment.get("ROS_LOCALHOST_ONLY", "") == "1"
    if alone or reach in ("LOCALHOST", "OFF"):
        which = "ROS_LOCALHOST_ONLY=1" if alone else f"ROS_AUTOMATIC_DISCOVERY_RANGE={reach}"
        yield Finding(
            WARN, "reach", f"{which}: nodes on other machines are not heard",
            "unset it when the camera runs on another machine",
        )  # fmt: skip
    else:
        yield Finding(OK, "reach", "nodes on other machines of this network are heard")


def resources() -> Iterator[Finding]:
    """Processor, memory, and the disk that downloaded checkpoints go to."""
    yield load(os.getloadavg()[0], os.cpu_count() or 1)
    free_mb = _available_mb()
    if free_mb is not None:
        small = free_mb < _LITTLE_MEMORY_MB
        yield Finding(
            WARN if small else OK, "memory", f"{free_mb:.0f} MB available",
            "end other programs, or take a smaller checkpoint or dtype" if small else "",
        )  # fmt: skip
    folder = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    there = next(path for path in (folder, *folder.parents) if path.exists())
    disk_mb = shutil.disk_usage(there).free / 1e6
    small = disk_mb < _LITTLE_DISK_MB
    yield Finding(
        WARN if small else OK, "disk", f"{disk_mb:.0f} MB free for checkpoints in {folder}",
        "free space, or point HF_HOME to another disk: a checkpoint takes 1 to 6 GB"
        if small else "",
    )  # fmt: skip


def load(wanting: float, cores: int) -> Finding:
    """Judge the load of the processor.

    Args:
        wanting: programs that ran or waited for a core, on average over the last minute.
        cores: of the machine.
    """
    found = f"{wanting:.1f} programs wanted the {cores} cores in the last minute"
    if wanting <= 1.5 * cores:
        return Finding(OK, "load", found)
    return Finding(
        WARN, "load", f"{found}: answers take longer than they would",
        "end other programs, or take a smaller checkpoint or fewer image tokens (`lfmvl tokens`)",
    )  # fmt: skip


def download(hub_id: str, *, cached: bool, reachable: bool) -> Finding:
    """Judge whether a checkpoint of the hub is available.

    Args:
        hub_id: such as ``owner/name``.
        cached: a copy is on this machine.
        reachable: the hub's server answers.
    """
    if cached:
        return Finding(OK, "download", f"{hub_id} is on this machine")
    if reachable:
        return Finding(OK, "download", f"{hub_id} is not on this machine yet: fetched once, now")
    return Finding(
        FAIL, "download", f"{hub_id} is not on this machine, and {hub_host()} can't be reached",
        "connect this machine to the network once, or give the directory of a copy made elsewhere: "
        "--model DIR; `--model bundled` checks the rest meanwhile",
    )  # fmt: skip


def is_cached(hub_id: str, revision: str = "") -> bool:
    """Return whether a copy of a hub's checkpoint is on this machine."""
    from huggingface_hub import try_to_load_from_cache

    try:
        return isinstance(
            try_to_load_from_cache(hub_id, "config.json", revision=revision or None), str
        )
    except ValueError:  # not a hub id; loading reports it
        return True


def hub_host() -> str:
    """Return the server that checkpoints are fetched from."""
    address = hub.endpoint()
    return urlsplit(address).hostname or address


def is_reachable(host: str) -> bool:
    """Return whether a server accepts connections; True behind a proxy, where it is unknown."""
    if hub.is_offline():
        return False
    if getproxies().get("https") or getproxies().get("all"):
        return True
    try:
        socket.create_connection((host, 443), timeout=_CONNECT_S).close()
    except OSError:
        return False
    return True


def _available_mb() -> float | None:
    try:
        match = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return None
    return int(match[1]) / 1e3 if match else None
