# SPDX-License-Identifier: Apache-2.0
"""Why one unusual look is learnt slower than another: what colour says, and what a model sees.

    python benchmarks/finetune_looks.py [--images 300] [--questions 48]

For each look, two figures. `by_colour`: share of objects whose kind is right when it is read from
the mean colour of their box alone (the nearest five in another half of the scenes), where guessing
the most frequent kind gives `guessed`. `recall50`, `absent_label_empty`: answers of the bundled
checkpoint without any training. `grey` keeps light and dark, `heat` exchanges them as well.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np

    from lfmvl_ros.datasets.coco_reading import read_folder
    from lfmvl_ros.datasets.questions import MIN_VISIBILITY
    from lfmvl_ros.finetune.judge import ask_all, held_out_questions, total
    from lfmvl_ros.finetune.start import find_start
    from lfmvl_ros.models.load import load_model
    from lfmvl_warehouse.scenes import EASY, RenderedScene, render_still
    from lfmvl_warehouse.scenes.labelled import write_labelled
    from lfmvl_warehouse.scenes.looks import LOOKS, heat

KINDS = ("person", "forklift", "traffic cone", "barrel")
_LOOKS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    **LOOKS,
    "grey": lambda pixels: 255 - heat(pixels),
}
_NEIGHBOURS = 5


def scenes(count: int) -> list[RenderedScene]:
    """Stills in the usual look, 160x120."""
    options = replace(EASY, kinds=KINDS)
    return [
        render_still(np.random.default_rng([31, number]), wh=(160, 120), options=options)
        for number in range(count)
    ]


def in_look(scene: RenderedScene, look: str) -> RenderedScene:
    """Return a scene in one of this benchmark's looks."""
    return replace(scene, pixels=_LOOKS[look](scene.pixels))


def mean_colours(stills: list[RenderedScene], look: str) -> tuple[np.ndarray, list[str]]:
    """Mean colour (N, 3) of each object's box, and its kind."""
    colours, kinds = [], []
    for still in stills:
        pixels = _LOOKS[look](still.pixels)
        for item in still.objects:
            if item.visibility < MIN_VISIBILITY:
                continue
            x1, y1, x2, y2 = (round(float(edge)) for edge in item.visible_xyxy_px)
            colours.append(pixels[y1 : y2 + 1, x1 : x2 + 1].reshape(-1, 3).mean(axis=0))
            kinds.append(item.kind)
    return np.array(colours), kinds


def right_by_colour(stills: list[RenderedScene], look: str) -> tuple[float, float]:
    """Share of right kinds by the nearest mean colours, and by always guessing the same kind."""
    known, known_kinds = mean_colours(stills[::2], look)
    asked, truth = mean_colours(stills[1::2], look)
    away = np.linalg.norm(asked[:, None] - known[None], axis=2)
    nearest = np.argsort(away, axis=1)[:, :_NEIGHBOURS]
    voted = [Counter(known_kinds[i] for i in row).most_common(1)[0][0] for row in nearest]
    right = float(np.mean([a == b for a, b in zip(voted, truth, strict=True)]))
    (_, most) = Counter(truth).most_common(1)[0]
    return right, most / len(truth)


def main() -> int:
    """Run it and print what was measured."""
    parser = argparse.ArgumentParser(
        epilog="With the defaults it takes about three minutes of one core.",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--questions", type=int, default=48)
    parser.add_argument("--looks", nargs="+", choices=sorted(_LOOKS), default=sorted(_LOOKS))
    args = parser.parse_args()
    stills = scenes(args.images)
    facts: dict[str, dict[str, float | None]] = {}
    for look in args.looks:
        right, guessed = right_by_colour(stills, look)
        facts[look] = {"by_colour": round(right, 3), "guessed": round(guessed, 3)}
    start, model = find_start("bundled"), load_model("bundled", device="cpu")
    for look in args.looks if args.questions else ():
        with tempfile.TemporaryDirectory() as folder:
            few = [in_look(still, look) for still in stills[: max(20, args.questions)]]
            write_labelled(Path(folder), few, kinds=KINDS)
            read = read_folder(Path(folder))
            unseen = replace(read, held_out=(*read.training, *read.held_out))
            asked = list(held_out_questions([unseen], args.questions, most_objects=20))
            scores = total(ask_all(model, asked, start.templates[0], start.rules(0)))
        facts[look] |= {name: scores.rates()[name] for name in ("recall50", "absent_label_empty")}
        print(look, facts[look], flush=True)
    model.close()
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    run_command(main)
