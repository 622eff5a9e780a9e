# SPDX-License-Identifier: Apache-2.0
"""What `lfmvl finetune` reaches on the bundled checkpoint in so many seconds of one core.

    python benchmarks/finetune.py [--task known|new] [--look heat] [--cpu-s 150] [--full]
    python benchmarks/finetune.py --quick   # does it run: two updates, few questions

Two tasks, each with 130 rendered images of the warehouse's kinds: `known` has the names that the
checkpoint knows, in a look that it does not (`heat`: grey negatives, as of a heat camera;
`--look negative` keeps colours, exchanged), and as images to keep (`--keep`) usual scenes, such as
`lfmvl scenes --labelled` writes; `new` has the usual look, and invented names. Recall,
precision and `[]` for absent things on 100 further images of the task, and recall on the usual
warehouse scenes, before and after. The last line is one JSON object. Time is that of the process
(all of the run: training and its judgements), so it does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np

    from lfmvl_ros.datasets.coco_reading import read_folder
    from lfmvl_ros.datasets.judging import Scores
    from lfmvl_ros.finetune.judge import ask_all, held_out_questions, total
    from lfmvl_ros.finetune.run import RunArguments, finetune
    from lfmvl_ros.finetune.settings import TOWERS, FinetuneSettings
    from lfmvl_ros.finetune.start import find_start
    from lfmvl_ros.models.load import load_model
    from lfmvl_ros.registry import QUESTION_SETS, load
    from lfmvl_warehouse.scenes import STANDARD, RenderedScene, render_still
    from lfmvl_warehouse.scenes.labelled import ANNOTATIONS, write_labelled
    from lfmvl_warehouse.scenes.looks import LOOKS, in_look

KINDS = (
    "person", "forklift", "traffic cone", "barrel", "crate", "pallet", "cardboard box", "tote",
)  # fmt: skip
INVENTED = ("vintor", "grobble", "plindex", "dorvan", "quessel", "tarnip", "mubrick", "yoltane")
IMAGES, MEASURED = 130, 100
_LOOK_OF = {"known": "heat", "new": "usual"}
_TRIED = 24  # updates of the run that measures what one takes


def scenes(look: str, seed: int, count: int) -> Iterator[RenderedScene]:
    """Stills in a look."""
    options = replace(STANDARD, kinds=KINDS, objects=(0, 6))
    for number in range(count):
        scene = render_still(np.random.default_rng([seed, number]), wh=(256, 256), options=options)
        yield in_look(scene, look)


def write_folder(look: str, folder: Path, seed: int, count: int, *, invented: bool) -> Path:
    """Write labelled images in a look, with invented names where the task is about those."""
    write_labelled(folder, scenes(look, seed, count), kinds=KINDS)
    if invented:
        path = folder / ANNOTATIONS
        content = json.loads(path.read_text(encoding="utf-8"))
        for category, name in zip(content["categories"], INVENTED, strict=True):
            category["name"] = name
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def usual_scenes(folder: Path, seed: int, count: int, wh_px: tuple[int, int] = (256, 256)) -> Path:
    """Write what `lfmvl scenes --labelled` does: all kinds of the warehouse, in the usual look."""
    numbers = range(count)
    stills = (render_still(np.random.default_rng((seed, n)), wh=wh_px) for n in numbers)
    write_labelled(folder, stills)
    return folder


def measured(checkpoint: str, folder: Path, count: int) -> dict[str, dict[str, float]]:
    """Rates on ``count`` images of a task that no run has seen, and on as many warehouse scenes."""
    start, model = find_start("bundled"), load_model(checkpoint, device="cpu")
    known = read_folder(folder)
    unseen = replace(known, held_out=(*known.training, *known.held_out))
    asked = list(held_out_questions([unseen], count, most_objects=20))
    (_, (usual, *_)) = load(QUESTION_SETS, "scenes")(count)
    rates = {}
    for name, questions in (("task", asked), ("warehouse", list(usual.questions))):
        scores: Scores = total(ask_all(model, questions, start.templates[0], start.rules(0)))
        rates[name] = {"score": scores.score, **scores.rates()}
    model.close()
    return rates


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--task", choices=("known", "new"), default="known")
    add("--cpu-s", type=float, help="seconds of a core (150; for new names 300)")
    add("--full", action="store_true", help="train all weights")
    add("--towers", choices=TOWERS, default="auto")
    add("--rank", type=int, default=16)
    add("--rate", type=float, default=0.0)
    add("--batch", type=int, default=4)
    add("--questions", type=int, default=3)
    add("--negatives", type=float, default=0.3)
    add("--keep-share", type=float, help="of usual scenes among the images (0.2; new names: none)")
    add("--strength", type=float, default=1.0)
    add("--seed", type=int, default=0)
    add("--look", choices=sorted(LOOKS), help="of --task known (heat)")
    add("--images-seed", type=int, default=101, help="odd; 101 judges, tune with others")
    add("--steps", type=int, default=0, help="instead of --cpu-s")
    add("--quick", action="store_true", help="two updates and few questions: does it run")
    add("--out", type=Path, default=Path("out/finetune"))
    given = parser.parse_args()
    if given.images_seed % 2 == 0:  # twice a seed: the images that its run is measured on
        parser.error(f"--images-seed must be odd, got {given.images_seed}")
    return given


def main() -> int:
    """Run it and print what was measured."""
    args = arguments()
    shutil.rmtree(args.out, ignore_errors=True)
    images, asked = (24, 8) if args.quick else (IMAGES, MEASURED)
    steps = args.steps or (2 if args.quick else 0)
    look, invented = args.look or _LOOK_OF[args.task], args.task == "new"
    first = args.images_seed
    data = write_folder(look, args.out / "images", first, images, invented=invented)
    keep_share = args.keep_share
    if keep_share is None:
        keep_share = 0.0 if invented else FinetuneSettings.keep_share
    keep = [(usual_scenes(args.out / "usual", 3 * first, images), 1.0)] if keep_share else []
    unseen = write_folder(look, args.out / "unseen", 2 * first, asked, invented=invented)
    settings = FinetuneSettings(
        full=args.full, towers=args.towers, rank=args.rank, rate=args.rate, batch=args.batch,
        questions=args.questions, negatives=args.negatives, seed=args.seed, judgements=1,
        held_out_questions=min(16, asked), patience=0, steps=steps or _TRIED,
        keep_share=keep_share or FinetuneSettings.keep_share, strength=args.strength,
    )  # fmt: skip

    def run(name: str, chosen: FinetuneSettings) -> float:
        begun = time.process_time()
        request = RunArguments(data=[(data, 1.0)], keep=keep, start="bundled", out=args.out / name)
        finetune(request, chosen)
        return time.process_time() - begun

    if not steps:
        budget_s = args.cpu_s or (150.0 if args.task == "known" else 300.0)
        # The first run pays for what is loaded once.
        _, few, more = (
            run(f"trial{k}", replace(settings, steps=steps))
            for k, steps in enumerate((1, 2, 2 + _TRIED))
        )
        each = max(more - few, 0.1) / _TRIED
        settings = replace(settings, steps=int((budget_s - few) / each))
    spent = run("run", settings)
    checkpoint = args.out / "run" / "checkpoint"
    before = measured("bundled", unseen, asked)
    after = measured(str(checkpoint), unseen, asked) if checkpoint.exists() else before
    facts = {
        "task": args.task, "look": look, "images_seed": first, "cpu_s": round(spent, 1),
        "steps": settings.steps, "full": args.full, "rank": args.rank,
        "negatives": args.negatives, "keep_share": keep_share, "before": before,
        "after": after,
    }  # fmt: skip
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    run_command(main)
