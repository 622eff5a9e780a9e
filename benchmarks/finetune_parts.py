# SPDX-License-Identifier: Apache-2.0
"""Which part of a fine-tuned checkpoint learnt, and which forgot: its weights set back in parts.

    python benchmarks/finetune.py --task known --images-seed 301 --towers both
    python benchmarks/finetune_parts.py out/finetune/run/checkpoint --images-seed 301

Weights are put between those of the bundled checkpoint (0) and those of the fine-tuned one (1), as
in WiSE-FT (https://arxiv.org/abs/2109.01903), separately for vision (tower and projector) and
language (tower and word embeddings). `1:0` has the trained vision with the initial language.
Measured are images of the task that the run has not seen, and warehouse scenes other than those of
benchmarks/finetune.py. One JSON object for each pair; half a minute each.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import replace
from itertools import islice
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from needs import needed_packages, run_command

with needed_packages():
    import torch
    from finetune import write_folder

    from lfmvl_ros.datasets.coco_reading import read_folder
    from lfmvl_ros.finetune.checkpoint import merged_model
    from lfmvl_ros.finetune.judge import ask_all, held_out_questions, total
    from lfmvl_ros.finetune.start import find_start
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend
    from lfmvl_ros.models.lfm2_vl.loading import load_checkpoint
    from lfmvl_warehouse.calibration_sets import KNOWN_LOOKS, question_set

_CPU = torch.device("cpu")
_JUDGED = 100  # the first scenes, which benchmarks/finetune.py measures with


def pair(text: str) -> tuple[float, float]:
    """Read ``VISION:LANGUAGE``."""
    vision, language = map(float, text.split(":"))
    return vision, language


def main() -> int:
    """Run it and print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="made from the bundled one")
    parser.add_argument("--images-seed", type=int, default=301, help="that it was trained with")
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--look", default="heat")
    parser.add_argument(
        "--parts", type=pair, nargs="+", metavar="VISION:LANGUAGE",
        default=[(1.0, 1.0), (0.7, 0.7), (1.0, 0.4), (1.0, 0.0), (0.8, 0.2)],
    )  # fmt: skip
    args = parser.parse_args()
    start, count = find_start("bundled"), args.questions
    with tempfile.TemporaryDirectory() as folder:
        unseen = read_folder(
            write_folder(args.look, Path(folder), 2 * args.images_seed, count + 30, invented=False)
        )
        unseen = replace(unseen, held_out=(*unseen.training, *unseen.held_out))
        asked = {
            "task": list(held_out_questions([unseen], count, most_objects=20)),
            "warehouse": list(
                islice(question_set(KNOWN_LOOKS, _JUDGED + count).questions, _JUDGED, None)
            ),
        }
    initial, trained = (
        dict(load_checkpoint(str(path), _CPU, torch.float32)[0].named_parameters())
        for path in (start.directory, args.checkpoint)
    )
    for vision, language in args.parts:
        weights = {
            name: torch.lerp(
                initial[name].detach(),
                weight.detach(),
                language if "language_model" in name else vision,
            )
            for name, weight in trained.items()
        }
        model, processor = merged_model(start, weights, _CPU, torch.float32)
        backend = Lfm2VlBackend(model, processor, name="parts", template=start.templates[0])
        facts = {"vision": vision, "language": language}
        for name, questions in asked.items():
            scores = total(ask_all(backend, questions, start.templates[0], start.rules(0)))
            facts[name] = {"score": scores.score, **scores.rates()}
        print(json.dumps(facts), flush=True)
    return 0


if __name__ == "__main__":
    run_command(main)
