# SPDX-License-Identifier: Apache-2.0
"""``lfmvl ground``: one image, one answer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lfmvl_ros.cli.flags import add_setting_flags, as_path, number, pipeline_settings, settings_from
from lfmvl_ros.cli.label_warnings import warn_of_labels
from lfmvl_ros.core.ask import ask
from lfmvl_ros.core.colour import is_flat
from lfmvl_ros.core.config import PerceptionSettings, ZoomSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.core.safe_text import json_text, safe_text
from lfmvl_ros.core.video_reader import VideoReader
from lfmvl_ros.viz.drawing import draw_marks, marks_of_detections
from lfmvl_ros.viz.video import check_image_output, is_video, read_image, write_image

_LIMITS = ZoomSettings.describe()["magnification"]
_MAGNIFICATIONS = (_LIMITS.low or 1.0, _LIMITS.high or 1.0)
HELP = "Find objects in an image and print the grounding JSON (the document of topic `grounding`)."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("image", type=as_path, help="image file, or a video file with --at")
    parser.add_argument(
        "--at",
        type=number(0, unit="s"),
        metavar="SECONDS",
        help="take the frame of a video at this time",
    )
    parser.add_argument("--query", required=True, help="what to find, separated by commas")
    parser.add_argument(
        "--annotate", type=as_path, metavar="PNG", help="draw the boxes into a file"
    )
    parser.add_argument("--raw", action="store_true", help="also print the model's own words")
    parser.add_argument(
        "--zoom",
        type=number(*_MAGNIFICATIONS),
        metavar="TIMES",
        help="also ask about overlapping parts of the image, enlarged so many times "
        f"({_MAGNIFICATIONS[0]:g} to {_MAGNIFICATIONS[1]:g}), for small objects; their answers are "
        "merged (docs/zoom.md)",
    )
    # A single answer has no answers before it to learn from, and nothing to track.
    useless = ("image.target_latency_ms", "generation.draft", "tracker.", "zoom.")
    fitting = [info for info in pipeline_settings() if not info.name.startswith(useless)]
    add_setting_flags(parser, fitting)


def run(args: argparse.Namespace) -> int:
    """Answer; exit code 0 when the model's answer could be read, else 1."""
    settings = settings_from(args, query=args.query)
    query = Query.parse(settings.query)
    if args.annotate is not None:
        check_image_output(args.annotate)
    warn_of_labels(settings.model, query)
    frame = _frame(args.image, args.at)
    from lfmvl_ros.models.load import load_model

    model = load_model(settings)
    grounding, answers = _ask(model, frame, query, settings, args.zoom)
    document = grounding.to_dict()
    if args.raw:
        document["raw"] = grounding.reply.text
        if args.zoom is not None:
            document["raw_parts"] = [answer.reply.text for answer in answers[1:]]
    print(json_text(document, indent=2))
    if args.annotate is not None:
        _annotate(args.annotate, frame, grounding)
    failed = [answer for answer in answers[1:] if not answer.outcome.is_evidence]
    if failed:
        print(
            f"lfmvl ground: {len(failed)} of {len(answers) - 1} parts of the image have no usable "
            f"answer: {failed[0].reply.error or failed[0].outcome.value}",
            file=sys.stderr,
        )
    if any(answer.reply.finish is FinishReason.DEADLINE for answer in answers):
        print(
            f"lfmvl ground: the answer was cut off after {settings.generation.timeout_s:g} s, the "
            "time limit; raise it with --generation-timeout-s",
            file=sys.stderr,
        )
    return 0 if grounding.outcome.is_evidence else 1


def _ask(
    model: VisionLanguageModel,
    frame: Frame,
    query: Query,
    settings: PerceptionSettings,
    magnification: float | None,
) -> tuple[Grounding, list[Grounding]]:
    """Return the answer, and those that it is made of."""
    if magnification is None:
        answers = ask(model, [frame], query, settings)
        return answers[0], answers
    from lfmvl_ros.core.zoom.still import ask_closely

    return ask_closely(model, frame, query, settings.updated({"zoom.magnification": magnification}))


def _frame(path: Path, at_s: float | None) -> Frame:
    if at_s is None:
        if is_video(path):
            raise UserError(f"{str(path)!r} is a video; choose a frame of it: --at 0 is the first")
        pixels = read_image(path)
        if is_flat(pixels):
            print(
                f"warning: {safe_text(str(path))} has no contrast, its pixels are nearly all alike",
                file=sys.stderr,
            )
        return Frame(pixels, 0)
    video = VideoReader(path)
    last_ns = 0
    while (next_ns := video.next_ns()) is not None and next_ns < at_s * 1e9:
        last_ns = next_ns
        video.skip()
    frame = video.read()
    video.close()
    if frame is None:
        raise UserError(
            video.problem
            or f"the last frame of {str(path)!r} is at {last_ns / 1e9:.2f} s; --at {at_s:g} is "
            "after it"
        )
    return Frame(frame[1], frame[0])


def _annotate(path: Path, frame: Frame, grounding: Grounding) -> None:
    write_image(path, draw_marks(frame.pixels, marks_of_detections(grounding.detections)))
