# SPDX-License-Identifier: Apache-2.0
"""Attention in training: plain batched products against torch's fused kernel, one CPU thread.

    python benchmarks/training_attention.py [--rounds N]

Forward and backward pass in bfloat16 at the shapes of the bundled checkpoint's training: the vision
tower (8 images of 256 patches, 6 heads) and the language tower (24 questions of 260 tokens,
4 heads, causal). The two take turns; the last line is one JSON object with the ratios. Ten seconds
on a quiet core.
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
    from torch.nn import functional as F

    from lfmvl_warehouse.training.model.causal_attention import plain_attention

_WIDTH = 32
_SHAPES = {"vision": (8, 6, 256, False), "language": (24, 4, 260, True)}


def milliseconds(kind: str, batch: int, heads: int, length: int, causal: bool) -> float:
    """Time of one forward and backward pass."""
    shape = (batch, heads, length, _WIDTH)
    parts = [torch.randn(shape, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
    scaling = _WIDTH**-0.5
    begun = time.perf_counter()
    if kind == "plain":
        output = plain_attention(*parts, scaling=scaling, causal=causal)
    else:
        fused = F.scaled_dot_product_attention(*parts, is_causal=causal, scale=scaling)
        output = fused.transpose(1, 2).contiguous()
    output.backward(torch.ones_like(output))
    return 1e3 * (time.perf_counter() - begun)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20, help="passes of each kind")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    ratios = {}
    for name, shape in _SHAPES.items():
        plain, fused = medians_in_turn(
            ("plain", "fused"), rounds, lambda kind, shape=shape: milliseconds(kind, *shape)
        )
        ratios[name] = round(fused / plain, 2)
        print(f"{name:9} plain {plain:5.1f} ms  fused {fused:5.1f} ms  {ratios[name]:.2f} times")
    print(json.dumps(ratios))


if __name__ == "__main__":
    run_command(main)
