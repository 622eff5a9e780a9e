# SPDX-License-Identifier: Apache-2.0
"""An update of `lfmvl finetune`: what questions about one image share read once, or with each row.

    python benchmarks/finetune_reading.py [--rounds N]

The bundled checkpoint on one CPU thread, adapters in the vision tower, two images with three
questions each: rendered scenes of 256x256 (64 image tokens), and of 1280x720 in tiles. The peer is
transformers' forward pass over padded rows of like lengths. The two take turns; the last line is
one JSON object with the ratios of CPU times. Three minutes on a quiet core.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

from needs import needed_packages, run_command

with needed_packages():
    import torch
    from finetune import usual_scenes
    from measuring import medians_in_turn

    from lfmvl_ros.finetune import objective
    from lfmvl_ros.finetune.data import read_data
    from lfmvl_ros.finetune.encoding import Encoded, Encoder
    from lfmvl_ros.finetune.learner import Learner
    from lfmvl_ros.finetune.samples import SampleStream
    from lfmvl_ros.finetune.settings import FinetuneSettings
    from lfmvl_ros.finetune.shared_rows import can_share
    from lfmvl_ros.finetune.start import Start, find_start

_SIZES = {"whole images": (256, 256), "tiles": (1280, 720)}
_UPDATES, _IMAGES = 4, 2


def samples(start: Start, learner: Learner, wh_px: tuple[int, int]) -> list[list[Encoded]]:
    """Encoded images with their questions, of some updates."""
    with tempfile.TemporaryDirectory() as folder:
        data = read_data([(usual_scenes(Path(folder) / "images", 11, 24, wh_px), 1.0)])
        stream = SampleStream(
            data, start.templates, questions=3, negatives=0.3, most_objects=20, seed=0
        )
        rules = replace(start.rules(0), split=wh_px == _SIZES["tiles"])
        encoder = Encoder(learner.processor, rules, start.context)
        return [
            [encoder.encode(stream.sample(_IMAGES * update + n)) for n in range(_IMAGES)]
            for update in range(_UPDATES)
        ]


def seconds(kind: str, learner: Learner, updates: list[list[Encoded]]) -> float:
    """CPU time of the updates, which change nothing."""
    objective.can_share = can_share if kind == "once" else lambda _: False
    begun = time.process_time()
    for update in updates:
        learner.update(update, 0.0)
    return time.process_time() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each kind")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    start = find_start("bundled")
    learner = Learner(
        start, FinetuneSettings(towers="vision"), (), device=torch.device("cpu"),
        dtype=torch.float32,
    )  # fmt: skip
    ratios = {}
    for name, wh_px in _SIZES.items():
        updates = samples(start, learner, wh_px)
        once, each = medians_in_turn(
            ("once", "each"), rounds, lambda kind, updates=updates: seconds(kind, learner, updates)
        )
        ratios[name] = round(once / each, 2)
        print(f"{name:15} once {once:.2f} s  with each row {each:.2f} s  ratio {ratios[name]:.2f}")
    print(json.dumps(ratios))


if __name__ == "__main__":
    run_command(main)
