# SPDX-License-Identifier: Apache-2.0
"""What codes of a processor without dot products of bytes cost the products of linear layers.

    python benchmarks/decoding_int8_error.py

Such a processor adds up pairs of products in 16 bits. They fit if activations have 7 bits, if
weights do, or if neighbouring codes of a weight add up to little (`int8_kernels.py`). Each is
compared with float32: the linear layers of the bundled checkpoint, with their inputs in one
answer, and random normal numbers. The last line is one JSON object: by tower, the root of the mean
square error of the products as a share of theirs, in percent, mean over the layers. Takes some
seconds.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    import torch
    from checkpoint_questions import in_totals, questions

    from lfmvl_ros.core.ask import ask
    from lfmvl_ros.core.prompt import CARD_TEMPLATE
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend
    from lfmvl_ros.models.lfm2_vl.int8 import quantised_rows
    from lfmvl_ros.models.lfm2_vl.loading import load_checkpoint

BUNDLED = Path(__file__).parents[1] / "lfmvl_warehouse" / "checkpoint"
TOWERS = {"language_model": "language", "vision_tower": "vision"}
Layer = tuple[torch.Tensor, torch.Tensor]
"""Inputs ``(rows, inputs)`` and weight ``(outputs, inputs)``."""


def even(x: torch.Tensor, most: int) -> torch.Tensor:
    """Rows with codes from -most to most, as numbers."""
    scale = (x.abs().amax(1, keepdim=True) / most).clamp(min=1e-30)
    return (x / scale).round() * scale


def uneven(x: torch.Tensor, most: int) -> torch.Tensor:
    """Rows with codes from 0 to most between their least and largest number, 0 included."""
    least = x.amin(1, keepdim=True).clamp(max=0)
    scale = ((x.amax(1, keepdim=True).clamp(min=0) - least) / most).clamp(min=1e-30)
    zero = (-least / scale).round()
    return (((x / scale).round() + zero).clamp(0, most) - zero) * scale


def paired(weight: torch.Tensor, pair: int) -> torch.Tensor:
    """A weight whose neighbouring codes add up to at most ``pair``, as numbers."""
    return quantised_rows(weight, pair).dequantised()


CODES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "8 bits (overflows)": lambda x, w: even(x, 127) @ even(w, 127).T,
    "activations 7 bits": lambda x, w: even(x, 63) @ even(w, 127).T,
    "activations 7 bits, asymmetric": lambda x, w: uneven(x, 127) @ even(w, 127).T,
    "weights 7 bits": lambda x, w: even(x, 127) @ even(w, 64).T,
    "pairs of weights to 129": lambda x, w: even(x, 127) @ paired(w, 129).T,
    "pairs to 163, activations to 100": lambda x, w: even(x, 100) @ paired(w, 163).T,
    "pairs to 192, activations to 85": lambda x, w: even(x, 85) @ paired(w, 192).T,
}


def layers() -> dict[str, list[Layer]]:
    """The linear layers of the bundled checkpoint, with their inputs in one answer."""
    model, processor = load_checkpoint(str(BUNDLED), torch.device("cpu"), torch.float32)
    seen: dict[str, tuple[torch.nn.Linear, list[torch.Tensor]]] = {}
    for name, module in model.named_modules():
        if type(module) is torch.nn.Linear and "layers" in name:
            seen[name] = (module, [])
            module.register_forward_pre_hook(
                lambda _, given, kept=seen[name][1]: kept.append(given[0].flatten(0, -2))
            )
    backend = Lfm2VlBackend(
        model, processor, name="bundled", template=CARD_TEMPLATE, use_runner=False
    )
    asked = next(item for item in questions(0.01) if in_totals(item.slice) and not item.tiles)
    ask(backend, [np.ascontiguousarray(asked.scene.pixels)], Query(tuple(asked.question.labels)))
    found = defaultdict(list)
    for name, (module, given) in seen.items():
        tower = next(TOWERS[part] for part in TOWERS if part in name)
        found[tower].append((torch.cat(given), module.weight.detach()))
    return found


def error(layer: Layer, codes: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
    """Root of the mean square error of a product, as a share of the product's."""
    x, weight = layer
    exact = x @ weight.T
    off = codes(x, weight) - exact
    return float((off.square().mean() / exact.square().mean()).sqrt())


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    every = {**layers(), "random": [(torch.randn(64, 1024), torch.randn(1024, 1024))]}
    result = {
        tower: {
            name: round(100 * float(np.mean([error(layer, codes) for layer in found])), 3)
            for name, codes in CODES.items()
        }
        for tower, found in every.items()
    }
    for tower, row in result.items():
        print(tower, len(every[tower]), "layers")
        for name, value in row.items():
            print(f"  {name:34} {value:.3f} %")
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
