# SPDX-License-Identifier: Apache-2.0
"""Small objects with and without zoom where the camera stands still, judged as in the model's card.

The images and questions of ``checkpoint.py`` (its totals) that expect an object smaller than 1 % of
the image. A camera looks at each of them for a while, 15 frames a second with a little noise, and
gets an answer every 0.24 s: with zoom, half of the answers are about a part of the image. Judged
are the confirmed tracks at the last frame, and beside them one answer about the image, which is
what the card's figure for small objects says.

    python benchmarks/zoom_stills.py              # 96 images, 6 s each; 30 minutes on a quiet core
    python benchmarks/zoom_stills.py --every 5    # every fifth, 6 minutes

``small``: recall of objects below 1 %; ``all``: of all objects; ``precision``: of what is shown.
Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    from checkpoint import SMALL_AREA
    from checkpoint_questions import Asked, in_totals, questions
    from tqdm import tqdm

    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
    from lfmvl_ros.core.timeline import Verdict
    from lfmvl_ros.core.tracking.tracks import confirmed
    from lfmvl_ros.datasets.judging import JudgedReply, judge_boxes
    from lfmvl_ros.models.load import load_model

FPS, ANSWER_S, NOISE = 15.0, 0.24, 2.0
ONE_ANSWER = "one answer"
VARIANTS = {"tracks": {}, "tracks, zoom": {"zoom.share": 0.5}}


@dataclass
class Counts:
    """What one variant found."""

    small: int = 0
    found_small: int = 0
    there: int = 0
    found: int = 0
    right: int = 0
    wrong: int = 0

    def add(self, item: Asked, verdict: JudgedReply) -> None:
        """Count one image."""
        for expected, overlap in zip(item.question.found, verdict.overlaps, strict=True):
            small = expected.target.area < SMALL_AREA
            self.small += small
            self.found_small += small and overlap > 0
            self.there += 1
            self.found += overlap > 0
        judged = [overlap for overlap in verdict.boxes if overlap is not None]
        self.right += sum(overlap > 0 for overlap in judged)
        self.wrong += sum(overlap == 0 for overlap in judged)

    def figures(self) -> dict[str, float | int]:
        """The figures of a row."""
        return {
            "small": round(self.found_small / max(1, self.small), 3),
            "all": round(self.found / max(1, self.there), 3),
            "precision": round(self.right / max(1, self.right + self.wrong), 3),
            "small_objects": self.small,
            "objects": self.there,
        }


def looked_at(item: Asked, settings: PerceptionSettings, model, seconds: float) -> list:
    """Return what stands in the tracks after a while, and in the first answer, as boxes."""
    first: list = []

    def answered(answer, _done_ns: int) -> None:
        if not first:
            found = answer.grounding.detections
            first.append(list(zip(found.labels, found.xyxy_px / size, strict=True)))

    pipeline = SimulatedPipeline(model, settings, lambda _reply: ANSWER_S, answered)
    rng, pixels = np.random.default_rng(0), item.scene.pixels
    size = np.array([pixels.shape[1], pixels.shape[0]] * 2, float)
    for i in range(round(seconds * FPS)):
        noisy = np.clip(pixels + rng.normal(0, NOISE, pixels.shape), 0, 255).astype(np.uint8)
        stamp_ns = round(i * 1e9 / FPS)
        tracks = pipeline.submit(Frame(noisy, stamp_ns), Verdict.NEWER, stamp_ns)
    pipeline.finish()
    tracks = confirmed(tracks)
    return [first[0] if first else [], list(zip(tracks.labels, tracks.xyxy_px / size, strict=True))]


def run(args: argparse.Namespace) -> dict[str, dict[str, float | int]]:
    """All variants on all images."""
    asked = [
        item
        for item in questions(1.0)
        if in_totals(item.slice)
        and not item.tiles
        and any(found.target.area < SMALL_AREA for found in item.question.found)
    ]
    asked = asked[:: args.every]
    base = PerceptionSettings(model="bundled")
    model = load_model(base)
    counts = {name: Counts() for name in (ONE_ANSWER, *VARIANTS)}
    for item in tqdm(asked, desc="images", disable=None):
        query = ", ".join(item.question.labels)
        for name, values in VARIANTS.items():
            settings = base.updated({"query": query, **values})
            first, last = looked_at(item, settings, model, args.seconds)
            if not values:
                counts[ONE_ANSWER].add(item, judge_boxes(first, item.question, item.scene.targets))
            counts[name].add(item, judge_boxes(last, item.question, item.scene.targets))
    return {"images": {"images": len(asked)}, **{n: one.figures() for n, one in counts.items()}}


def main() -> None:
    """Look, track, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, help="only every Nth image")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each is looked at")
    result = run(parser.parse_args())
    for name, row in result.items():
        print(f"{name:14}", *(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
