# SPDX-License-Identifier: Apache-2.0
"""The tracker behind the real model: the bundled checkpoint looks at rendered video.

``benchmarks/tracking.py`` compares trackers on simulated answers, the same for everybody. Here the
answers are the bundled checkpoint's own, with the defects it really has: one object named twice,
two taken for one, things overlooked for a while. Scored at every camera frame, as there.

    python benchmarks/tracking_bundled.py            # 4 videos of 16 s; about 5 minutes
    python benchmarks/tracking_bundled.py --quick    # one of 6 s; under a minute
    python benchmarks/tracking_bundled.py --keep runs/bundled   # keep images and answers there

Every third frame of 25 a second is answered, 0.12 s late. ``doubled``: how many of a hundred boxes
are a second one on an object that has one already. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import pickle
from dataclasses import replace
from pathlib import Path

from needs import needed_packages, require, run_command

with needed_packages():
    import cv2
    import numpy as np
    from scipy.optimize import linear_sum_assignment
    from tqdm import tqdm
    from tracking_followers import Follow, held, ours
    from tracking_score import Said, pooled, score
    from tracking_world import FPS, Answer, World, truth_rows, world_of

    from lfmvl_ros.core.ask import template_for
    from lfmvl_ros.core.boxes import iou_matrix
    from lfmvl_ros.core.config import PerceptionSettings, TrackerSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.parsing import parse_reply
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.core.reply import StageTimes
    from lfmvl_ros.models.load import load_model
    from lfmvl_warehouse.scenes import SceneVideo

WH = (640, 480)
EVERY, LATE_S = 3, 0.12
QUERY = Query(("person", "forklift", "crate", "traffic cone"))
SEEDS = (3_000_001, 3_000_002, 3_000_003, 3_000_004)  # of videos that nothing else uses
SAME_IOU = 0.5


def filmed(seed: int, seconds: float, model) -> tuple[World, list[Answer]]:
    """Frames with truth, and the model's answers to every third of them."""
    settings = PerceptionSettings(query=QUERY.text)
    prompt = template_for(settings, model).render(QUERY)
    video, count = SceneVideo(seed, wh=WH, fps=FPS), round(seconds * FPS)
    grey, rows, answers = np.zeros((count, WH[1], WH[0]), np.uint8), [], []
    for i in tqdm(range(count), desc=f"video {seed}", disable=None):
        scene = video.frame(i)
        grey[i] = cv2.cvtColor(scene.pixels, cv2.COLOR_RGB2GRAY)
        rows += truth_rows(i, scene, QUERY.labels)
        if i % EVERY == 0:
            frame = Frame(scene.pixels, round(i * 1e9 / FPS))
            (reply,) = model.ground(
                [frame], [prompt], generation=settings.generation, image=settings.image
            )
            reply = replace(reply, times=StageTimes(decode_s=LATE_S))
            answers.append(
                Answer(i, i / FPS + LATE_S, parse_reply(reply, frame=frame, prompt=prompt))
            )
    return world_of(str(seed), grey, np.array(rows), QUERY.labels, WH), answers


def doubled(world: World, said: Said) -> tuple[int, int]:
    """How many boxes lie on an object that another box fits better, and how many there are."""
    extra = 0
    for boxes, truth in zip(said.xyxy_px, world.xyxy_px, strict=True):
        iou = iou_matrix(boxes, truth)
        first, _ = linear_sum_assignment(-iou)
        others = np.setdiff1d(np.arange(len(boxes)), first)
        extra += int((iou[others].max(axis=1, initial=0.0) >= SAME_IOU).sum())
    return extra, sum(map(len, said.xyxy_px))


def figures(films: list[tuple[World, list[Answer]]], follow: Follow) -> dict[str, float]:
    """Pooled scores of a tracker over all videos."""
    said = [follow(world, answers) for world, answers in films]
    scores = [score(film[0], one, skip_s=1.0) for film, one in zip(films, said, strict=True)]
    counts = np.sum([doubled(film[0], one) for film, one in zip(films, said, strict=True)], axis=0)
    return {**pooled(scores), "doubled": round(100 * float(counts[0] / max(1, counts[1])), 1)}


def main() -> None:
    """Film, ask, track, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="bundled", help="checkpoint to ask")
    parser.add_argument("--seconds", type=float, default=16.0, help="length of a video")
    parser.add_argument("--keep", type=Path, help="folder to keep and find videos and answers in")
    parser.add_argument("--quick", action="store_true", help="one video of 6 s")
    args = parser.parse_args()
    require("trackeval")
    seeds, seconds = (SEEDS[:1], 6.0) if args.quick else (SEEDS, args.seconds)
    cv2.setNumThreads(1)
    model, films = load_model(PerceptionSettings(model=args.model, query=QUERY.text)), []
    for seed in seeds:
        file = args.keep and args.keep / f"{seed}-{seconds:g}.pickle"
        if file and file.exists():
            films.append(pickle.loads(file.read_bytes()))  # our own, from a run before
            continue
        films.append(filmed(seed, seconds, model))
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(films[-1]))
    settings = TrackerSettings()
    result = {
        "flow": figures(films, ours(settings, "flow")),
        "predict": figures(films, ours(settings, "predict")),
        "answers_held_true_ids": figures(films, held),
    }
    for name, row in result.items():
        print(f"{name:24}", *(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
