# SPDX-License-Identifier: Apache-2.0
"""``lfmvl train``: train a small checkpoint, on the warehouse scenes or on own pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = (
    "Train a small LFM2-VL checkpoint, on the synthetic warehouse scenes or on a folder of "
    "pictures in COCO format, from nothing or from another checkpoint. The run directory holds "
    "the state (for --resume), progress.jsonl, and at the end the finished checkpoint."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/train"), help="run directory (%(default)s)")
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help="pictures and boxes in COCO format to learn from, instead of the warehouse scenes",
    )
    add(
        "--from",
        dest="start",
        metavar="CHECKPOINT",
        help="start from these weights: 'bundled', or a checkpoint directory of another run",
    )
    add("--mix", type=float, help="with --data, share of warehouse scenes to keep in (0)")
    add("--rate", type=float, help="factor of the learning rates (1)")
    add("--minutes", type=float, default=75.0, help="training time (%(default)s)")
    add("--steps", type=int, default=None, help="number of updates instead of --minutes")
    add("--seed", type=int, default=0, help="of weights and scenes (%(default)s)")
    add("--processes", type=int, default=2, help="one-thread processes (%(default)s)")
    add("--batch", type=int, default=8, help="images per process and update (%(default)s)")
    add("--max-objects", type=int, default=8, help="most objects in an answer (%(default)s)")
    add("--resume", action="store_true", help="continue the run in --out")
    add(
        "--export",
        type=Path,
        metavar="DIR",
        default=None,
        help="train nothing; write the run's averaged weights so far as a checkpoint",
    )
    add("--tiny", action="store_true", help="a model too small to be useful, to try the command")


def run(args: argparse.Namespace) -> int:
    """Train or export; return the exit code."""
    from lfmvl_ros.core.errors import UserError
    from lfmvl_ros.training import launch
    from lfmvl_ros.training.data import StreamSettings
    from lfmvl_ros.training.plan import Wishes
    from lfmvl_ros.training.settings import TrainSettings

    if args.export is not None:
        print(launch.export(args.out, args.export))
        return 0
    try:
        settings = TrainSettings(
            out=args.out,
            minutes=args.minutes,
            steps=args.steps,
            seed=args.seed,
            processes=args.processes,
            stream=StreamSettings(batch=args.batch),
            max_objects=args.max_objects,
        )
    except ValueError as error:
        raise UserError(f"{error}; see lfmvl train --help") from error
    if args.tiny and args.start is not None:
        raise UserError("--tiny is a shape to start from nothing; leave it or --from away")
    if args.tiny:
        settings = launch.with_smallest_shape(settings)
    wishes = Wishes(data=args.data, start=args.start, rate=args.rate, mix=args.mix)
    launch.train(settings, resume=args.resume, wishes=wishes)
    return 0
