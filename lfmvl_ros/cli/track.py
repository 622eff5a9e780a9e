# SPDX-License-Identifier: Apache-2.0
"""``lfmvl track``: a video file in, tracks out."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lfmvl_ros.cli.flags import (
    add_setting_flags,
    as_path,
    number,
    pipeline_settings,
    settings_from,
    trigger_settings,
)
from lfmvl_ros.cli.label_warnings import warn_of_labels
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.safe_text import json_text, safe_text
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.core.video_reader import VideoReader
from lfmvl_ros.core.whole_files import JsonLines, check_output_folder, finite
from lfmvl_ros.viz.annotate import AnnotatedVideo
from lfmvl_ros.viz.drawing import marks_of_tracks

HELP = (
    "Find and track objects in a video: annotated.mp4, preview.png, tracks.jsonl and "
    "grounding.jsonl in the output folder; the last line printed is a JSON summary."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("video", type=as_path, help="video file")
    parser.add_argument("--query", required=True, help="what to find, separated by commas")
    parser.add_argument("--out", type=as_path, default=Path("out/track"), help="folder for results")
    parser.add_argument(
        "--answer-hz",
        type=number(0.01, 240, "Hz"),
        default=4.0,
        help="answers per second of video (default 4, about what a robot gets)",
    )
    parser.add_argument(
        "--no-video", action="store_true", help="write neither annotated.mp4 nor preview.png"
    )
    triggers = [info for info in trigger_settings() if info.name != "trigger.max_batch"]
    add_setting_flags(parser, [*pipeline_settings(), *triggers])


@dataclass
class Run:
    """A pipeline on one video, and what is counted.

    The pipeline is asked about chosen frames, unless the trigger sleeps, and the video waits for
    each answer. ``skipped`` counts the answers that were left out because it slept, ``regions``
    those about a part of the image.
    """

    pipeline: Pipeline
    answer_ms: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    skipped: int = 0
    first_seen_ns: dict[int, int] = field(default_factory=dict)
    longest_ns: int = 0
    regions: int = 0

    def ask(self) -> Answer:
        """Wait for an answer about the newest frame, or with ``zoom`` about a part of it."""
        answer = self.pipeline.request_answer(whole=False).result()
        self.regions += answer.grounding.region is not None
        self.answer_ms.append(answer.grounding.reply.times.total_s * 1e3)
        self.outcomes[answer.grounding.outcome.value] += 1
        return answer

    def count(self, tracks: Tracks) -> None:
        """Remember how long each id has lived."""
        self.frames += 1
        for key in tracks.ids.tolist():
            first = self.first_seen_ns.setdefault(key, tracks.stamp_ns)
            self.longest_ns = max(self.longest_ns, tracks.stamp_ns - first)

    def summary(self) -> dict[str, object]:
        """Return the JSON document of the last line."""
        times = self.answer_ms
        return {
            "frames": self.frames,
            "answers": len(self.answer_ms),
            "skipped_asleep": self.skipped,
            "regions": self.regions,
            "outcomes": dict(self.outcomes),
            "tracks": len(self.first_seen_ns),
            "longest_track_s": round(self.longest_ns / 1e9, 2),
            "answer_ms": {
                f"p{q}": round(float(np.percentile(times, q)), 1) if times else None
                for q in (50, 95)
            },
            "model": self.pipeline.status().model,
        }


def run(args: argparse.Namespace) -> int:
    """Track; exit code 0, or 1 when not one answer could be read."""
    settings = settings_from(args, query=args.query)
    warn_of_labels(settings.model, Query.parse(settings.query))
    video = VideoReader(args.video)
    from lfmvl_ros.models.load import load_model

    check_output_folder(args.out)
    state = Run(Pipeline(load_model(settings), settings))
    state.pipeline.enabled = False  # it answers requests only
    state.pipeline.start()
    try:
        with (
            JsonLines(args.out / "grounding.jsonl") as answers,
            JsonLines(args.out / "tracks.jsonl") as tracks,
            AnnotatedVideo(args.out, video.rate_hz) as drawn,
        ):
            _follow(
                video,
                state,
                1e9 / args.answer_hz,
                answers,
                tracks,
                None if args.no_video else drawn,
            )
    finally:
        state.pipeline.stop()
    if video.problem:
        print(f"lfmvl track: {safe_text(video.problem)}", file=sys.stderr)
    print(json_text(finite(state.summary())))
    return 0 if set(state.outcomes) - {"unparseable", "timeout", "error"} else 1


def _follow(
    video: VideoReader,
    state: Run,
    period_ns: float,
    answers: JsonLines,
    tracks_file: JsonLines,
    drawn: AnnotatedVideo | None,
) -> None:
    """Submit every frame and ask about one in each period; write answers, tracks and video."""
    due_ns, status = 0.0, state.pipeline.status()
    for time_ns, pixels in tqdm(video, total=video.length or None, unit="frame", desc="tracking"):
        frame = Frame(pixels, time_ns)
        tracks = state.pipeline.submit(frame)
        if time_ns >= due_ns:
            due_ns += period_ns
            if state.pipeline.is_due():
                answer = state.ask()
                answers.write(answer.grounding.to_dict(answer.applied.id_texts))
                tracks = state.pipeline.recall(frame)
            else:
                state.skipped += 1
        state.count(tracks)
        tracks_file.write(tracks.to_dict())
        if drawn is not None:
            caption = f"{time_ns / 1e9:6.2f} s  query: {status.query.text}  model: {status.model}"
            drawn.add(pixels, marks_of_tracks(tracks), caption)
