# SPDX-License-Identifier: Apache-2.0
"""``lfmvl demo --scene NAME``: runs a job in a planned scene, and prints its figures.

The pipeline, places and rules run in this process in simulated time, so that the figures don't
depend on how busy the machine is: the model gets the newest frame whenever it is free, and its
answer comes a set time later.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from lfmvl_ros import registry
from lfmvl_ros.cli.flags import settings_from
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.demo_scene import DemoScene, DemoView, SceneResults
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.rules import Event, EventState, Positions, RuleEngine, RuleSet, parse_rules
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.core.whole_files import JsonLines, finite, make_folder
from lfmvl_ros.viz.annotate import AnnotatedVideo
from lfmvl_ros.viz.drawing import marks_of_tracks
from lfmvl_ros.viz.picks import draw_picks
from lfmvl_ros.viz.zones import draw_zones

SCENES = registry.DEMO_SCENES


class SceneRun:
    """Pipeline, places and rules on the frames of a planned scene.

    Args:
        model: that is asked.
        settings: of the perception node.
        rules: of the scene.
        answer_s: how long an answer takes; None for as long as it took.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        settings: PerceptionSettings,
        rules: RuleSet,
        answer_s: float | None,
    ) -> None:
        self.results = SceneResults()
        self._settings = settings
        latency = None if answer_s is None else (lambda _reply: answer_s)
        self._pipeline = SimulatedPipeline(model, settings, latency, self._on_answer)
        self._engine = RuleEngine(rules)
        spatial = settings.spatial
        self._placer = None if spatial.source == "none" else Placer(PlacerOptions.of(spatial))

    def _on_answer(self, answer: Answer, _now_ns: int) -> None:
        self._engine.answer(answer)
        self.results.answers += 1

    def frame(self, view: DemoView, stamp_ns: int, selected: str) -> tuple[Tracks, list[Event]]:
        """Take the next frame; return the tracks at it and what happened."""
        self._engine.select(selected)
        tracks = self._pipeline.submit(Frame(view.pixels, stamp_ns), Verdict.NEWER, stamp_ns)
        places = self._places(view, tracks)
        events = self._engine.observe(tracks, None if places is None else Positions.of(places))
        results = self.results
        results.tracks.append(tracks)
        results.events += events
        if places is not None:
            results.places.append(places)
        return tracks, events

    def _places(self, view: DemoView, tracks: Tracks) -> Places | None:
        if self._placer is None or view.depth is None:
            return None
        spatial = self._settings.spatial
        depth = DepthImage.from_m(
            view.depth.depth_m,
            view.depth.stamp_ns,
            near_m=spatial.min_range_m,
            far_m=spatial.max_range_m,
        )
        return self._placer.place(tracks, depth, view.lens, view.camera)


def run_scene(args: argparse.Namespace) -> int:
    """Run a scene, write what was seen, print its figures; exit code 0."""
    scene: DemoScene = registry.load(SCENES, args.scene)(args.seed, args.duration or 0.0)
    duration_s = args.duration or scene.usual_s
    settings = settings_from(args, **scene.settings)
    from lfmvl_ros.models.load import load_model

    make_folder(args.out)
    rules = parse_rules(scene.rules, args.scene)
    model = load_model(settings)
    run = SceneRun(model, settings, rules, args.answer_s or None)
    frames = round(duration_s * scene.rate_hz)
    _show(args.scene, scene, run, rules, frames, args.out)
    results = run.results
    payload_bytes = sum(len(json_text(event.to_dict())) for event in results.events)
    summary = {
        "scene": args.scene,
        "duration_s": duration_s,
        "frames": frames,
        "answers": results.answers,
        "answer_s": args.answer_s or None,
        "events": sum(event.state is EventState.BEGIN for event in results.events),
        "events_kb_an_hour": round(payload_bytes / 1e3 / duration_s * 3600, 1),
        "model": model.name,
        **scene.figures(results),
    }
    print(json_text(finite(summary)))
    return 0


def _show(
    name: str, scene: DemoScene, run: SceneRun, rules: RuleSet, frames: int, out: Path
) -> None:
    """Show every frame of a scene to a run; write events and video."""
    going: dict[str, Event] = {}
    with JsonLines(out / "events.jsonl") as lines, AnnotatedVideo(out, scene.rate_hz) as picture:
        for index in tqdm(range(frames), desc=name, unit="frame", file=sys.stderr):
            time_s = index / scene.rate_hz
            view, selected = scene.view(index), scene.select(time_s)
            tracks, events = run.frame(view, round(time_s * 1e9) + 1, selected)
            for event in events:
                lines.write(event.to_dict())
                going[event.id] = event
                if event.state is EventState.END:
                    del going[event.id]
            drawn = draw_zones(view.pixels, rules.zones.values(), going.values())
            if view.lens is not None and view.camera is not None:
                draw_picks(drawn, run.results.places[-1], view.lens, view.camera)
            picture.add(drawn, marks_of_tracks(tracks), f"{time_s:6.1f} s  {selected}")


def check_scene(args: argparse.Namespace) -> None:
    """Raise a :class:`UserError` for flags that make no sense together."""
