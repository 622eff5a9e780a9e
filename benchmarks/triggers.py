# SPDX-License-Identifier: Apache-2.0
"""What triggers save in model calls, and which events of rules they miss or delay.

    python benchmarks/triggers.py               # 6 films of a minute; 8 minutes of CPU time
    python benchmarks/triggers.py --films 24    # more events; half an hour
    python benchmarks/triggers.py --keep runs/triggers      # keep films there, and go on from them
    python benchmarks/triggers.py --quick       # one of 24 s; half a minute of CPU time

A still camera sees a hall of which the light changes: slowly by 15 %, and at once by 30 %. One or
two people come in, stand for a while in most films, and leave; for most of the time nobody is
there. The bundled checkpoint is asked about people, an answer takes 0.25 s, and the rules and the
truth are those of `benchmarks/rules.py`. The same films are run with each trigger:

    always   trigger.mode continuous
    duty     duty_cycle: 1 s of every 5 s
    motion   motion, with its defaults
    saving   motion, with moving_rate_hz 2

`calls`: answers of the model. `saved`: share of the calls of always that were not made;
`saved_empty`: the same of calls about frames without a person. `missed`: events that must be found
and are with always, but not with this trigger. `late_s`: by how much later than with always the
other events begin, median and 95th percentile. `events`: all that are reported. `cost_ms`: CPU time
of the motion measure. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from needs import needed_packages, run_command

with needed_packages():
    import cv2
    import numpy as np
    from rules import LATE_S, QUERY, RULES
    from rules_score import begins_of, frame_at, reported
    from rules_truth import FPS, KINDS, WH, Film, Truth, truth_of
    from tqdm import tqdm

    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
    from lfmvl_ros.core.report import Answer
    from lfmvl_ros.core.rules import Event, EventState, RuleEngine, parse_rules
    from lfmvl_ros.core.timeline import Verdict
    from lfmvl_ros.core.tracking import Tracks
    from lfmvl_ros.core.triggers.motion import changed_share, small_image
    from lfmvl_ros.models.load import load_model
    from lfmvl_warehouse.scenes.staged import Prop, StagedVideo
    from lfmvl_warehouse.scenes.walks import Schedule

MODES: dict[str, dict[str, object]] = {
    "always": {},
    "duty": {"trigger.mode": "duty_cycle", "trigger.duty_on_s": 1.0, "trigger.duty_every_s": 5.0},
    "motion": {"trigger.mode": "motion"},
    "saving": {"trigger.mode": "motion", "trigger.moving_rate_hz": 2.0},
}
FILMS, MOST_FILMS, FIRST_SEED, SECONDS = 6, 100, 6_100_001, 60.0
_LEFT_M, _RIGHT_M, _NEVER_S = 1.2, 11.8, 1e6


@dataclass(frozen=True)
class Visit(Prop):
    """A person who comes in from one side, stands in the zone and leaves at the other side.

    Attributes:
        begin_s: when it starts to walk, outside the image.
        stand_s: how long it stands.
    """

    begin_s: float = 0.0
    stand_s: float = 0.0

    def schedule(self) -> Schedule:
        """Return how it moves."""
        corners = np.array(self.corners)
        length = np.hypot(*np.diff(corners, axis=0, append=corners[:1]).T)
        waits = np.array([self.begin_s, self.stand_s, _NEVER_S])
        return Schedule(corners, waits, length / self.speed_m_s)


def plan(seed: int, seconds: float) -> tuple[Prop, ...]:
    """Return who comes when; in every second film two people, 2 s apart."""
    rng = np.random.default_rng((41, seed))
    begin_s, stand_s = rng.uniform(0.15, 0.4) * seconds, float(rng.choice([0.0, 3.0, 6.0]))
    people = []
    for number in range(1 + seed % 2):
        ends = (_LEFT_M, _RIGHT_M) if rng.random() < 0.5 else (_RIGHT_M, _LEFT_M)
        y_m, x_m = 5.4 + 1.2 * number, rng.uniform(5.6, 7.4)
        people.append(
            Visit(
                "person",
                "blue",
                corners=((ends[0], y_m), (x_m, y_m), (ends[1], y_m)),
                speed_m_s=rng.uniform(1.0, 1.5),
                seed=int(rng.integers(1000)),
                begin_s=begin_s + 2.0 * number,
                stand_s=stand_s,
            )
        )
    return tuple(people)


def light(time_s: float, seconds: float) -> float:
    """Return the gain of the image: a slow wave, and a lamp that goes off in the last quarter."""
    slow = 1.0 + 0.15 * float(np.sin(2 * np.pi * time_s / 20))
    return slow * (0.7 if time_s > 0.75 * seconds else 1.0)


class Remembering:
    """A model that answers only once about each frame, so that triggers share its answers."""

    def __init__(self, model: Any) -> None:
        self._model, self._replies = model, dict[int, Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def ground(self, frames: Sequence[Frame], prompts: Sequence[Any], **others: Any) -> list[Any]:
        """Answer, from memory where the frame is known."""
        (frame,) = frames
        if frame.stamp_ns not in self._replies:
            (reply,) = self._model.ground(frames, prompts, **others)
            self._replies[frame.stamp_ns] = reply
        return [self._replies[frame.stamp_ns]]


@dataclass
class Seen:
    """What a trigger has made of a film.

    Attributes:
        asked: numbers of the frames that the model was asked about.
        tracks: at each frame.
        events: of the rules.
    """

    asked: list[int] = field(default_factory=list)
    tracks: list[Tracks] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Run:
    """One trigger on one film."""

    def __init__(self, model: Any, changes: dict[str, object]) -> None:
        self.seen, self._engine = Seen(), RuleEngine(parse_rules(RULES))
        settings = PerceptionSettings(query=QUERY.text).updated(
            {"generation.draft": "none", **changes}
        )
        self._pipeline = SimulatedPipeline(model, settings, lambda _: LATE_S, self._on_answer)

    def _on_answer(self, answer: Answer, _at_ns: int) -> None:
        self.seen.asked.append(frame_at(answer.grounding.stamp_ns))
        self._engine.answer(answer)

    def frame(self, frame: Frame) -> None:
        """Take a frame."""
        tracks = self._pipeline.submit(frame, Verdict.NEWER, frame.stamp_ns)
        events = self._engine.observe(tracks)
        self.seen.tracks.append(tracks)
        self.seen.events += events
        if any(event.state is EventState.BEGIN for event in events):
            self._pipeline.wake()


def filmed(seed: int, seconds: float, model: Any) -> tuple[Film, dict[str, Seen]]:
    """Render a film once, and run every trigger on it."""
    video = StagedVideo(
        plan(seed, seconds), lambda _: (6.5, 1.2, 0.0), still=True, seed=seed, wh=WH, fps=FPS
    )
    remembering, count, film = Remembering(model), round(seconds * FPS), Film()
    runs = {name: Run(remembering, changes) for name, changes in MODES.items()}
    for i in tqdm(range(count), desc=f"film {seed}", disable=None):
        scene = video.frame(i)
        lit = np.clip(scene.pixels * light(i / FPS, seconds), 0, 255).astype(np.uint8)
        frame = Frame(np.ascontiguousarray(lit), round(i * 1e9 / FPS) + 1)
        for run in runs.values():
            run.frame(frame)
        film.steps.append((None, []))  # only their number is asked for
        film.add_people(scene, i, count)
    return film, {name: run.seen for name, run in runs.items()}


def begins(film: Film, seen: Seen, rule: str, truth: Truth) -> list[float | None]:
    """Return when each event that must be found begins, s; None where it is not found."""
    begun = begins_of(truth, reported(film, seen.tracks, seen.events, rule))
    return [
        None if at is None else max(at, must.first) / FPS
        for at, must in zip(begun, truth.must, strict=True)
    ]


@dataclass
class Total:
    """A trigger on all films."""

    calls: int = 0
    empty: int = 0
    must: int = 0
    found: int = 0
    missed: int = 0
    events: int = 0
    late_s: list[float] = field(default_factory=list)

    def figures(self, always: Total) -> dict[str, object]:
        """Return them as the last line has them."""
        late = self.late_s or [0.0]
        return {
            "calls": self.calls,
            "saved": round(1 - self.calls / max(always.calls, 1), 3),
            "saved_empty": round(1 - self.empty / max(always.empty, 1), 3),
            "must": self.must,
            "found": self.found,
            "missed": self.missed,
            "events": self.events,
            "late_s": {f"p{q}": round(float(np.percentile(late, q)), 2) for q in (50, 95)},
        }


def is_somebody_seen(film: Film) -> np.ndarray:
    """Return ``(frames,)`` whether a part of a person is in view."""
    seen = [person[:, 4] > 0 for person in film.people.values()]
    return np.any(seen, axis=0) if seen else np.zeros(len(film.steps), bool)


def add(totals: dict[str, Total], film: Film, runs: dict[str, Seen]) -> None:
    """Add a film's figures."""
    somebody = is_somebody_seen(film)
    for name, run in runs.items():
        totals[name].calls += len(run.asked)
        totals[name].empty += int((~somebody[run.asked]).sum())
        totals[name].events += sum(event.state is EventState.BEGIN for event in run.events)
    for rule in KINDS:
        truth = truth_of(film, rule)
        always = begins(film, runs["always"], rule, truth)
        for name, run in runs.items():
            total = totals[name]
            for at_s, always_s in zip(begins(film, run, rule, truth), always, strict=True):
                total.must += 1
                total.found += at_s is not None
                if always_s is not None and at_s is None:
                    total.missed += 1
                elif always_s is not None and at_s is not None:
                    total.late_s.append(at_s - always_s)


