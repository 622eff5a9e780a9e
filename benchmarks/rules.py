# SPDX-License-Identifier: Apache-2.0
"""Events of rules on rendered video against the truth, and what rules cost.

    python benchmarks/rules.py                      # 8 videos of 20 s; about 4 minutes
    python benchmarks/rules.py --quick              # one of 8 s; under a minute
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
since the first. Delay: from when a rule first must hold to the begin of the event.

Cost: 50 tracks, 20 rules, CPU time of the thread in ms a frame. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import cv2
    import numpy as np
    from tqdm import tqdm

    from lfmvl_ros.core.ask import Request
    from lfmvl_ros.core.boxes import iou_matrix
    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.core.reply import StageTimes
    from lfmvl_ros.core.report import Answer
    from lfmvl_ros.core.rules import Event, EventState, RuleEngine, parse_rules
    from lfmvl_ros.core.tracking import Tracker, Tracks, TrackState
    from lfmvl_ros.models.load import load_model
    from lfmvl_warehouse.scenes import SceneVideo

WH, FPS = (640, 480), 15
PERIOD_S = LATE_S = 0.25
QUERY = Query(("person",))
SEEDS = tuple(range(5_000_001, 5_000_009))  # of videos that nothing else uses
MARGIN_PX, LEAST_S, SEEN, HIDDEN_S = 10.0, 1.0, 0.5, 2.0
ZONE = np.array([[0.3, 0.48], [0.7, 0.48], [0.95, 1.0], [0.05, 1.0]])
RULES = f"""
zones: {{floor: {{image: {ZONE.tolist()}}}}}
rules:
  enter: {{when: enter, label: person, zone: floor}}
  dwell: {{when: dwell, label: person, zone: floor, for_s: 2}}
  leave: {{when: leave, label: person, zone: floor}}
  count: {{when: count, label: person, zone: floor, above: 1, for_s: 0.5}}
"""


@dataclass
class Film:
    """What a camera's rules get, and the truth.

    Attributes:
        steps: tracks of each frame, and the answers that came before it.
        people: id -> ``(frames, 6)``: x1, y1, x2, y2 in px of the whole silhouette, distance of the
            foot into the zone in px (negative outside), and the share that is seen.
    """

    steps: list[tuple[Tracks, list[Answer]]] = field(default_factory=list)
    people: dict[int, np.ndarray] = field(default_factory=dict)


def filmed(seed: int, seconds: float, model: object) -> Film:
    """Render, ask, track."""
    settings, count = PerceptionSettings(query=QUERY.text), round(seconds * FPS)
    video, tracker, film = SceneVideo(seed, wh=WH, fps=FPS), Tracker(), Film()
    outline = (ZONE * WH).astype(np.float32)
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
        for item in scene.objects:
            if item.kind == "person":
                rows = film.people.setdefault(item.id, np.full((count, 6), np.nan))
                x1, _, x2, y2 = item.full_xyxy_px.tolist()
                inside_px = cv2.pointPolygonTest(outline, ((x1 + x2) / 2, y2), True)
                rows[i] = (*item.full_xyxy_px, inside_px, item.visibility)
    return film


def events_of(film: Film) -> list[Event]:
    """Return what the rules find."""
    engine, events = RuleEngine(parse_rules(RULES)), []
    for tracks, answers in film.steps:
        for answer in answers:
            engine.answer(answer)
        events += engine.observe(tracks)
    return events


def stays(holds: np.ndarray, gap_s: float = 0.0) -> list[tuple[int, int]]:
    """Return first and last frame of each time that something holds; short gaps are bridged."""
    found: list[tuple[int, int]] = []
    for i in np.flatnonzero(holds).tolist():
        if found and i - found[-1][1] <= max(1, round(gap_s * FPS)):
            found[-1] = (found[-1][0], i)
        else:
            found.append((i, i))
    return found


@dataclass
class Truth:
    """One rule on one film.

    Attributes:
        must: (person, first frame, last frame) of what has to be found; first is when it holds.
        may: the same of what may be found, not overlapping for one person.
        certain: person -> ``(frames,)`` whether it is in the zone for certain.
    """

    must: list[tuple[int, int, int]] = field(default_factory=list)
    may: list[tuple[int, int, int]] = field(default_factory=list)
    certain: dict[int, np.ndarray] = field(default_factory=dict)

    def is_doubled(self, key: int, before: int, now: int) -> bool:
        """Whether a person was in the zone for certain between two events, but for moments."""
        out = stays(~self.certain[key][before : now + 1])
        return all(last - first < 0.5 * FPS for first, last in out)


def truth_of(film: Film, rule: str) -> Truth:
    """Return what a rule must and may find."""
    truth, end = Truth(), len(film.steps) - 1
    certain = {k: (p[:, 4] > MARGIN_PX) & (p[:, 5] >= SEEN) for k, p in film.people.items()}
    possible = {k: p[:, 4] > -MARGIN_PX for k, p in film.people.items()}
    if rule == "count":
        zeros = np.zeros(end + 1, int)
        certain = {0: sum((c.astype(int) for c in certain.values()), zeros) > 1}
        possible = {0: sum((p.astype(int) for p in possible.values()), zeros) > 1}
    truth.certain = certain
    waits_s = {"enter": 0.0, "dwell": 2.0, "count": 0.5, "leave": 0.0}[rule]
    for key, holds in certain.items():
        near = stays(possible[key], HIDDEN_S)
        if rule == "leave":
            _leaves(truth, key, film.people[key], near, end)
            continue
        truth.may += [(key, first, last) for first, last in near]
        for first, last in stays(holds):
            if last - first >= (waits_s + LEAST_S) * FPS:
                truth.must.append((key, first + round(waits_s * FPS), last))
    return truth


def _leaves(
    truth: Truth, key: int, person: np.ndarray, near: list[tuple[int, int]], end: int
) -> None:
    """A person leaves when it stays in the zone for a while, and then outside it, in view."""
    for first, last in near:
        truth.may.append((key, first, min(last + round(2 * FPS), end)))
        stayed = stays(
            (person[first : last + 1, 4] > MARGIN_PX) & (person[first : last + 1, 5] >= SEEN)
        )
        after = person[last + 1 : last + 1 + round(LEAST_S * FPS)]
        seen_after = len(after) == round(LEAST_S * FPS) and (after[:, 5] >= SEEN).all()
        long = any(b - a >= LEAST_S * FPS for a, b in stayed)
        ends_inside = bool(stayed) and first + stayed[-1][1] >= last - round(0.7 * FPS)
        if seen_after and long and ends_inside:
            truth.must.append((key, last + 1, last + len(after)))


def person_of(film: Film, event: Event, index: int) -> int | None:
    """Return the person that an event's box is on; 0 for an event of the scene."""
    if event.kind.value == "count":
        return 0
    (x1, y1, x2, y2), (w, h) = event.tracks[0].bbox, WH
    box, best, best_iou = np.array([[x1 * w, y1 * h, x2 * w, y2 * h]]), None, 0.2
    for key, person in film.people.items():
        if np.isnan(person[index, 0]):
            continue
        seen = np.clip(person[index, :4], 0, [w, h, w, h])[None]
        iou = float(iou_matrix(box, seen)[0, 0])
        if iou > best_iou:
            best, best_iou = key, iou
    return best


