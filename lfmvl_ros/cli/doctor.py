# SPDX-License-Identifier: Apache-2.0
"""``lfmvl doctor``: checks installation, model and camera, and advises what to do."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from lfmvl_ros.cli import checkup, checkup_machine, checkup_model, checkup_transport
from lfmvl_ros.cli.checkup import FAIL, OK, WARN, Finding
from lfmvl_ros.cli.checkup_transport import ImageLoad, Wire
from lfmvl_ros.cli.flags import number
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.ros.transport import middleware
from lfmvl_ros.threads import apply_thread_policy

if TYPE_CHECKING:
    from lfmvl_ros.ros.diagnostics.topic_probe import TopicReport

HELP = (
    "Check the installation, the checkpoint, the transport of images and a camera topic; report "
    "what is wrong and what to do. Exit code 1 if something will not work."
)
_OLD_S = 0.5  # of an image on arrival


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    defaults = PerceptionSettings()
    parser.add_argument(
        "--model", default="bundled", help="checkpoint to try (default: the bundled one)"
    )
    parser.add_argument("--no-model", action="store_true", help="do not load a checkpoint")
    parser.add_argument("--device", default=defaults.device, help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--dtype", default=defaults.dtype, help="auto, float32, bfloat16, float16, int8"
    )
    parser.add_argument(
        "--revision", default=defaults.revision, help="branch, tag or commit of a hub's checkpoint"
    )
    parser.add_argument("--topic", help="image topic to listen to, such as /camera/image_raw")
    parser.add_argument(
        "--image",
        default="1280x720",
        metavar="WxH[:ENCODING]",
        help="images that the transport must carry, such as 1920x1080:bgr8 (default 1280x720, "
        "rgb8); with --topic: those of the topic",
    )
    parser.add_argument(
        "--rate-hz",
        type=number(0.01, 1000, "Hz"),
        default=30.0,
        metavar="HZ",
        help="rate of these images, Hz (default 30)",
    )
    parser.add_argument(
        "--seconds",
        type=number(0.1, 600, "s"),
        default=3.0,
        help="with --topic: how long to listen, seconds (default 3)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")


def run(args: argparse.Namespace) -> int:
    """Print a line for each finding as it is made; exit code 1 when one of them is ``fail``."""
    load = checkup_transport.parse_image(args.image, args.rate_hz)
    found = []
    for finding in _findings(args, load):
        found.append(finding)
        if not args.json:
            _show(finding)
    counts = {level: sum(item.level == level for item in found) for level in (OK, WARN, FAIL)}
    if args.json:
        print(json_text({"summary": counts, "findings": [asdict(item) for item in found]}))
    else:
        print(f"\n{counts[OK]} ok, {counts[WARN]} to look at, {counts[FAIL]} will not work")
    return 1 if counts[FAIL] else 0


def _show(finding: Finding) -> None:
    print(f"{finding.level:<5} {finding.name:<22} {finding.message}", flush=True)
    if finding.advice:
        print(f"{'':<28} -> {finding.advice}", flush=True)


def _findings(args: argparse.Namespace, load: ImageLoad) -> Iterator[Finding]:
    can_load, can_listen = True, True
    for finding in checkup.installation():
        can_load &= finding.level != FAIL
        yield finding
    if can_load:
        yield from checkup.devices()
    yield Finding(OK, "threads", str(apply_thread_policy()))
    for finding in checkup.ros():
        can_listen &= finding.level != FAIL
        yield finding
    yield from checkup_machine.discovery(os.environ)
    wire = _wire()
    yield from checkup_transport.configuration(wire)
    if args.topic is None:
        yield from checkup_transport.carrying(load, wire)
    yield from checkup_machine.resources()
    if not args.no_model:
        # What a server runs needs neither torch nor transformers here.
        if can_load or checkup_model.runs_elsewhere(args.model):
            yield from checkup_model.model_findings(args)
        else:
            yield from _skipped("model", "mend the packages above first")
    if args.topic is not None:
        yield from _topic(args, wire) if can_listen else _skipped("topic", "mend rclpy first")


def _wire() -> Wire:
    found = middleware.find_ros()
    distribution = found.distribution if found else ""
    return checkup_transport.read_wire(checkup.rmw_implementation(), distribution, os.environ)


def _skipped(name: str, why: str) -> Iterator[Finding]:
    yield Finding(WARN, name, f"not tried: {why}")


# -- topic ----------------------------------------------------------------------------------------


def _topic(args: argparse.Namespace, wire: Wire) -> Iterator[Finding]:
    from lfmvl_ros.ros.diagnostics.topic_probe import probe

    try:
        report = probe(args.topic, args.seconds)
    except UserError as error:
        yield checkup.failure("topic", error)
        return
    yield from topic_findings(report, args.seconds, wire)


def topic_findings(report: TopicReport, seconds: float, wire: Wire) -> Iterator[Finding]:
    """Judge what was received from a topic."""
    if not report.publishers:
        others = ", ".join(report.others)
        yield Finding(
            FAIL, "topic", f"nobody publishes {report.topic}",
            f"image topics there are: {others}" if others
            else "start the camera; on another machine, compare ROS_DOMAIN_ID and the reach above",
        )  # fmt: skip
        return
    if not report.kind.endswith(("/Image", "/CompressedImage")):
        yield Finding(
            FAIL, "topic", f"{report.topic} carries {report.kind}, no images",
            "name a topic of sensor_msgs/Image or sensor_msgs/CompressedImage",
        )  # fmt: skip
        return
    if not report.received:
        yield Finding(
            FAIL, "topic", f"{report.topic} is offered, but nothing came in {seconds:g} s",
            "does the camera run? in another container: both need --ipc=host and --network=host; "
            "from another machine: a firewall, or large images without receive buffers",
        )  # fmt: skip
        return
    yield from _images(report)
    yield from _transport(report, wire)
    yield from _stamps(report)


def _images(report: TopicReport) -> Iterator[Finding]:
    sizes = ", ".join(f"{w}x{h}" for w, h in report.sizes)
    what = f"{report.rate_hz:.1f} images per second, {sizes} {', '.join(report.encodings)}"
    slow = report.rate_hz < 2 * checkup_model.SLOW_RATE_HZ
    yield Finding(
        WARN if slow else OK, "topic", what,
        "tracking needs 5 per second or more" if slow else "",
    )  # fmt: skip
    if report.problem:
        yield Finding(
            FAIL, "decoding", report.problem,
            "set the camera driver to rgb8, bgr8 or mono8, or use the compressed topic",
        )  # fmt: skip
    if report.publishers > 1:
        yield Finding(
            WARN, "topic", f"{report.publishers} nodes publish it at once",
            "their frames and stamps get mixed: give each camera a topic of its own",
        )  # fmt: skip


def _transport(report: TopicReport, wire: Wire) -> Iterator[Finding]:
    period_s = report.arrivals.period_s
    rate_hz = report.rate_hz if period_s is None else 1 / period_s
    load = ImageLoad(f"an image of {report.topic}", report.message_bytes, round(rate_hz, 1))
    wire = replace(wire, segment_bytes=report.segment_bytes, same_host=report.same_host)
    yield from checkup_transport.carrying(load, wire)
    yield from checkup_transport.arrivals(report.arrivals, load, wire)


def _stamps(report: TopicReport) -> Iterator[Finding]:
    if report.unstamped:
        yield Finding(
            WARN, "stamps", f"{report.unstamped} of {report.received} images carry no stamp",
            "the time of receipt is used: positions of moving objects lag by the transport",
        )  # fmt: skip
    elif report.backwards:
        yield Finding(
            WARN, "stamps", f"{report.backwards} stamps went back in time",
            "tracking restarts each time: a bag that loops, or two clocks?",
        )  # fmt: skip
    elif report.age_s is not None and not -0.05 <= report.age_s <= _OLD_S:
        yield Finding(
            WARN, "stamps", f"images are {report.age_s:.2f} s old by this machine's clock",
            "synchronise the clocks (chrony), or start with use_sim_time for a bag or simulation",
        )  # fmt: skip
    elif report.age_s is not None:
        yield Finding(OK, "stamps", f"{report.age_s * 1e3:.0f} ms old on arrival")