def kept(
    folder: Path | None, seed: int, seconds: float, model: Callable[[], Any]
) -> tuple[Film, dict[str, Seen]]:
    """Return a film and its runs: from a folder if they are there, else made now and put there."""
    file = folder and folder / f"{seed}-{seconds:g}.pickle"
    if file and file.exists():
        film, runs = pickle.loads(file.read_bytes())  # our own, from a run before
        return film, {name: Seen(*parts) for name, parts in runs.items()}
    film, runs = filmed(seed, seconds, model())
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        parts = {name: (run.asked, run.tracks, run.events) for name, run in runs.items()}
        file.write_bytes(pickle.dumps((film, parts)))
    return film, runs


def cost_ms(wh: tuple[int, int], frames: int = 200) -> float:
    """Return the CPU time of the motion measure, ms a frame; median."""
    pixels = np.random.default_rng(0).integers(0, 255, (wh[1], wh[0], 3)).astype(np.uint8)
    before, spent = small_image(pixels), []
    for _ in range(frames):
        began_s = time.thread_time()
        changed_share(before, small_image(pixels), 12.0)
        spent.append((time.thread_time() - began_s) * 1e3)
    return round(float(np.median(spent)), 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="bundled", help="checkpoint to ask")
    parser.add_argument(
        "--films",
        type=int,
        default=FILMS,
        choices=range(1, MOST_FILMS + 1),
        metavar="N",
        help=f"how many, 1 to {MOST_FILMS} (default {FILMS})",
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of a film")
    parser.add_argument("--keep", type=Path, help="folder to keep and find films in")
    parser.add_argument("--quick", action="store_true", help="one film of 24 s")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    films, seconds = (1, 24.0) if args.quick else (args.films, args.seconds)
    seeds = range(FIRST_SEED, FIRST_SEED + films)
    model = cache(lambda: load_model(PerceptionSettings(model=args.model, query=QUERY.text)))
    totals, present = {name: Total() for name in MODES}, []
    for seed in seeds:
        film, runs = kept(args.keep, seed, seconds, model)
        add(totals, film, runs)
        present.append(float(is_somebody_seen(film).mean()))
        print(f"film {seed}", *(f"{name} {len(run.asked)}" for name, run in runs.items()), "calls")
    result: dict[str, object] = {"present": round(float(np.mean(present)), 3)}
    result["cost_ms"] = {f"{w}x{h}": cost_ms((w, h)) for w, h in ((640, 480), (1920, 1080))}
    print("motion measure, ms of CPU a frame", result["cost_ms"])
    print(f"somebody is in view for {result['present']:.0%} of the time")
    for name, total in totals.items():
        figures = result[name] = total.figures(totals["always"])
        print(f"{name:8}", *(f"{key} {value}" for key, value in figures.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
