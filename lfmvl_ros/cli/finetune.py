# SPDX-License-Identifier: Apache-2.0
"""``lfmvl finetune``: fine-tune an LFM2-VL checkpoint on labelled images."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfmvl_ros.cli.flags import add_setting_flags, as_count, as_path, settings_from
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.whole_files import check_output_folder

if TYPE_CHECKING:
    from lfmvl_ros.finetune.run import Result

_IGNORED = (
    # The first would be ignored with (or without) the second.
    ("keep_share", "keep", False, "it is the share of images from --keep"),
    ("rank", "full", True, "it is that of adapters, and --full trains all weights"),
    ("epochs", "minutes", True, "both say how long to train; give one of them"),
    ("epochs", "steps", True, "both say how long to train; give one of them"),
    ("minutes", "steps", True, "both say how long to train; give one of them"),
)

HELP = (
    "Fine-tune any LFM2-VL or LFM2.5-VL checkpoint on a folder of labelled images in COCO format. "
    "It is evaluated on held-out images before, during and after the training; the best weights "
    "become a checkpoint in OUT/checkpoint that every command and node takes. If none is better "
    "than the start, nothing is written there, and the exit code is 1."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from lfmvl_ros.finetune.settings import CHECKPOINTING, DTYPES, TOWERS, FinetuneSettings
    from lfmvl_ros.models.gguf.export import KINDS

    usual = {field.name: field.default for field in fields(FinetuneSettings)}

    def add(flag: str, kind: Any = None, text: str = "", **more: Any) -> None:
        default = usual[flag.removeprefix("--").replace("-", "_")]
        # None tells an option that was left out from one that was given with the default's value.
        text = f"{text} (default {default})"
        parser.add_argument(flag, type=kind, default=None, help=text, **more)

    parser.add_argument(
        "--data", action="append", required=True, metavar="DIR[=WEIGHT]",
        help="labelled images in COCO format, as `lfmvl train` reads them; may be given several "
        "times; WEIGHT: how often its images are used, relative to the other folders",
    )  # fmt: skip
    parser.add_argument(
        "--from", dest="start", required=True, metavar="MODEL",
        help="checkpoint to start from: a hub id, a directory, or 'bundled'",
    )  # fmt: skip
    add_setting_flags(parser, [PerceptionSettings.describe()["revision"]])
    parser.add_argument("--out", type=as_path, required=True, help="run directory")
    parser.add_argument(
        "--keep", action="append", default=[], metavar="DIR[=WEIGHT]",
        help="labelled images of what the model already knows, against forgetting",
    )  # fmt: skip
    add("--keep-share", float, "share of the images that come from --keep")
    parser.add_argument(
        "--full", action="store_true",
        help="train all weights instead of adapters; needs more memory",
    )  # fmt: skip
    add(
        "--towers",
        str,
        "what adapters change; vision: how things look, not names, so that the model forgets less; "
        "auto: vision where the model's card lists all names of the data, else both",
        choices=TOWERS,
    )
    add(
        "--strength",
        float,
        "how much of the trained change the result keeps, up to 1; lower it where too much else "
        "is forgotten and --keep has no images",
    )
    add("--rank", int, "rank of the adapters; raise it for many images of a very different kind")
    add("--rate", float, "peak learning rate; 0: chosen by the size of the model")
    add("--epochs", float, "how often each image is used")
    parser.add_argument("--minutes", type=float, help="time for training and measurements, "
                        "instead of --epochs")  # fmt: skip
    parser.add_argument("--steps", type=as_count, help="number of updates, instead of --epochs")
    add("--batch", int, "images per update")
    add("--questions", int, "questions about each image in an update")
    add("--negatives", float, "share of questions about absent things, at least 0.25")
    add("--image-tokens", int, "most image tokens per image, without tiles; 0: the model's rules")
    add("--most-objects", int, "maximum number of objects in an answer")
    add("--judgements", int, "how often the model is measured on held-out images during training")
    add("--held-out-questions", int, "questions in each of these measurements")
    add("--patience", int, "stop after this many measurements without a better one; 0: never")
    add("--seed", int, "random seed")
    add("--device", str, "auto (CUDA where there is one), cpu, cuda or cuda:N")
    add("--dtype", str, "precision of the weights that are not trained", choices=DTYPES)
    add(
        "--checkpointing",
        str,
        "gradient checkpointing: less memory, more time",
        choices=CHECKPOINTING,
    )
    add("--save-every-s", float, "how often the state for --resume is written, seconds")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument(
        "--export", choices=KINDS, help="write the result as GGUF files to OUT/gguf as well"
    )


def run(args: argparse.Namespace) -> int:
    """Fine-tune; exit code 1 when the start is better than what was learnt."""
    from lfmvl_ros.finetune.data import parse_folder
    from lfmvl_ros.finetune.run import RunArguments, finetune
    from lfmvl_ros.finetune.settings import FinetuneSettings

    given = {field.name: getattr(args, field.name) for field in fields(FinetuneSettings)}
    values = {name: value for name, value in given.items() if value is not None}
    if args.minutes is not None and not args.minutes > 0:
        raise UserError(f"--minutes must be above 0, got {args.minutes:g}")
    _check_together(args)
    check_output_folder(args.out)
    try:
        settings = FinetuneSettings(**values)
    except ValueError as error:
        raise UserError(f"{error}; see lfmvl finetune --help") from error
    request = RunArguments(
        data=[parse_folder(text) for text in args.data],
        start=args.start,
        revision=settings_from(args).revision,
        out=args.out,
        keep=[parse_folder(text) for text in args.keep],
        resume=args.resume,
    )
    result = finetune(request, settings)
    if result.checkpoint is None:
        print(
            f"not better than {result.facts['start']} on the held-out images: no checkpoint was "
            f"written, go on with that one. {args.out / 'plot.png'} shows the scores; more images, "
            "more time (--epochs, --minutes) or another --rate may help",
            file=sys.stderr,
        )
        return 1
    _calibrate(result)
    if args.export:
        _export(result.checkpoint, args.out, args.export)
    first, last = result.facts["held_out"][0], result.facts["held_out"][-1]
    print(
        f"wrote {result.checkpoint}: score {first['score']:.3f} -> {last['score']:.3f}, recall "
        f"{_rate(first)} -> {_rate(last)}; use it with --model {result.checkpoint}"
    )
    return 0


def _check_together(args: argparse.Namespace) -> None:
    """Refuse options that would be ignored beside, or without, another."""
    for name, other, beside, why in _IGNORED:
        given, with_other = getattr(args, name), getattr(args, other)
        if given is not None and beside == (with_other not in (None, False, [])):
            flags = f"--{name.replace('_', '-')} {'with' if beside else 'without'} --{other}"
            raise UserError(f"{flags} would be ignored: {why}")


def _rate(rates: dict[str, Any]) -> str:
    value = rates.get("recall50")
    return "-" if value is None else f"{value:.3f}"


def _calibrate(result: Result) -> None:
    """Fit confidences on the held-out images; the card says so."""
    from lfmvl_ros.cli.finetune_calibration import calibrate_on_held_out
    from lfmvl_ros.finetune.card import write_card

    assert result.checkpoint is not None
    boxes, sentence = calibrate_on_held_out(result.checkpoint, result.folders)
    print(sentence)
    if boxes:
        write_card(result.checkpoint, {**result.facts, "calibrated_on": boxes})


def _export(checkpoint: Path, out: Path, kind: str) -> None:
    from lfmvl_ros.models.gguf.export import export_gguf

    name = re.sub(r"[^\w.-]+", "-", out.resolve().name) or "finetuned"
    files = export_gguf(checkpoint, out / "gguf", kind, name=name)
    print(f"wrote {files.text} and {files.mmproj}, for llama.cpp; use it with --model {files.text}")
