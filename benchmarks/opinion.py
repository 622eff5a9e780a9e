# SPDX-License-Identifier: Apache-2.0
"""Tracks with and without a second opinion: the bundled model made worse, and itself on crops.

Rendered videos (640x480, 25 frames a second) of seeds that nothing else uses. The tracked model is
the bundled one with few image tokens, with an answer every 0.24 s of video. The second model is the
bundled one with all its tokens; it sees crops of uncertain tracks, one at a time, and its answer
comes a second later. All variants see the same frames and the same answers of the first model.

    python benchmarks/opinion.py              # 4 videos of 15 s, all variants
    python benchmarks/opinion.py --quick      # one of 8 s, without and with
    python benchmarks/opinion.py --tokens 48  # a better first model
    python benchmarks/opinion.py --keep runs/opinion   # keep what was counted; go on after a stop

Counted are confirmed tracks at every camera frame after the first three seconds. ``precision``: of
them, those with an IoU of at least 0.5 with an object of their label; ``real``: of at least 0.3, so
that a real object with a loose box counts. ``recall``: of the objects of
0.4 % of the image and more, at least a quarter visible, those with such a track. ``crops``: that
were shown to the second model. ``agree_right``: of crops of tracks that are real, the share with
which it agreed; ``agree_wrong``: of those that are not. ``disagree_right``, ``disagree_wrong``:
likewise. The ratios of these are what the tracker assumes. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    from tqdm import tqdm

    from lfmvl_ros.core.boxes import iou_matrix
    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.opinion.audit import AuditFile
    from lfmvl_ros.core.opinion.worker import OpinionWorker
    from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
    from lfmvl_ros.core.timeline import Verdict
    from lfmvl_ros.core.tracking import Opinion, Tracks
    from lfmvl_ros.core.tracking.tracks import confirmed
    from lfmvl_ros.datasets.questions import FOUND_IOU, MIN_VISIBILITY
    from lfmvl_ros.models.load import load_model
    from lfmvl_warehouse.scenes import SceneVideo
    from lfmvl_warehouse.scenes.options import VIDEO

WH, FPS = (640, 480), 25.0
ANSWER_S, OPINION_S, SKIP_S = 0.24, 1.0, 3.0
SMALLEST = 0.004  # of the image
REAL_IOU = 0.3
KINDS = ("person", "forklift", "crate", "traffic cone")
SEEDS = (3_400_001, 3_400_002, 3_400_003, 3_400_004)
FIRST = {"image.min_tokens": 16, "generation.timeout_s": 600.0}
ASKED = {"opinion.labels": ["*"], "opinion.timeout_s": 600.0}
VARIANTS = {
    "plain": {"opinion.labels": [""]},
    "strict": {"opinion.labels": [""], "tracker.confirm_confidence": 0.7},
    "opinion": ASKED,
    "opinion_often": ASKED
    | {"opinion.below_confidence": 0.9, "opinion.period_s": 3.0, "opinion.per_minute": 60},
}


class Remembering:
    """A model that answers each question once: all variants get the same answers."""

    def __init__(self, model) -> None:
        self._model, self._known = model, {}
        self.name, self.template, self.coordinates = model.name, model.template, model.coordinates

    def ground(self, frames, prompts, **options):
        """Answer, or repeat the answer."""
        (frame,), (prompt,) = frames, prompts
        key = (frame.stamp_ns, prompt.text)
        if key not in self._known:
            self._known[key] = self._model.ground(frames, prompts, **options)
        return self._known[key]

    def image_rules(self, wanted):
        """As the model's."""
        return self._model.image_rules(wanted)

    def close(self) -> None:
        """The model is used on."""


