# SPDX-License-Identifier: Apache-2.0
"""``lfmvl scenes``: synthetic warehouse images and video with their true boxes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lfmvl_ros.cli.flags import as_count, as_path, number, whole_number
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.whole_files import JsonLines, check_output, check_output_folder
from lfmvl_ros.viz.video import VideoWriter, check_image_output, check_video_output, write_image
from lfmvl_warehouse.scenes import PRESETS, RenderedScene, SceneVideo, render_still
from lfmvl_warehouse.scenes.labelled import ANNOTATIONS, write_labelled
from lfmvl_warehouse.scenes.looks import LOOKS, in_look
from lfmvl_warehouse.scenes.scene_video import CAMERA_MOTIONS
from lfmvl_warehouse.scenes.sheet import contact_sheet, draw_truth

HELP = (
    "Render synthetic warehouse scenes with their true boxes: a contact sheet, a folder of "
    "labelled images, a video, the boxes of its frames."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("--preview", type=as_path, metavar="PNG", help="write a contact sheet of stills here")
    add(
        "--labelled",
        type=as_path,
        metavar="DIR",
        help="write stills here as a labelled folder in COCO format, which train --data reads",
    )
    add("--video", type=as_path, metavar="MP4", help="write a video here")
    add("--truth", type=as_path, metavar="JSONL", help="write the video's boxes, one line a frame")
    add("--seed", type=whole_number(), default=0, help="random seed")
    add(
        "--wh",
        metavar="WIDTHxHEIGHT",
        help="image size (default 256x256 for stills, 640x480 for a video)",
    )
    add("--count", type=as_count, default=24, help="number of stills")
    add(
        "--preset",
        choices=tuple(PRESETS),
        default="standard",
        help="difficulty of the stills",
    )
    add(
        "--camera",
        choices=("auto", *CAMERA_MOTIONS),
        default="auto",
        help="how the camera of the video moves",
    )
    add(
        "--seconds",
        type=number(0.001, 86_400, "s"),
        default=10.0,
        help="length of the video, s",
    )
    add(
        "--fps",
        type=number(0.1, 1000, "Hz"),
        default=30.0,
        help="frame rate of the video, Hz",
    )
    add(
        "--look",
        choices=tuple(LOOKS),
        default="usual",
        help="with --labelled: appearance. negative: colours inverted; heat: grey and inverted. "
        "The bundled model knows neither; they are for trying fine-tuning",
    )
    add("--no-boxes", action="store_true", help="draw no boxes on sheet and video")


def run(args: argparse.Namespace) -> int:
    """Write what was asked for; exit code 0."""
    if args.preview is None and args.labelled is None and args.video is None and args.truth is None:
        raise UserError(
            "nothing to write; give --preview sheet.png, --labelled DIR, --video out.mp4 or "
            "--truth boxes.jsonl"
        )
    if args.preview is not None:
        check_image_output(args.preview)
    if args.video is not None:
        check_video_output(args.video)
    if args.truth is not None:
        check_output(args.truth)
    if args.labelled is not None:
        check_output_folder(args.labelled)
    try:
        if args.preview is not None:
            _write_sheet(args)
        if args.labelled is not None:
            _write_labelled(args)
        if args.video is not None or args.truth is not None:
            _write_video(args)
    except (ValueError, OverflowError) as error:
        raise UserError(f"these scenes can't be drawn: {error}") from error
    return 0


def _wh(text: str | None, default: tuple[int, int]) -> tuple[int, int]:
    if text is None:
        return default
    match = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", text.strip())
    if not match:
        raise UserError(f"{text!r} is not an image size; write WIDTHxHEIGHT, for example 640x480")
    return int(match[1]), int(match[2])


def _image(scene: RenderedScene, args: argparse.Namespace) -> NDArray[Any]:
    return scene.pixels if args.no_boxes else draw_truth(scene)


def _stills(args: argparse.Namespace, wh: tuple[int, int], most: int) -> Iterator[RenderedScene]:
    """The stills that count, size, seed and preset ask for, one at a time."""
    if args.count > most:
        raise UserError(f"--count must be 1 to {most} here, got {args.count}")
    for index in tqdm(range(args.count), desc="stills", unit="image"):
        rng = np.random.default_rng((args.seed, index))
        yield render_still(rng, wh=wh, options=PRESETS[args.preset])


def _write_labelled(args: argparse.Namespace) -> None:
    wh = _wh(args.wh, (256, 256))
    stills = (in_look(scene, args.look) for scene in _stills(args, wh, 100_000))
    boxes = write_labelled(args.labelled, stills)
    print(
        f"{args.labelled}: {args.count} images of {wh[0]}x{wh[1]}, {boxes} boxes "
        f"({ANNOTATIONS}), seed {args.seed}"
    )


def _write_sheet(args: argparse.Namespace) -> None:
    wh = _wh(args.wh, (256, 256))
    images = [_image(scene, args) for scene in _stills(args, wh, 400)]
    write_image(args.preview, contact_sheet(images))
    print(f"{args.preview}: {args.count} stills of {wh[0]}x{wh[1]}, seed {args.seed}")


def _write_video(args: argparse.Namespace) -> None:
    wh = _wh(args.wh, (640, 480))
    frames = round(args.seconds * args.fps)
    if not 1 <= frames <= 100_000:
        raise UserError(f"--seconds times --fps must give 1 to 100000 frames, got {frames}")
    video = SceneVideo(args.seed, wh=wh, fps=args.fps, camera=args.camera)
    with ExitStack() as files:
        writer = truth = None
        if args.video is not None:
            writer = files.enter_context(VideoWriter(args.video, wh, args.fps))
        if args.truth is not None:
            truth = files.enter_context(JsonLines(args.truth))
        for index in tqdm(range(frames), desc="video", unit="frame"):
            scene = video.frame(index)
            if writer is not None:
                writer.write(_image(scene, args))
            if truth is not None:
                truth.write(_truth(scene, index))
    if args.video is not None:
        print(f"{args.video}: {frames} frames of {wh[0]}x{wh[1]}, camera {video.camera}")
    if args.truth is not None:
        print(f"{args.truth}: the true boxes of {frames} frames")


def _truth(scene: RenderedScene, index: int) -> dict[str, object]:
    """A frame's truth as JSON: boxes in pixels."""
    return {
        "frame": index,
        "stamp_ns": scene.stamp_ns,
        "objects": [
            {
                "id": item.id,
                "kind": item.kind,
                "colour": item.colour,
                "attributes": list(item.attributes),
                "full_xyxy_px": item.full_xyxy_px.tolist(),
                "visible_xyxy_px": item.visible_xyxy_px.tolist(),
                "visibility": round(item.visibility, 4),
                "depth_m": round(item.depth_m, 3),
            }
            for item in scene.objects
        ],
    }
