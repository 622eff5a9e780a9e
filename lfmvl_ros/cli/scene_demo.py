# SPDX-License-Identifier: Apache-2.0
"""``lfmvl demo --scene NAME``: a job in a planned scene, and how well it was done.

Model, tracker and rules run in this process on a simulated clock, so that the figures don't depend
on how busy the machine is: the model gets the newest frame whenever it is free, and its answer
comes a set time later.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lfmvl_ros import registry
from lfmvl_ros.cli.flags import settings_from
from lfmvl_ros.core.ask import Request
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.drafting.drafts import expect_answer
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import StageTimes
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.rules import Event, EventState, RuleEngine, parse_rules
from lfmvl_ros.core.rules.heard import Heard
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.tracking import Tracker, Tracks
from lfmvl_ros.core.whole_files import JsonLines, finite, make_folder
from lfmvl_ros.viz.annotate import AnnotatedVideo
from lfmvl_ros.viz.drawing import marks_of_tracks
from lfmvl_ros.viz.zones import draw_zones

Image = NDArray[np.uint8]
SCENES = registry.DEMO_SCENES


class DemoScene(Protocol):
    """A planned scene, registered under a name.

    Attributes:
        query: labels to ask for.
        rate_hz: frames a second.
        rules: text of the rules file.
        usual_s: how long the plan lasts.
    """

    query: Sequence[str]
    rate_hz: float
    rules: str
    usual_s: float

    def frame(self, index: int) -> Image:
        """Return a frame, ``(H, W, 3)`` RGB."""

    def figures(self, heard: Heard) -> dict[str, Any]:
        """Compare what was found with what happened."""


@dataclass
class Robot:
    """Model, tracker and rules on a simulated clock.

    Attributes:
        model: that is asked.
        settings: of model and tracker.
        query: of the scene.
        engine: of the rules.
        answer_s: how long an answer takes; None for as long as it took.
    """

    model: VisionLanguageModel
    settings: PerceptionSettings
    query: Query
    engine: RuleEngine
    answer_s: float | None
    _tracker: Tracker = field(default_factory=Tracker)
    _coming: tuple[float, Grounding] | None = None
    _last: Answer | None = None
    answers: int = 0

    def frame(self, frame: Frame) -> tuple[Tracks, list[Event]]:
        """Take the next frame; return the tracks at it and what happened."""
        now_s = frame.stamp_ns / 1e9
        if self._coming is not None and self._coming[0] <= now_s:
            grounding = self._coming[1]
            self._last = Answer(grounding, self._tracker.apply(grounding), 0)
            self.engine.answer(self._last)
            self._coming = None
            self.answers += 1
        tracks = self._tracker.observe(frame)
        if self._coming is None:
            self._coming = self._asked(frame, tracks, now_s)
        return tracks, self.engine.observe(tracks)

    def _asked(self, frame: Frame, tracks: Tracks, now_s: float) -> tuple[float, Grounding]:
        hint = expect_answer(self._last, self.query, tracks)
        request = Request.prepare(self.model, self.settings, self.query, [frame], hints=[hint])
        (reply,) = request.replies()
        took_s = reply.times.total_s if self.answer_s is None else self.answer_s
        reply = replace(reply, times=StageTimes(decode_s=took_s))
        return now_s + took_s, request.grounding(frame, reply)


def run_scene(args: argparse.Namespace) -> int:
    """Run a scene, write what was seen, print its figures; exit code 0."""
    scene: DemoScene = registry.load(SCENES, args.scene)(args.seed)
    duration_s = args.duration or scene.usual_s
    settings = settings_from(args, query=", ".join(scene.query))
    from lfmvl_ros.models.load import load_model

    out: Path = args.out
    make_folder(out)
    rules = parse_rules(scene.rules, args.scene)
    robot = Robot(
        load_model(settings),
        settings,
        Query.parse(settings.query),
        RuleEngine(rules),
        args.answer_s or None,
    )
    heard, going = Heard(), {}
    frames = round(duration_s * scene.rate_hz)
    with JsonLines(out / "events.jsonl") as lines, AnnotatedVideo(out, scene.rate_hz) as picture:
        for index in tqdm(range(frames), desc=args.scene, unit="frame", file=sys.stderr):
            pixels = scene.frame(index)
            tracks, events = robot.frame(Frame(pixels, round(index * 1e9 / scene.rate_hz) + 1))
            for event in events:
                lines.write(event.to_dict())
                heard.payload_bytes += len(json_text(event.to_dict()))
                going[event.id] = event
                if event.state is EventState.END:
                    del going[event.id]
            heard.tracks.append(tracks)
            heard.events += events
            drawn = draw_zones(pixels, rules.zones.values(), going.values())
            picture.add(drawn, marks_of_tracks(tracks), f"{index / scene.rate_hz:6.1f} s")
    heard.answers = robot.answers
    summary = {
        "scene": args.scene,
        "duration_s": duration_s,
        "frames": frames,
        "answers": heard.answers,
        "answer_s": args.answer_s or None,
        "events": sum(event.state is EventState.BEGIN for event in heard.events),
        "events_kb_an_hour": round(heard.payload_bytes / 1e3 / duration_s * 3600, 1),
        "model": robot.model.name,
        **scene.figures(heard),
    }
    print(json_text(finite(summary)))
    return 0


def check_scene(args: argparse.Namespace) -> None:
    """Raise a :class:`UserError` for flags that make no sense together."""
    if not 0 <= args.answer_s <= 10:
        raise UserError(f"--answer-s must be between 0 and 10 s, got {args.answer_s}")
