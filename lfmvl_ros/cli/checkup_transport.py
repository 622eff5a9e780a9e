# SPDX-License-Identifier: Apache-2.0
"""Whether the transport, as it is configured, can carry a camera's images; for ``lfmvl doctor``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lfmvl_ros.cli.checkup import FAIL, OK, WARN, Finding, failure
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.sensors.arrivals import ArrivalStatus
from lfmvl_ros.ros.transport import fast_dds, middleware

_HEADER_BYTES = 200  # of an Image message besides its pixels, with room for long names
_CYCLONE_BUFFER = 1 << 20  # requested where its configuration says nothing
_SERIOUS_LOSS = 0.1  # share of the images
_PROCESSES = 3  # of ROS that are likely: camera, perception, a listener
_ROOMY = 2  # images that should fit, so that one is received while the next is written


@dataclass(frozen=True)
class ImageLoad:
    """What a camera sends.

    Attributes:
        name: such as "a 1280x720 rgb8 image".
        size_bytes: of one message.
        rate_hz: messages per second.
    """

    name: str
    size_bytes: int
    rate_hz: float

    def __str__(self) -> str:
        size_mb = self.size_bytes / 1e6
        rate_mb = size_mb * self.rate_hz
        return f"{self.name} ({size_mb:.2f} MB, {rate_mb:.0f} MB/s at {self.rate_hz:g} Hz)"


@dataclass(frozen=True)
class Wire:
    """Everything about this machine that decides whether an image gets through.

    Attributes:
        rmw: RMW in use.
        distribution: of ROS 2, "" where unknown.
        environment: of this process.
        profile: the Fast DDS profile that this process loads; None without one.
        rmem_max: largest socket receive buffer, bytes; None where unknown.
        rmem_default: receive buffer of a socket that asks for none.
        free_shm: bytes free in /dev/shm; None where unknown.
        segment_bytes: shared-memory segment that the camera's process has; None where it can't be
            seen, and then that process is taken to be configured as this one.
        same_host: the camera runs on this machine.
    """

    rmw: str
    distribution: str
    environment: Mapping[str, str]
    profile: Path | None
    rmem_max: int | None
    rmem_default: int | None
    free_shm: int | None
    segment_bytes: int | None = None
    same_host: bool = True

    @property
    def cure(self) -> str:
        """The one line that makes the publisher's process use a segment that holds images."""
        return middleware.export_line(self.rmw, self.distribution)


def read_wire(rmw: str, distribution: str, environment: Mapping[str, str]) -> Wire:
    """Return what this machine and the environment say."""
    profile = middleware.profile_in_use(environment, distribution)
    rmem_max, rmem_default = (_kernel(name) for name in ("rmem_max", "rmem_default"))
    free = fast_dds.free_shared_memory()
    return Wire(rmw, distribution, environment, profile, rmem_max, rmem_default, free)


def _kernel(name: str) -> int | None:
    try:
        return int(Path(f"/proc/sys/net/core/{name}").read_text())
    except (OSError, ValueError):
        return None


def parse_image(text: str, rate_hz: float) -> ImageLoad:
    """Return the load of a camera given as ``WIDTHxHEIGHT`` or ``WIDTHxHEIGHT:ENCODING``.

    Raises:
        UserError: it is written differently, or the encoding is unknown.
    """
    from lfmvl_ros.core.colour import LAYOUTS, rows_of

    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})(?::(\w+))?", text)
    if match is None or not int(match[1]) * int(match[2]):
        raise UserError(
            "--image must be WIDTHxHEIGHT or WIDTHxHEIGHT:ENCODING, such as 1280x720:bgr8; "
            f"got {text!r}"
        )
    encoding = match[3] or "rgb8"
    if encoding not in LAYOUTS:
        raise UserError(f"encoding {encoding!r} is unknown; take one of {', '.join(LAYOUTS)}")
    dtype, channels, _ = LAYOUTS[encoding]
    size = (
        int(match[1]) * rows_of(encoding, int(match[2])) * channels * dtype.itemsize + _HEADER_BYTES
    )
    return ImageLoad(f"a {match[1]}x{match[2]} {encoding} image", size, rate_hz)


# -- findings --------------------------------------------------------------------------------------


def configuration(wire: Wire) -> Iterator[Finding]:
    """The profile that is set, and the room for it."""
    if not middleware.is_fast_dds(wire.rmw):
        return
    try:
        transport = fast_dds.transport_of(wire.environment, wire.profile)
    except UserError as error:
        yield failure("DDS profile", error)
        return
    segment = transport.segment_bytes
    what = "no shared memory" if segment is None else f"segments of {_mib(segment)}"
    yield Finding(OK, "DDS profile", f"{what}, set by {transport.origin}")
    if wire.free_shm is None or segment is None:
        return
    needed = _PROCESSES * fast_dds.shared_memory_bytes(segment)
    found = f"{wire.free_shm / 1e6:.0f} MB free in /dev/shm"
    if wire.free_shm >= needed:
        yield Finding(OK, "shared memory", found)
        return
    yield Finding(
        WARN, "shared memory", f"{found}; {_PROCESSES} processes take {needed / 1e6:.0f} MB, and "
        "one that finds no room goes without shared memory",
        "docker run --shm-size=256m (or --ipc=host); after crashes: fastdds shm clean",
    )  # fmt: skip


def carrying(load: ImageLoad, wire: Wire) -> Iterator[Finding]:
    """Can images get to other processes of this machine, and to other machines?"""
    if not wire.same_host:
        pass
    elif middleware.is_fast_dds(wire.rmw):
        yield from _shared_memory(load, wire)
    elif wire.rmw == middleware.CYCLONE_DDS:
        yield _cyclone(load, wire)
    else:
        yield Finding(OK, "images here", f"{load}: nothing is known about {wire.rmw}")
    yield _other_machines(load, wire)


