# SPDX-License-Identifier: Apache-2.0
"""Events of rules on rendered video against the truth, and what rules cost.

    python benchmarks/rules.py                      # 8 videos of 20 s; about 4 minutes
    python benchmarks/rules.py --quick              # one of 8 s; under a minute
    python benchmarks/rules.py --first-seed 5100001 --videos 24     # other videos
    python benchmarks/rules.py --keep runs/rules    # keep tracks and answers there
    python benchmarks/rules.py --only-cost

The bundled checkpoint looks at people in 15 frames a second: it is asked about the newest frame
every 0.25 s and answers 0.25 s late. Rules: `enter`, `dwell` (2 s) and `leave` of a zone on the
floor, `count` (more than one person for 0.5 s) in it.

Truth: the middle of the lower side of a person's whole silhouette. A rule *must* find what holds in
the zone shrunk by 10 px for 1 s (beyond what the rule itself waits for) while half of the person is
seen, and *may* find what holds in the zone grown by 10 px, for any time. An event is right when its
person may be in the zone (for `leave`: may have been and not be any more) from 0.5 s before its
begin to its begin. A second event is wrong if its person was in the zone for certain all the time
since the first. Its person is the one that its track's boxes are on from 0.5 s before to 0.5 s
after its begin (mean IoU of 0.5, or the largest, from 0.2). If they are on two people who stand in
one line, it finds one of them. Delay: from when a rule first must hold to the begin of the event.

Cost: 50 tracks, 20 rules, CPU time of the thread in ms a frame. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from dataclasses import replace
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import cv2
    import numpy as np
    from rules_score import Score
    from rules_truth import FPS, KINDS, WH, ZONE, Film
    from tqdm import tqdm

    from lfmvl_ros.core.ask import Request
    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.core.reply import StageTimes
    from lfmvl_ros.core.report import Answer
    from lfmvl_ros.core.rules import Event, RuleEngine, parse_rules
    from lfmvl_ros.core.tracking import Tracker, Tracks, TrackState
    from lfmvl_ros.models.load import load_model
    from lfmvl_warehouse.scenes import SceneVideo

PERIOD_S = LATE_S = 0.25
QUERY = Query(("person",))
FIRST_SEED, VIDEOS = 5_000_001, 8  # of videos that nothing else uses
RULES = f"""
zones: {{floor: {{image: {ZONE.tolist()}}}}}
rules:
  enter: {{when: enter, label: person, zone: floor}}
  dwell: {{when: dwell, label: person, zone: floor, for_s: 2}}
  leave: {{when: leave, label: person, zone: floor}}
  count: {{when: count, label: person, zone: floor, above: 1, for_s: 0.5}}
