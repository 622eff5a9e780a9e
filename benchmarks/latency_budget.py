# SPDX-License-Identifier: Apache-2.0
"""How well `image.target_latency_ms` is kept: a camera, a checkpoint, three targets.

    python benchmarks/latency_budget.py [--quick] [--checkpoint NAME] [--answers N] [--threads N]

A thread submits the frames of a scene video (640x480, drawn beforehand, shown to and fro) to the
pipeline in real time, as a camera does; the pipeline tracks in them and asks the checkpoint. The
budget may go from the checkpoint's fewest image tokens to 256. First two runs without a target,
with the fewest and with the most tokens: what this machine does, whatever else it does meanwhile.
Then three targets, a quarter, a half and three quarters of the way between what four in five of
the answers stayed below. Of every run the first answers are shown apart: there the way goes up
from the cheapest.

The last line is one JSON object; times in ms.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import threading
import time
from itertools import pairwise
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    import torch
    from measuring import machine, percentile

    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.model import VisionLanguageModel
    from lfmvl_ros.core.pipeline import Pipeline
    from lfmvl_ros.core.report import Answer
    from lfmvl_ros.models.load import load_model
    from lfmvl_warehouse.scenes import SceneVideo

WH, RATE_HZ, MOST_TOKENS = (640, 480), 15.0, 256
QUERY = "person, forklift, cardboard box"
FIRST = 12  # answers of each run that are shown apart


def draw(length: int) -> list[np.ndarray]:
    """Draw a stretch of video, and append it backwards: nothing jumps where it starts again."""
    video = SceneVideo(5, wh=WH, fps=RATE_HZ)
    there = [video.frame(index).pixels for index in range(length)]
    return there + there[-2:0:-1]


def run(
    model: VisionLanguageModel, settings: PerceptionSettings, images: list[np.ndarray], count: int
) -> list[Answer]:
    """Show the video at camera rate until there are ``count`` answers."""
    answers: queue.Queue[Answer] = queue.Queue()
    pipeline, ended = Pipeline(model, settings, answers.put), threading.Event()

    def camera() -> None:
        start, index = time.monotonic(), 0
        while not ended.is_set():
            stamp_ns = round((index + 1) * 1e9 / RATE_HZ)
            pipeline.submit(Frame(images[index % len(images)], stamp_ns, "camera"))
            index += 1
            time.sleep(max(0.0, start + index / RATE_HZ - time.monotonic()))

    pipeline.start()
    thread = threading.Thread(target=camera, daemon=True)
    thread.start()
    try:
        return [answers.get(timeout=60) for _ in range(count)]
    finally:
        ended.set()
        thread.join(5)
        pipeline.stop(30)


def figures(answers: list[Answer], target_ms: float | None) -> dict[str, Any]:
    """Return what came of a run, its first answers not counted, and print it."""
    ms = [answer.grounding.reply.times.total_s * 1e3 for answer in answers]
    tokens = [answer.grounding.reply.image_tokens for answer in answers]
    late = ms[FIRST:]
    result: dict[str, Any] = {
        "answers": len(late),
        "p50": percentile(late, 50),
        "p80": percentile(late, 80),
        "p90": percentile(late, 90),
        "image_tokens": float(np.median(tokens[FIRST:])),
        "changes": sum(a != b for a, b in pairwise(tokens[FIRST:])),
        "first_tokens": tokens[:FIRST],
    }
    if target_ms is not None:
        within = [taken <= target_ms for taken in late]
        result |= {"target": round(target_ms, 1), "within": round(float(np.mean(within)), 3)}
    name = "no target" if target_ms is None else f"target {target_ms:.0f} ms"
    told = {key: value for key, value in result.items() if key != "first_tokens"}
    print(f"{name}: {told}\n  image tokens of the first answers: {tokens[:FIRST]}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="below three minutes")
    parser.add_argument("--checkpoint", default="bundled")
    parser.add_argument("--answers", type=int, help="of each run")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    count = args.answers or (60 if args.quick else 200)
    about = machine()
    settings = PerceptionSettings(model=args.checkpoint, query=QUERY).updated(
        {"image.max_tokens": MOST_TOKENS, "image.split": "never", "generation.timeout_s": 60.0}
    )
    model = load_model(settings)
    rules = model.image_rules(settings.image)
    if rules is None:
        raise SystemExit(f"{args.checkpoint} does not say what images cost; take a checkpoint")
    fewest = settings.updated({"image.max_tokens": rules.min_tokens + 15})
    images = draw(120)
    run(model, settings, images, 5)  # warm-up
    ends = [
        figures(run(model, chosen, images, FIRST + count // 2), None)
        for chosen in (fewest, settings)
    ]
    low, high = ends[0]["p80"], ends[1]["p80"]
    targets = []
    for share in (0.25, 0.5, 0.75):
        target_ms = low + share * (high - low)
        chosen = settings.updated({"image.target_latency_ms": float(round(target_ms))})
        targets.append(figures(run(model, chosen, images, FIRST + count), round(target_ms)))
    print(json.dumps({"machine": about, "fewest": ends[0], "most": ends[1], "targets": targets}))


if __name__ == "__main__":
    run_command(main)
