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
from collections.abc import Sequence

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    from checkpoint import Answered, found_where, is_small
    from checkpoint_questions import Asked, in_totals, questions
    from tqdm import tqdm

    from lfmvl_ros.core.boxes import normalise
    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
    from lfmvl_ros.core.report import Answer
    from lfmvl_ros.core.timeline import Verdict
    from lfmvl_ros.core.tracking.tracks import confirmed
    from lfmvl_ros.datasets.judging import Scores, judge_boxes
    from lfmvl_ros.models.load import load_model

FPS, ANSWER_S, NOISE = 15.0, 0.24, 2.0
ONE_ANSWER = "one answer"
VARIANTS = {"tracks": {}, "tracks, zoom": {"zoom.share": 0.5}}


def figures(done: list[Answered]) -> dict[str, float | int | None]:
    """The figures of a row."""
    small = found_where(done, is_small)
    rates = sum((Scores.of(item.verdict) for item in done), Scores()).rates()
    return {
        "small": small["recall50"],
        "all": rates["recall50"],
        "precision": rates["precision50"],
        "small_objects": small["objects"],
        "objects": sum(len(item.verdict.overlaps) for item in done),
    }


def looked_at(item: Asked, settings: PerceptionSettings, model, seconds: float) -> list[Answered]:
    """Return the verdicts about the first answer, and about the tracks after a while."""
    pixels, first = item.scene.pixels, []
    wh = pixels.shape[1], pixels.shape[0]

    def judged(labels: Sequence[str], xyxy_px: np.ndarray) -> Answered:
        boxes = list(zip(labels, normalise(xyxy_px, wh), strict=True))
        verdict = judge_boxes(boxes, item.question, item.scene.targets)
        return Answered(item.slice, item.scene, item.question, "", verdict, [])

    def answered(answer: Answer, _done_ns: int) -> None:
        found = answer.grounding.detections
        first.append(judged(found.labels, found.xyxy_px))

    pipeline = SimulatedPipeline(model, settings, lambda _reply: ANSWER_S, answered)
    rng = np.random.default_rng(0)
    for i in range(round(seconds * FPS)):
        noisy = np.clip(pixels + rng.normal(0, NOISE, pixels.shape), 0, 255).astype(np.uint8)
        stamp_ns = round(i * 1e9 / FPS)
        tracks = pipeline.submit(Frame(noisy, stamp_ns), Verdict.NEWER, stamp_ns)
    pipeline.finish()
    tracks = confirmed(tracks)
    return [first[0], judged(tracks.labels, tracks.xyxy_px)]


def run(args: argparse.Namespace) -> dict[str, dict[str, float | int | None]]:
    """All variants on all images."""
    asked = [
        item
        for item in questions(1.0)
        if in_totals(item.slice) and any(is_small(found.target) for found in item.question.found)
    ]
    asked = asked[:: args.every]
    base = PerceptionSettings(model="bundled")
    model = load_model(base)
    done: dict[str, list[Answered]] = {name: [] for name in (ONE_ANSWER, *VARIANTS)}
    for item in tqdm(asked, desc="images", disable=None):
        query = ", ".join(item.question.labels)
        for name, values in VARIANTS.items():
            settings = base.updated({"query": query, **values})
            first, last = looked_at(item, settings, model, args.seconds)
            if not values:
                done[ONE_ANSWER].append(first)
            done[name].append(last)
    return {"images": {"images": len(asked)}, **{n: figures(one) for n, one in done.items()}}


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
