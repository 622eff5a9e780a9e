# SPDX-License-Identifier: Apache-2.0
"""``lfmvl train``: train a small checkpoint, on the warehouse scenes or on your own images."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lfmvl_ros.cli.flags import as_path
from lfmvl_ros.core.whole_files import check_replaceable
from lfmvl_ros.finetune.run_folder import CHECKPOINT_DIRECTORY, STATE_FILE
from lfmvl_ros.models.checkpoint_labels import FACTS_FILE

HELP = (
    "Train a small LFM2-VL checkpoint, on the synthetic warehouse scenes or on a folder of "
    "images in COCO format, from scratch or from another checkpoint. The run directory holds "
    "the state (for --resume), progress.jsonl, and at the end the finished checkpoint."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = parser.add_argument
    add("--out", type=as_path, default=Path("runs/train"), help="run directory")
    add(
        "--data",
        type=as_path,
        metavar="DIR",
        help="images and boxes in COCO format to learn from, instead of the warehouse scenes",
    )
    add(
        "--from",
        dest="start",
        metavar="CHECKPOINT",
        help="start from these weights: 'bundled', or a checkpoint directory of another run",
    )
    add(
        "--mix",
        type=float,
        help="with --data: share of warehouse scenes among the images, 0 to 1 (default 0)",
    )
    add("--rate", type=float, help="multiplies the learning rates (default 1)")
    add(
        "--minutes",
        type=float,
        default=75.0,
        help="training time, minutes; the total of a run that is resumed",
    )
    add(
        "--steps",
        type=int,
        default=None,
        help="number of updates instead of --minutes, also a total",
    )
    add("--seed", type=int, default=0, help="random seed of weights and scenes")
    add("--device", default="auto", help="auto (CUDA where there is one), cpu, cuda or cuda:N")
    add(
        "--processes",
        type=int,
        help="one-thread processes that train (default 2 on the CPU, 1 on CUDA)",
    )
    add(
        "--batch", type=int, help="images per process and update (default 8 on the CPU, 16 on CUDA)"
    )
    add(
        "--workers",
        type=int,
        help="further processes for each, which render images ahead (default 0; on CUDA 12, or the "
        "number of cores less one)",
    )
    add("--max-objects", type=int, default=8, help="maximum number of objects in an answer")
    add("--resume", action="store_true", help="continue the run in --out")
    add(
        "--export",
        type=as_path,
        metavar="DIR",
        default=None,
        help="train nothing; write the run's averaged weights so far as a checkpoint, to a new or "
        "empty folder, or in place of another checkpoint of this command",
    )
    add(
        "--mean-with",
        metavar="CHECKPOINT",
        default=None,
        help="with --sentences --export: write the mean of the run's weights and those of this "
        "checkpoint, such as the one that the run began with; often better than either",
    )
    add(
        "--sentences",
        action="store_true",
        help="train the small language model that turns sentences into tool calls instead; takes "
        "--out, --from, --minutes, --steps, --seed, --resume, --export and --mean-with",
    )
    add("--tiny", action="store_true", help="a model too small to be useful, to try the command")


def run(args: argparse.Namespace) -> int:
    """Train or export; return the exit code."""
    from lfmvl_ros.core.errors import UserError

    if args.mean_with is not None and not (args.sentences and args.export is not None):
        raise UserError("--mean-with is for --sentences --export: it changes what is written")
    if args.export is not None:
        check_replaceable(args.export, FACTS_FILE)
    if args.sentences:
        return _sentences(args)
    from lfmvl_warehouse.training.run import training_run as launch
    from lfmvl_warehouse.training.run.plan import RunOverrides
    from lfmvl_warehouse.training.run.train_settings import TrainSettings

    if args.export is not None:
        print(_exported(args.out, args.export, launch.export(args.out, args.export)))
        return 0
    try:
        settings = TrainSettings(
            out=args.out,
            minutes=args.minutes,
            steps=args.steps,
            seed=args.seed,
            **_machine(args),
            max_objects=args.max_objects,
        )
    except ValueError as error:
        raise UserError(f"{error}; see lfmvl train --help") from error
    if args.tiny and args.start is not None:
        raise UserError("--tiny is a shape to start from scratch; give --tiny or --from, not both")
    if args.tiny:
        settings = launch.with_smallest_shape(settings)
    overrides = RunOverrides(data=args.data, start=args.start, rate=args.rate, mix=args.mix)
    facts = launch.train(settings, resume=args.resume, overrides=overrides)
    print(_exported(args.out, args.out / CHECKPOINT_DIRECTORY, facts))
    return 0


def _sentences(args: argparse.Namespace) -> int:
    """Train the model that reads sentences; return 0."""
    from lfmvl_ros.core.errors import UserError
    from lfmvl_warehouse.training.sentences.settings import SentenceTraining

    unused = ("data", "mix", "rate", "processes", "batch", "workers")
    given = [f"--{name}" for name in unused if getattr(args, name) is not None]
    given += ["--tiny"] * args.tiny
    given += ["--device"] * (args.device not in ("auto", "cpu"))
    if given:
        raise UserError(
            f"--sentences does not take {given[0]}; it takes --out, --from, --minutes, "
            "--steps, --seed, --resume and --export"
        )
    start = None if args.start is None else _sentence_checkpoint(args.start)
    try:
        settings = SentenceTraining(args.out, args.minutes, args.steps, args.seed, start=start)
    except ValueError as error:
        raise UserError(f"--{error}") from error
    if (args.resume or args.export is not None) and not (args.out / STATE_FILE).exists():
        raise UserError(f"there is no training in {args.out}: {STATE_FILE} is missing")
    from lfmvl_warehouse.training.sentences.run import export, train

    if args.export is not None:
        other = None if args.mean_with is None else _sentence_checkpoint(args.mean_with)
        print(_trained(args.export, export(args.out, args.export, other)))
        return 0
    facts = train(settings, resume=args.resume)
    print(_trained(args.out / CHECKPOINT_DIRECTORY, facts))
    return 0


def _sentence_checkpoint(name: str) -> Path:
    """Return the directory of the sentence model that ``--from`` names."""
    from lfmvl_ros.models.catalog import find

    entry = find(name)
    return Path(entry.sentences) if entry is not None and entry.sentences else as_path(name)


def _trained(target: Path, facts: Mapping[str, Any]) -> str:
    """Say what was written of a model that reads sentences."""
    return (
        f"wrote {target}: {facts['parameters'] / 1e6:.1f} M parameters after "
        f"{facts['sentences']:,} sentences in {facts['seconds'] / 60:.1f} minutes"
    )


def _exported(run: Path, target: Path, facts: Mapping[str, Any]) -> str:
    """Say what was written, and how to use it."""
    return (
        f"wrote {target}: the averaged weights of {run} ({facts['parameters'] / 1e6:.1f} M "
        f"parameters) after {facts['step']:,} updates in {facts['seconds'] / 60:.1f} minutes, with "
        f"processor, tokenizer and card (README.md); use it with --model {target}"
    )


def _machine(args: argparse.Namespace) -> dict[str, Any]:
    """Device, processes and batch; as many images an update on a GPU as in two processes."""
    from lfmvl_ros.models.lfm2_vl.loading import choose_device
    from lfmvl_warehouse.training.data.batches import StreamSettings

    device = choose_device(args.device)
    gpu = device.type == "cuda"
    spare = min(12, max(1, (os.cpu_count() or 2) - 1))

    def chosen(given: int | None, on_cpu: int, on_gpu: int) -> int:
        return given if given is not None else on_gpu if gpu else on_cpu

    return {
        "device": str(device),
        "processes": chosen(args.processes, 2, 1),
        "workers": chosen(args.workers, 0, spare),
        "stream": StreamSettings(batch=chosen(args.batch, 8, 16)),
    }