"""


def filmed(seed: int, seconds: float, model: object) -> Film:
    """Render, ask, track."""
    settings, count = PerceptionSettings(query=QUERY.text), round(seconds * FPS)
    video, tracker, film = SceneVideo(seed, wh=WH, fps=FPS), Tracker(), Film()
    waiting: list[tuple[float, Answer]] = []
    due_s = 0.0
    for i in tqdm(range(count), desc=f"video {seed}", disable=None):
        scene = video.frame(i)
        frame, now_s, came = Frame(scene.pixels, round(i * 1e9 / FPS) + 1), i / FPS, []
        while waiting and waiting[0][0] <= now_s:
            answer = waiting.pop(0)[1]
            came.append(replace(answer, applied=tracker.apply(answer.grounding)))
        film.steps.append((tracker.observe(frame), came))
        if now_s >= due_s:
            due_s += PERIOD_S
            request = Request.prepare(model, settings, QUERY, [frame], hints=[None])
            (reply,) = request.replies()
            reply = replace(reply, times=StageTimes(decode_s=LATE_S))
            grounding = request.grounding(frame, reply)
            waiting.append((now_s + LATE_S, Answer(grounding, None, 0)))  # applied when it comes
        film.add_people(scene, i, count)
    return film


def events_of(film: Film) -> list[Event]:
    """Return what the rules find."""
    engine, events = RuleEngine(parse_rules(RULES)), []
    for tracks, answers in film.steps:
        for answer in answers:
            engine.answer(answer)
        events += engine.observe(tracks)
    return events


def films_of(args: argparse.Namespace) -> list[Film]:
    """Return the films, rendered now or kept by an earlier run."""
    count, seconds = (1, 8.0) if args.quick else (args.videos, args.seconds)
    films, model = [], None
    for seed in range(args.first_seed, args.first_seed + count):
        file = args.keep and args.keep / f"{seed}-{seconds:g}.pickle"
        if file and file.exists():
            films.append(pickle.loads(file.read_bytes()))  # our own, from a run before
            continue
        model = model or load_model(PerceptionSettings(model=args.model, query=QUERY.text))
        films.append(filmed(seed, seconds, model))
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(films[-1]))
    return films


_BATCH = 50
COST_RULES = "zones: {z: {image: [[0.2, 0.5], [0.8, 0.5], [1, 1], [0, 1]]}}\nrules:\n" + "".join(
    f"  enter{i}: {{when: enter, label: kind{i}, zone: z}}\n"
    f"  dwell{i}: {{when: dwell, label: kind{i}, zone: z, for_s: 2, "
    "where: confidence > 0.3 and speed_px_s < 500}\n"
    f"  count{i}: {{when: count, label: kind{i}, zone: z, above: 3}}\n"
    f"  speed{i}: {{when: speed, label: kind{i}, above_px_s: 200}}\n"
    f"  near{i}: {{when: approach, label: kind{i}, time_s: 2.0}}\n"
    for i in range(4)
)


def cost_ms(frames: int, tracks: int = 50) -> list[float]:
    """Return CPU ms a frame, of each 50 frames: tracks of five labels that move about, 20 rules."""
    engine, rng = RuleEngine(parse_rules(COST_RULES)), np.random.default_rng(0)
    centre = rng.uniform([60, 60], [1200, 660], (tracks, 2))
    half = rng.uniform(15, 40, (tracks, 2))
    velocity = rng.normal(0, 60, (tracks, 2))
    labels = tuple(f"kind{i % 5}" for i in range(tracks))
    covariance = np.tile(np.diag([4.0, 4, 9, 9]), (tracks, 1, 1))
    spent, batch = [], []
    for k in range(frames):
        centre = np.clip(centre + velocity / 30, [50, 50], [1230, 670])
        velocity = np.where((centre <= 50) | (centre >= [1230, 670]), -velocity, velocity)
        now = Tracks(
            round(k * 1e9 / 30) + 1, np.arange(1, tracks + 1), labels, np.full(tracks, 0.8),
            np.concatenate([centre - half, centre + half], axis=1), velocity, covariance,
            (TrackState.CONFIRMED,) * tracks, np.ones(tracks), wh=(1280, 720),
            existence=dict.fromkeys(range(1, tracks + 1), 0.99),
        )  # fmt: skip
        batch.append(now)
        if len(batch) == _BATCH:  # reading the clock costs, too
            began_s = time.thread_time()
            for one in batch:
                engine.observe(one)
            spent.append((time.thread_time() - began_s) * 1e3 / _BATCH)
            batch = []
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="bundled", help="checkpoint to ask")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a video")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="of the videos")
    parser.add_argument("--videos", type=int, default=VIDEOS, help="how many")
    parser.add_argument("--keep", type=Path, help="folder to keep and find tracks and answers in")
    parser.add_argument("--quick", action="store_true", help="one video of 8 s")
    parser.add_argument("--only-cost", action="store_true", help="no video")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    spent = cost_ms(300 if args.quick else 3000)
    result: dict[str, object] = {
        "cost_ms": {f"p{q}": round(float(np.percentile(spent, q)), 3) for q in (50, 95)}
    }
    print("cost, ms a frame", result["cost_ms"])
    if not args.only_cost:
        films = films_of(args)
        found: list[list[Event]] = [events_of(film) for film in films]
        together = Score()
        for rule in KINDS:
            score = Score()
            for film, events in zip(films, found, strict=True):
                score.add(film, events, rule)
            together = together.plus(score)
            result[rule] = score.figures()
        result["together"] = together.figures()
        for rule in (*KINDS, "together"):
            print(f"{rule:8}", *(f"{key} {value}" for key, value in result[rule].items()))
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
