# SPDX-License-Identifier: Apache-2.0
"""The language tower in training: what questions about an image share read once, against each time.

    python benchmarks/training_reading.py [--rounds N]

Forward and backward pass of the bundled checkpoint's language tower in bfloat16 on one CPU thread,
three questions about each image: 8 images as the processor shows them (80 shared places, 180 of
a question and its answer), and 2 in tiles (560 shared). The plain version is the same code with
every question's row whole. The two take turns; the last line is one JSON object with the ratios.
Half a minute on a quiet core.
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"

from needs import needed_packages, run_command

with needed_packages():
    import torch
    from measuring import medians_in_turn

    from lfmvl_warehouse.training.model.build import ModelShape, build_model
    from lfmvl_warehouse.training.model.shared_prefix import read

_QUESTIONS = 3
_SHAPES = {"whole images": (8, 80, 180), "tiles": (2, 560, 180)}


def milliseconds(kind: str, text: torch.nn.Module, images: int, shared: int, own: int) -> float:
    """Time of one forward and backward pass."""
    width = text.config.hidden_size
    early = torch.randn(images, shared, width)
    late = torch.randn(images * _QUESTIONS, own, width)
    begun = time.perf_counter()
    if kind == "each":
        early = early.repeat_interleave(_QUESTIONS, 0)
    with torch.autocast("cpu", torch.bfloat16):
        hidden, _ = read(text, early, late, keep=())
    hidden.float().square().mean().backward()
    text.zero_grad(set_to_none=True)
    return 1e3 * (time.perf_counter() - begun)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="passes of each kind")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    text = build_model(ModelShape(), vocabulary=2551).model.language_model
    ratios = {}
    for name, shape in _SHAPES.items():
        once, each = medians_in_turn(
            ("once", "each"), rounds, lambda kind, shape=shape: milliseconds(kind, text, *shape)
        )
        ratios[name] = round(each / once, 2)
        print(f"{name:15} once {once:4.0f} ms  each time {each:4.0f} ms  {ratios[name]:.2f} times")
    print(json.dumps(ratios))


if __name__ == "__main__":
    run_command(main)
