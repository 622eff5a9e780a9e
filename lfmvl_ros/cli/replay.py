# SPDX-License-Identifier: Apache-2.0
"""``lfmvl replay``: a bag in, a bag with detections and tracks out, without ROS."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from tqdm import tqdm

from lfmvl_ros.bags.names import is_full_name
from lfmvl_ros.cli.flags import (
    add_setting_flags,
    as_path,
    pipeline_settings,
    settings_from,
    trigger_settings,
)
from lfmvl_ros.cli.label_warnings import warn_of_labels
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.safe_text import json_text, shortened

if TYPE_CHECKING:
    from lfmvl_ros.core.model import VisionLanguageModel
    from lfmvl_ros.core.pipeline.simulated import Latency

HELP = (
    "Run the perception node's pipeline on a recorded bag (MCAP or SQLite), in simulated time, and "
    "write detections, tracks, grounding and markers into a new MCAP bag. The same bag, settings "
    "and model give the same bytes, however fast the machine is. The last line printed is a JSON "
    "summary."
)
_SENSORS = ("ego_motion.", "spatial.")
_NODE_ONLY = ("spatial.select", "spatial.compressed_depth", "spatial.publish_tf")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("bag", type=as_path, help="folder with metadata.yaml, or a .mcap or .db3 file")
    add("--query", required=True, help="what to find, separated by commas")
    add("--out", type=as_path, required=True, metavar="BAG", help="folder of the new bag")
    add("--topic", action="append", default=[], metavar="NAME",
        help="image topic, again for each camera; by default the only one of the bag")  # fmt: skip
    add("--latency", default="250", metavar="MS",
        help="how late an answer comes: milliseconds (default 250), 'zero', or 'measured': as long "
        "as the model takes here, or took when it was recorded")  # fmt: skip
    add("--with-input", action="store_true", help="copy the images into the new bag, too")
    add("--namespace", default="/lfmvl", help="prefix of the result topics (default /lfmvl)")
    add("--imu", metavar="NAME",
        help="with --ego-motion-source imu: the gyroscope's topic, if the bag has several",
    )  # fmt: skip
    add("--depth", metavar="NAME",
        help="with --spatial-source depth: the depth topic, if the bag has several; its "
        "camera_info is beside it")  # fmt: skip
    infos = PerceptionSettings.describe()
    more = [info for name, info in infos.items()
            if name.startswith(_SENSORS) and name not in _NODE_ONLY]  # fmt: skip
    add_setting_flags(parser, [*pipeline_settings(), *trigger_settings(), *more])


def run(args: argparse.Namespace) -> int:
    """Replay; exit code 0, or 1 when not one answer could be read."""
    settings = settings_from(args, query=args.query)
    latency = latency_model(args.latency, settings)
    if not args.namespace.startswith("/"):
        raise UserError(f"--namespace must begin with /, got {args.namespace!r}")
    if args.namespace.strip("/") and not is_full_name(args.namespace.rstrip("/")):
        raise UserError(
            f"ROS takes no --namespace {shortened(args.namespace, 80)!r}; give one such as /lfmvl"
        )
    if args.imu is not None and settings.ego_motion.source != "imu":
        raise UserError("--imu names the topic of --ego-motion-source imu; give both, or neither")
    if args.depth is not None and settings.spatial.source != "depth":
        raise UserError("--depth names the topic of --spatial-source depth; give both, or neither")
    warn_of_labels(settings.model, Query.parse(settings.query))
    from lfmvl_ros.bags.reading import image_topics, open_bag
    from lfmvl_ros.bags.replay import BagReplay
    from lfmvl_ros.bags.sensors import SensorTopics
    from lfmvl_ros.bags.writing import new_bag

    with open_bag(args.bag) as bag:
        topics = image_topics(bag, args.topic)
        total = sum(topic.count for topic in bag.topics if topic.name in topics.values())
        with new_bag(args.out) as out, tqdm(total=total, unit="image", disable=None) as bar:
            model = loaded_model(settings)
            replay = BagReplay(
                bag, out, model, settings, topics, latency, namespace=args.namespace,
                warn=lambda text: print(f"warning: {text}", file=sys.stderr),
                copy_input=args.with_input, sensors=SensorTopics(args.imu, args.depth),
            )  # fmt: skip
            summary = replay.run(bar.update)
            if not replay.frames:
                dropped = summary["dropped"] or "none, there is no message"
                names = ", ".join(topics.values())
                raise UserError(f"not one image of {names} could be used; dropped: {dropped}")
    print(json_text({"bag": str(args.out), "topics": list(topics.values()),
                     "model": model.name, "latency": args.latency, **summary}))  # fmt: skip
    return 0 if set(summary["outcomes"]) - {"unparseable", "timeout", "error"} else 1


def latency_model(text: str, settings: PerceptionSettings) -> Latency | None:
    """Return the latency model that a word asks for."""
    if text == "measured":
        return None
    try:
        seconds = 0.0 if text == "zero" else float(text) / 1e3
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= settings.generation.timeout_s:
        raise UserError(
            f"--latency must be 'zero', 'measured' or milliseconds up to generation.timeout_s "
            f"({settings.generation.timeout_s * 1e3:g}), got {text!r}"
        )
    return lambda _reply: seconds


def loaded_model(settings: PerceptionSettings) -> VisionLanguageModel:
    """Load the model; recorded replies come at once, as time is simulated."""
    if settings.model.strip().endswith(".jsonl"):
        from lfmvl_ros.core.user_files import user_path
        from lfmvl_ros.models.recorded_reply import read_recording
        from lfmvl_ros.models.replay import ReplayModel

        path = user_path(settings.model.strip(), "recording")
        replies = [replace(item, delay_s=0.0) for item in read_recording(path)]
        return ReplayModel(replies, name=path.name)
    from lfmvl_ros.models.load import load_model

    return load_model(settings)