def _shared_memory(load: ImageLoad, wire: Wire) -> Iterator[Finding]:
    segment, whose = wire.segment_bytes, "the camera's process has"
    if segment is None:
        whose = "started from this shell, the camera would have"
        try:
            segment = fast_dds.transport_of(wire.environment, wire.profile).segment_bytes
        except UserError:
            return  # configuration() said so
    if segment is None:
        yield Finding(
            WARN, "images here", f"{load}: {whose} no shared memory",
            f"where the camera is started: {wire.cure}",
        )  # fmt: skip
        return
    found = f"{load}: {whose} a shared-memory segment of {_mib(segment)}"
    if segment >= _ROOMY * load.size_bytes:
        yield Finding(OK, "images here", found)
    elif segment >= load.size_bytes:
        yield Finding(
            WARN, "images here", f"{found}: one fits, two don't, and a slow subscriber loses some",
            _cure(load, wire),
        )  # fmt: skip
    else:
        yield Finding(
            WARN, "images here", f"{found}: an image does not fit, and best effort loses many",
            _cure(load, wire),
        )  # fmt: skip


def _cure(load: ImageLoad, wire: Wire) -> str:
    """Return the advice; the shipped profile does not help where images are larger than it."""
    largest = fast_dds.read_transport(middleware.shipped_profile()).segment_bytes or 0
    if largest >= _ROOMY * load.size_bytes:
        return f"where the camera is started: {wire.cure}"
    wanted = 1 << (_ROOMY * load.size_bytes - 1).bit_length()
    return (
        f"where the camera is started: {wire.cure}, with segment_size {wanted} in a copy of that "
        "file, or compressed images"
    )


def _cyclone(load: ImageLoad, wire: Wire) -> Finding:
    if wire.rmem_max is None:
        return Finding(OK, "images here", f"{load}: the receive buffer limit can't be read")
    configured = wire.environment.get(middleware.CYCLONE_VARIABLE, "")
    buffer = wire.rmem_max if configured else min(_CYCLONE_BUFFER, wire.rmem_max)
    found = f"{load}: Cyclone DDS receives into {_mib(buffer)}"
    if buffer >= load.size_bytes:
        return Finding(OK, "images here", found)
    return Finding(
        WARN, "images here", f"{found}: an image does not fit, best effort loses many",
        sysctl_line(load.size_bytes) if wire.rmem_max < load.size_bytes
        else f"where the subscriber is started: {wire.cure}",
    )  # fmt: skip


def _other_machines(load: ImageLoad, wire: Wire) -> Finding:
    """Across the network all fragments of an image arrive at once and wait in one socket."""
    name = "images over network"
    if wire.rmem_max is None:
        return Finding(OK, name, "the receive buffer limit can't be read here")
    found = f"net.core.rmem_max is {wire.rmem_max} bytes, {load.name} has {load.size_bytes}"
    if wire.rmem_max < load.size_bytes:
        return Finding(
            WARN, name, f"{found}: images from other machines get lost",
            f"{sysctl_line(load.size_bytes)} (in /etc/sysctl.d to keep it), or compressed images",
        )  # fmt: skip
    asked = _receive_buffer(wire)
    if asked is not None and asked < load.size_bytes:
        return Finding(
            WARN, name, f"{found}, but Fast DDS asks for {asked}: images from other machines get "
            "lost", f"where this node is started: {wire.cure}, or compressed images",
        )  # fmt: skip
    return Finding(OK, name, found)


def _receive_buffer(wire: Wire) -> int | None:
    """Return how large a receive buffer Fast DDS asks for; None where unknown."""
    if not middleware.is_fast_dds(wire.rmw):
        return None
    with contextlib.suppress(UserError):
        transport = fast_dds.transport_of(wire.environment, wire.profile)
        return transport.receive_buffer_bytes or wire.rmem_default
    return None


def sysctl_line(size_bytes: int) -> str:
    """Return the command that makes room for messages of this size in a socket."""
    room = max(8_388_608, 1 << (2 * size_bytes - 1).bit_length())
    return f"sudo sysctl -w net.core.rmem_max={room}"


def arrivals(status: ArrivalStatus, load: ImageLoad, wire: Wire) -> Iterator[Finding]:
    """Judge what came, and what did not, while a topic was listened to."""
    total, period_s = status.arrived + status.lost, status.period_s
    rate = "" if period_s is None else f"; the camera sends {1 / period_s:.1f} a second"
    if status.lost:
        serious = status.lost > 1 and status.lost >= _SERIOUS_LOSS * total
        yield Finding(
            FAIL if serious else WARN, "arrivals",
            f"{status.lost} of {total} images got lost on the way{rate}", _loss_cure(load, wire),
        )  # fmt: skip
    else:
        yield Finding(OK, "arrivals", f"all {total} images that were sent arrived{rate}")
    if status.not_sent >= max(2, 0.05 * total):
        yield Finding(
            WARN, "camera", f"left out {status.not_sent} images by its own stamps",
            "look at the camera driver: exposure time, USB bandwidth, the load of its machine",
        )  # fmt: skip


def _loss_cure(load: ImageLoad, wire: Wire) -> str:
    """Return the advice of the first check that the images fail, else what is left."""
    for finding in carrying(load, wire):
        if finding.level != OK:
            return finding.advice
    return (
        "the transport has room for them: this machine is too busy, or the network too slow; see "
        "the load above, lower the rate, or use compressed images"
    )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.3g} MiB"
