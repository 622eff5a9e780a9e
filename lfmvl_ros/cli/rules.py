# SPDX-License-Identifier: Apache-2.0
"""``lfmvl rules``: check a rules file, and try it on a video."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from lfmvl_ros.cli.flags import add_setting_flags, as_path, number, settings_from
from lfmvl_ros.cli.label_warnings import warn_of_labels
from lfmvl_ros.cli.track import Run
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.rules import Event, EventState, Rule, RuleEngine, RuleSet, load_rules
from lfmvl_ros.core.safe_text import json_text, safe_text
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.core.user_files import user_path
from lfmvl_ros.core.video_reader import VideoReader
from lfmvl_ros.core.whole_files import JsonLines, check_output_folder, finite
from lfmvl_ros.viz.annotate import AnnotatedVideo
from lfmvl_ros.viz.drawing import marks_of_tracks
from lfmvl_ros.viz.zones import draw_zones

HELP = (
    "Check a file of zones and rules (docs/rules.md), or try it on a video: annotated.mp4 with "
    "zones and events, preview.png, events.jsonl; the last line printed is a JSON summary."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="read a rules file; print its rules or its mistakes",
        description="Read a rules file; print its rules or its mistakes.",
    )
    check.add_argument("file", help="rules file")
    trial = actions.add_parser(
        "try",
        help="run model, tracker and rules on a video",
        description="Run model, tracker and rules on a video.",
    )
    trial.add_argument("file", help="rules file")
    trial.add_argument("video", type=as_path, help="video file")
    trial.add_argument("--query", help="what to find (default: every label that the rules name)")
    trial.add_argument("--out", type=as_path, default=Path("out/rules"), help="folder for results")
    trial.add_argument(
        "--answer-hz",
        type=number(0.01, 240, "Hz"),
        default=4.0,
        help="answers per second of video (default 4); each is used at once, as if it took no time",
    )
    trial.add_argument(
        "--no-video", action="store_true", help="write neither annotated.mp4 nor preview.png"
    )
    add_setting_flags(trial)


def run(args: argparse.Namespace) -> int:
    """Check or try; exit code 0."""
    rules = load_rules(user_path(args.file, "rules file"))
    if args.action == "check":
        print(_summary(rules))
        return 0
    return _try(args, rules)


def _summary(rules: RuleSet) -> str:
    """Return a line for each zone and rule."""
    lines = [
        f"zone {zone.name}: {len(zone.polygon.points)} corners, "
        + (f"metres in {zone.frame}" if zone.frame else "image")
        for zone in rules.zones.values()
    ]
    lines += [f"rule {rule.name}: {_sentence(rule)}" for rule in rules.rules]
    used = {rule.zone.name for rule in rules.rules if rule.zone is not None}
    lines += [f"zone {name} is used by no rule" for name in rules.zones if name not in used]
    return "\n".join([*lines, f"query: {', '.join(rules.labels) or '(the rules name no label)'}"])


def _sentence(rule: Rule) -> str:
    parts = [rule.kind.value, " or ".join(rule.labels) or "anything"]
    if rule.to:
        parts.append(f"to {' or '.join(rule.to)}")
    for value, word, unit in (
        (rule.above, "above", f" {rule.unit}"),
        (rule.below, "below", f" {rule.unit}"),
        (rule.time_s, "within", " s"),
        (rule.distance_m, "nearer than", " m"),
        (rule.for_s or None, "for", " s"),
    ):
        if value is not None:
            parts.append(f"{word} {value:g}{unit}")
    if rule.zone is not None:
        parts.append(f"in {rule.zone.name}")
    if rule.where is not None:
        parts.append(f"where {rule.where.text}")
    notes = [f"at {rule.probability:g}, until below {rule.release:g}"]
    notes += [f"camera {rule.camera}"] if rule.camera else []
    notes += [f"Bool on rules/{rule.name}"] if rule.topic else []
    if rule.review:
        notes += [f"held for review, {rule.unanswered.value} when unanswered"]
    notes += ["needs positions"] if rule.needs_metres else []
    return f"{' '.join(parts)} ({'; '.join(notes)})"


def _try(args: argparse.Namespace, rules: RuleSet) -> int:
    text = ", ".join(rules.labels) if args.query is None else args.query
    if args.query is None and not text:
        raise UserError("the rules name no label; give --query, such as --query 'person, tote'")
    settings = settings_from(args, query=text)
    query = Query.parse(settings.query)
    warn_of_labels(settings.model, query)
    video = VideoReader(args.video)
    from lfmvl_ros.models.load import load_model

    check_output_folder(args.out)
    state = Run(Pipeline(load_model(settings), settings))
    state.pipeline.enabled = False  # it answers requests only
    trial = RulesTrial(state, RuleEngine(rules), 1e9 / args.answer_hz)
    state.pipeline.start()
    try:
        with (
            JsonLines(args.out / "events.jsonl") as lines,
            AnnotatedVideo(args.out, video.rate_hz) as drawn,
        ):
            _follow(video, trial, lines, None if args.no_video else drawn)
    finally:
        state.pipeline.stop()
    if video.problem:
        print(f"lfmvl rules: {safe_text(video.problem)}", file=sys.stderr)
    print(json_text(finite({**state.summary(), **trial.summary()})))
    return 0


def _follow(
    video: VideoReader, trial: RulesTrial, lines: JsonLines, drawn: AnnotatedVideo | None
) -> None:
    """Show every frame to the rules; write events and video."""
    zones, query = trial.engine.rules.zones.values(), trial.state.pipeline.status().query
    for time_ns, pixels in tqdm(video, total=video.length or None, unit="frame", desc="rules"):
        tracks, events = trial.frame(Frame(pixels, time_ns))
        for event in events:
            lines.write(event.to_dict())
        if drawn is not None:
            canvas = draw_zones(pixels, zones, trial.going.values())
            caption = f"{time_ns / 1e9:6.2f} s  query: {query.text}"
            drawn.add(canvas, marks_of_tracks(tracks), caption)
    for event in trial.engine.close():
        lines.write(event.to_dict())


@dataclass
class RulesTrial:
    """Model, tracker and rules on the frames of a video.

    Attributes:
        state: of model and tracker.
        engine: of the rules.
        period_ns: time between answers.
        going: active events, by their id.
        begun: events by rule.
    """

    state: Run
    engine: RuleEngine
    period_ns: float
    going: dict[str, Event] = field(default_factory=dict)
    begun: Counter[str] = field(default_factory=Counter)
    _due_ns: float = 0.0

    def frame(self, frame: Frame) -> tuple[Tracks, list[Event]]:
        """Take the next frame and return the tracks at it, and what happened."""
        state = self.state
        tracks = state.pipeline.submit(frame)
        if frame.stamp_ns >= self._due_ns:
            self._due_ns += self.period_ns
            self.engine.answer(state.ask())
            tracks = state.pipeline.recall(frame)
        state.count(tracks)
        events = self.engine.observe(tracks)
        for event in events:
            self.going[event.id] = event
            if event.state is EventState.END:
                del self.going[event.id]
            elif event.state is EventState.BEGIN:
                self.begun[event.rule] += 1
        return tracks, events

    def summary(self) -> dict[str, object]:
        """Return the JSON document's part: events of every rule, and rules that can't hold here."""
        return {
            "events": {rule.name: self.begun[rule.name] for rule in self.engine.rules.rules},
            "rules_without_positions": list(self.engine.status().unplaced),
        }