@dataclass
class Score:
    """What was found: numbers of events and stays, and delays in s."""

    must: int = 0
    found: int = 0
    events: int = 0
    right: int = 0
    doubled: int = 0
    delays_s: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        """Return them as the last line has them."""
        delay = round(float(np.median(self.delays_s)), 2) if self.delays_s else None
        return {
            "must": self.must,
            "recall": round(self.found / max(self.must, 1), 3),
            "events": self.events,
            "precision": round(self.right / max(self.events, 1), 3),
            "doubled": self.doubled,
            "delay_s": delay,
        }


def add_score(score: Score, film: Film, events: list[Event], rule: str) -> None:
    """Compare a rule's events with the truth."""
    truth, taken = truth_of(film, rule), {}
    begun: list[tuple[int | None, int]] = []
    for event in events:
        if event.rule != rule or event.state is not EventState.BEGIN:
            continue
        index = round((event.stamp_ns - 1) * FPS / 1e9)
        who = person_of(film, event, index)
        begun.append((who, index))
        score.events += 1
        stay = next(
            (
                number
                for number, (key, first, last) in enumerate(truth.may)
                if key == who and first <= index and last >= index - round(0.5 * FPS)
            ),
            None,
        )
        if stay is None:
            continue
        if stay in taken and truth.is_doubled(truth.may[stay][0], taken[stay], index):
            score.doubled += 1
        else:
            score.right += 1
        taken[stay] = index
    for key, first, last in truth.must:
        score.must += 1
        # An event that began before, in the same stay, counts: it goes on.
        stay = [m for m in truth.may if m[0] == key and m[1] <= first <= m[2]]
        since = stay[0][1] if stay else first
        times = [index for who, index in begun if who == key and since <= index <= last + FPS // 2]
        if times:
            score.found += 1
            score.delays_s.append(max(times[0] - first, 0) / FPS)


def films_of(args: argparse.Namespace) -> list[Film]:
    """Return the films, rendered now or kept by an earlier run."""
    seeds, seconds = (SEEDS[:1], 8.0) if args.quick else (SEEDS, args.seconds)
    films, model = [], None
    for seed in seeds:
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
        add: Callable[..., None] = add_score
        for rule in ("enter", "dwell", "leave", "count"):
            score = Score()
            for film, events in zip(films, found, strict=True):
                add(score, film, events, rule)
            result[rule] = score.figures()
            print(f"{rule:8}", *(f"{key} {value}" for key, value in score.figures().items()))
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
