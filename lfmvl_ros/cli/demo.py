# SPDX-License-Identifier: Apache-2.0
"""``lfmvl demo``: three processes over DDS, as on a robot.

A camera, the perception node, and a recorder that only subscribes, like a robot's controller.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lfmvl_ros import registry
from lfmvl_ros.child_processes import Children
from lfmvl_ros.cli.flags import add_setting_flags, as_path, number, settings_from, whole_number
from lfmvl_ros.cli.label_warnings import warn_of_source
from lfmvl_ros.cli.node_link import DEMO_DOMAIN
from lfmvl_ros.cli.scene_demo import check_scene, run_scene
from lfmvl_ros.core.config import CameraSettings, RecorderSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.ros_domain import VARIABLE, domain_of
from lfmvl_ros.core.whole_files import make_folder
from lfmvl_ros.ros.transport import fast_dds, middleware
from lfmvl_ros.threads import busy_cores

HELP = (
    "Run camera_node, perception_node and a subscriber as three processes; write preview.png, "
    "annotated.mp4, camera.mp4, grounding.jsonl, tracks.jsonl, and for a scene places.png and "
    "places.mp4; print a JSON summary last."
)
NAMESPACE = "/lfmvl"
_PROCESSES = 3
_LAST_COMMANDS_S = 5.0
_HALL_M, _POSITIONS_HZ = 20.0, 7.5
SCENE_QUERY = "person, forklift, crate, traffic cone"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--camera",
        default="scene",
        help="'scene' (synthetic warehouse), a video file, an image folder or /dev/videoN",
    )
    parser.add_argument("--query", default=SCENE_QUERY, help="what to find, separated by commas")
    parser.add_argument(
        "--scene",
        choices=registry.names(registry.DEMO_SCENES),
        help="run an application on a planned scene in one process and measure it (docs/assist.md, "
        "docs/station.md, docs/shelf.md); without it, three processes use the images of --camera",
    )
    parser.add_argument(
        "--answer-s",
        type=number(0, 10, "s"),
        default=0.25,
        help="with --scene: how long an answer takes (default 0.25 s; 0: as long as it does)",
    )
    parser.add_argument(
        "--duration",
        type=number(1, 3600, "s"),
        help="length, seconds (default 30, or the scene's own)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(),
        default=7,
        help="random seed of the synthetic scene",
    )
    parser.add_argument("--out", type=as_path, default=Path("out/demo"), help="folder for results")
    parser.add_argument(
        "--dds-profile",
        default=middleware.AUTO,
        help="auto (default: shared memory for images where the RMW is Fast DDS and no profile is "
        "set), none, or the path of an XML file",
    )
    parser.set_defaults(**{"setting:model": "bundled"})
    add_setting_flags(parser)


def _ros_arguments(parameters: dict[str, object]) -> list[str]:
    words = ["--ros-args", "-r", f"__ns:={NAMESPACE}", "--log-level", "warn"]
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if isinstance(value, str):
            text = "'" + text.replace("'", "''") + "'"
        words += ["-p", f"{name}:={text}"]
    return words


def _set_profile(wanted: str) -> bool:
    """Set the DDS profile for the processes; return whether their images fit the transport."""
    choice = middleware.choose_profile(
        wanted, os.environ, processes=_PROCESSES, free_bytes=fast_dds.free_shared_memory()
    )
    os.environ.update(choice.variables)
    if choice.warning:
        print(f"lfmvl demo: {choice.reason}", file=sys.stderr)
    return bool(choice.variables)


def _reliable(side: str) -> dict[str, object]:
    """Ask for images to be sent again when they get lost, where the transport is too small.

    With shared memory for images, the demo uses best effort, as camera drivers do.
    """
    return {f"qos_overrides.{NAMESPACE}/image_raw.{side}.reliability": "reliable"}


def _positions(camera: str) -> dict[str, object]:
    """Return the parameters with which positions are found, where the camera measures depth."""
    if camera != "scene":
        return {}
    frame = CameraSettings().world_frame
    return {
        "spatial.source": "depth",
        "spatial.target_frame": frame,
        "spatial.max_range_m": _HALL_M,
        "spatial.max_rate_hz": _POSITIONS_HZ,
    }


def _command(module: str, parameters: dict[str, object]) -> list[str]:
    return [sys.executable, "-m", f"lfmvl_ros.ros.{module}", *_ros_arguments(parameters)]


def run(args: argparse.Namespace) -> int:
    """Run the demo; the recorder's exit code, or 1 when a node ended before its time."""
    if args.scene:
        check_scene(args)
        return run_scene(args)
    args.duration = args.duration or 30.0
    named = domain_of(os.environ)
    domain = DEMO_DOMAIN if named is None else named
    query = Query.parse(args.query)
    settings = settings_from(args, query=args.query)
    changed = {
        name: value
        for name, value in settings.flat().items()
        if value != settings.describe()[name].default or name in ("model", "query")
    }
    make_folder(args.out)
    # Nothing but this machine hears the demo, and it hears nobody else, unless the user says so.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ[VARIABLE] = str(domain)
    print(
        f"camera: {args.camera}   query: {args.query}   model: {settings.model}   "
        f"ROS_DOMAIN_ID={domain}, topics below {NAMESPACE}/\n"
        f'commands, from another terminal: lfmvl say --domain {domain} "look for people"',
        file=sys.stderr,
    )
    warn_of_source(args.camera, args.seed, query)
    camera: dict[str, object] = {"source": args.camera, "seed": args.seed}
    camera["depth_rate_hz"] = _POSITIONS_HZ
    recorder: dict[str, object] = {"out": str(args.out), "duration_s": args.duration}
    perception: dict[str, object] = {**changed, **_positions(args.camera)}
    if not _set_profile(args.dds_profile):
        camera |= _reliable("publisher")
        recorder |= _reliable("subscription")
        perception |= _reliable("subscription")
    with Children() as children:
        nodes = [
            children.start(_command("perception_node", perception)),
            children.start(_command("camera_node", camera)),
        ]
        began_s = time.monotonic()
        code = _supervise(nodes, children.start(_command("recorder_node", recorder)))
        waited_s = time.monotonic() - began_s
        if code == 1 and waited_s >= RecorderSettings().start_timeout_s:
            print(f"lfmvl demo: {_no_answer(waited_s, busy_cores())}", file=sys.stderr)
        _end(nodes[0])
        return code


def _no_answer(waited_s: float, busy: float) -> str:
    """Return what became of a demo that nobody has seen tracks of.

    Args:
        waited_s: for the first ones.
        busy: how many cores other programs use.
    """
    cores = os.cpu_count() or 1
    why = f"other programs keep {busy:.1f} of {cores} cores busy; end some" if busy >= 1 else (
        "this machine may be too slow for the model; name a smaller one with --model"
    )  # fmt: skip
    return (
        f"camera and perception node run, but are still on the way to the first answer after "
        f"{waited_s:.0f} s: {why}, and run it again"
    )


def _end(perception: subprocess.Popen[bytes]) -> None:
    """End the perception node while images still come.

    So a command in the last moment hears that the node has ended, not that its images are missing.
    """
    perception.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        perception.wait(_LAST_COMMANDS_S)


def _supervise(nodes: Sequence[subprocess.Popen[bytes]], listener: subprocess.Popen[bytes]) -> int:
    while (code := listener.poll()) is None:
        for process, name in zip(nodes, ("perception_node", "camera_node"), strict=True):
            if process.poll() is not None:
                raise UserError(
                    f"{name} ended with exit code {process.returncode}; see its message above"
                )
        time.sleep(0.2)
    return code