@dataclass
class Counts:
    """What is counted of one variant."""

    right: int = 0
    wrong: int = 0
    real: int = 0
    found: int = 0
    there: int = 0
    said: Counter = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Add what was counted on another video."""
        self.right += other.right
        self.wrong += other.wrong
        self.real += other.real
        self.found += other.found
        self.there += other.there
        self.said.update(other.said)

    def figures(self) -> dict[str, object]:
        """The figures of the table."""
        row: dict[str, object] = {
            "precision": rate(self.right, self.right + self.wrong),
            "real": rate(self.real, self.right + self.wrong),
            "recall": rate(self.found, self.there),
            "tracks": self.right + self.wrong,
            "objects": self.there,
        }
        for kind in ("right", "wrong"):
            asked = sum(n for (truth, _), n in self.said.items() if truth == kind)
            row[f"crops_{kind}"] = asked
            for stance in ("agree", "disagree"):
                row[f"{stance}_{kind}"] = rate(self.said[kind, stance], asked)
        return row


def rate(part: int, whole: int) -> float | None:
    """A share; None of nothing."""
    return round(part / whole, 3) if whole else None


def overlaps(scene, tracks: Tracks) -> tuple[np.ndarray, np.ndarray]:
    """IoU of each object with each track of its label, and which objects are to be found."""
    here = [item for item in scene.objects if item.kind in KINDS and item.visibility > 0]
    boxes = np.array([item.visible_xyxy_px for item in here], float).reshape(-1, 4)
    labels = np.array([item.kind for item in here], object)
    same = labels[:, None] == np.array(tracks.labels, object)[None]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / (WH[0] * WH[1])
    seen = np.array([item.visibility >= MIN_VISIBILITY for item in here], bool)
    return np.where(same, iou_matrix(boxes, tracks.xyxy_px), 0.0), seen & (area >= SMALLEST)


class Variant:
    """A pipeline, its second model, and what is counted of it."""

    def __init__(self, first, second, settings: PerceptionSettings, folder: Path) -> None:
        self.counts, self.settings = Counts(), settings
        self.pipeline = SimulatedPipeline(
            first, settings, lambda _reply: ANSWER_S, lambda _answer, _ns: None
        )
        self.now_s, self.audit = 0.0, folder / "audit.jsonl"
        self.underway: deque[tuple[float, Opinion]] = deque()
        folder.mkdir()
        self.worker = OpinionWorker(
            lambda _wanted: second,
            AuditFile(self.audit),
            "here",
            lambda: self.settings,
            self.told,
            print,
            wall_s=lambda: self.now_s,
            now_s=lambda: self.now_s,
        )

    def told(self, _camera: str, opinion: Opinion) -> bool:
        """Take an opinion, which reaches the tracker later."""
        self.underway.append((self.now_s + OPINION_S, opinion))
        return True

    def frame(self, frame: Frame, scene) -> None:
        """Submit a frame, count the tracks at it, and ask about one of them."""
        self.now_s = frame.stamp_ns / 1e9
        while self.underway and self.underway[0][0] <= self.now_s:
            self.pipeline.take_opinion("", self.underway.popleft()[1])
        tracks = self.pipeline.submit(frame, Verdict.NEWER, frame.stamp_ns)
        if self.now_s >= SKIP_S:
            self.count(confirmed(tracks), scene)
        if not self.underway and any(self.settings.opinion.labels):
            self.ask(frame, tracks, scene)

    def ask(self, frame: Frame, tracks: Tracks, scene) -> None:
        """Ask about a track, and count whether it was right and what was said."""
        before = self.worker.status().judgements
        self.worker.step({"": (frame, tracks)})
        after = self.worker.status().judgements
        said = [name for name in after if after[name] > before[name]]
        if said:
            line = json.loads(self.audit.read_text().splitlines()[-1])
            row = tracks.ids.tolist().index(line["id"])
            best = overlaps(scene, tracks)[0][:, row].max(initial=0.0)
            self.counts.said["right" if best >= REAL_IOU else "wrong", said[0]] += 1

    def count(self, tracks: Tracks, scene) -> None:
        """Count what is found, and what is wrong."""
        iou, wanted = overlaps(scene, tracks)
        self.counts.there += int(wanted.sum())
        self.counts.found += int((iou.max(axis=1, initial=0.0)[wanted] >= FOUND_IOU).sum())
        right = int((iou.max(axis=0, initial=0.0) >= FOUND_IOU).sum())
        self.counts.right += right
        self.counts.real += int((iou.max(axis=0, initial=0.0) >= REAL_IOU).sum())
        self.counts.wrong += len(tracks) - right


def filmed(seed: int, seconds: float, names: tuple[str, ...], tokens: int) -> dict[str, Counts]:
    """All variants beside each other on one video."""
    base = PerceptionSettings(model="bundled", query=", ".join(KINDS)).updated(FIRST)
    base = base.updated({"image.max_tokens": tokens})
    model = load_model(base)
    first = Remembering(model)
    with tempfile.TemporaryDirectory() as folder:
        variants = {
            name: Variant(first, model, base.updated(VARIANTS[name]), Path(folder) / name)
            for name in names
        }
        video = SceneVideo(seed, wh=WH, fps=FPS, options=replace(VIDEO, kinds=KINDS))
        for i in tqdm(range(round(seconds * FPS)), desc=f"video {seed}", disable=None):
            scene = video.frame(i)
            frame = Frame(scene.pixels, round(i * 1e9 / FPS))
            for one in variants.values():
                one.frame(frame, scene)
        for one in variants.values():
            one.pipeline.finish()
    return {name: one.counts for name, one in variants.items()}


def run(args: argparse.Namespace) -> dict[str, dict[str, object]]:
    """All variants on all videos."""
    names = ("plain", "opinion_often") if args.quick else tuple(VARIANTS)
    seeds, seconds = (SEEDS[:1], 8.0) if args.quick else (SEEDS, 15.0)
    if args.video is not None:
        seeds = (SEEDS[args.video - 1],)
    counts = {name: Counts() for name in names}
    for seed in seeds:
        file = (
            args.keep and args.keep / f"{seed}-{seconds:g}-{args.tokens}-{'-'.join(names)}.pickle"
        )
        if file and file.exists():
            found = pickle.loads(file.read_bytes())  # our own, from a run before
        else:
            found = filmed(seed, seconds, names, args.tokens)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(found))
        for name in names:
            counts[name].add(found[name])
    return {name: one.figures() for name, one in counts.items()}


def main() -> None:
    """Film, ask, track, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one video of 8 s, two variants")
    parser.add_argument("--tokens", type=int, default=32, help="most image tokens of the first")
    parser.add_argument("--video", type=int, choices=(1, 2, 3, 4), help="only this one")
    parser.add_argument("--keep", type=Path, help="folder to keep and find counts of videos in")
    result = run(parser.parse_args())
    for name, row in result.items():
        print(f"{name:18}", *(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
