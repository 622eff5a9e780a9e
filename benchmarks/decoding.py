# SPDX-License-Identifier: Apache-2.0
"""How many forward passes and how much time drafts save, and whether the answers stay the same.

    python benchmarks/decoding.py [--quick | --frames N] [--checkpoint DIR] [--out DIR]
                                  [--only answers,passes,time,batch]

* answers: a checkpoint (the bundled one by default) on scene videos, with drafts against plain
  `generate` on the same frames, float32 and bfloat16: identical answers and passes. Resumable;
  see decoding_identity.py, and decoding_plot.py for an image of it.
* passes: right answers written by script from the scenes' truth, wavering by 0.2 % (0.4 % fast)
  of the image, 2 and 3 decimals: passes without any model's mistakes.
* time: random weights in the shape of LFM2.5-VL-450M, scripted answers: wall time of prompt and
  answer against `generate` (timed on its first tokens, and multiplied), and of the vision tower.
* batch: four cameras in one forward against one after the other; see decoding_batch.py.

The last line is one JSON object; ratios are tokens to passes and old time to new.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from needs import needed_packages, run_command

with needed_packages():
    import torch
    from decoding_batch import throughput
    from decoding_identity import BUNDLED, identity
    from decoding_scripts import COUNTS, GOODS, MOTIONS, MOVERS, Weightless, scripted, write
    from decoding_time import big_model, vision_ratio, wall_ratio

    from lfmvl_ros.models.lfm2_vl.decoding import Blocks
    from lfmvl_warehouse.training.model.tokenizer import build_tokenizer


@dataclass
class Sums:
    """What is added up over the frames of one kind of scene."""

    frames: int = 0
    tokens: int = 0
    forwards: int = 0

    def say(self, name: str) -> None:
        """Print one line."""
        text = f"{name:16s} {self.frames:4d} frames, {self.tokens / self.frames:6.1f} tokens, "
        text += f"{self.forwards / self.frames:5.1f} passes ({self.tokens / self.forwards:4.1f})"
        print(text, flush=True)


# -- passes ---------------------------------------------------------------------------------------


def count_passes(tokenizer: Any, frames: int, decimals: int) -> dict[str, Sums]:
    total: dict[str, Sums] = defaultdict(Sums)
    for name, motion in MOTIONS.items():
        for count in COUNTS:
            runner, blocks = Weightless(len(tokenizer)), Blocks.for_device("cpu")
            for index, (ids, draft) in enumerate(
                scripted(motion, count, frames + 1, decimals, tokenizer)
            ):
                written = write(runner, torch.zeros(1, 1, 1), ids, draft, blocks)
                if index:
                    total[name].frames += 1
                    total[name].tokens += len(ids)
                    total[name].forwards += written.forwards
        total[name].say(f"{name} {decimals} decimals")
    return total


def answers(checkpoint: Path, frames: int, out: Path) -> dict[str, Any]:
    """Compare a checkpoint's answers with those of `generate`, in float32 and in bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    exact = identity(checkpoint, "float32", frames, out / "float32.jsonl")
    rough = identity(checkpoint, "bfloat16", -(-frames // 4), out / "bfloat16.jsonl")
    print(json.dumps(exact), json.dumps(rough), sep="\n", flush=True)
    return {
        "frames": exact["frames"],
        "identical_frames": exact["identical_frames"],
        "forward_ratio": {name: kind["ratio"] for name, kind in exact["kinds"].items()},
        "bf16_differing": round(1 - rough["identical_frames"] / rough["frames"], 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="below ten minutes")
    parser.add_argument("--frames", type=int, help="frames of `answers`; 1000, quick 72")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED)
    parser.add_argument("--out", type=Path, default=Path("out/decoding"), help="records of answers")
    parser.add_argument("--only", default="answers,passes,time,batch")
    args = parser.parse_args()
    parts = args.only.split(",")
    tokenizer = build_tokenizer([*GOODS, *MOVERS])
    result: dict[str, Any] = {
        "identical_frames": None, "frames": 0, "forward_ratio": None, "wall_ratio_450m": None,
        "vision_ratio_256": None, "bf16_differing": None, "batch_of_4_ratio": None,
    }  # fmt: skip
    if "passes" in parts:
        result["forward_ratio_scripted"] = {
            str(decimals): ratios(count_passes(tokenizer, 20 if args.quick else 60, decimals))
            for decimals in (2, 3)
        }
    if "answers" in parts and not (args.checkpoint / "config.json").is_file():
        print(f"answers: skipped, there is no checkpoint in {args.checkpoint}")
    elif "answers" in parts:
        result.update(
            answers(args.checkpoint, args.frames or (72 if args.quick else 1000), args.out)
        )
    if "time" in parts:
        model, size = big_model(), {"frames": 3 if args.quick else 12, "generated": 24}
        result["vision_ratio_256"] = round(vision_ratio(model), 2)
        walls: dict[str, float | None] = {"cuda": None}
        walls["cpu_fp32"] = round(wall_ratio(model, tokenizer, **size), 2)
        model = model.to(torch.bfloat16)
        walls["cpu_bf16"] = round(wall_ratio(model, tokenizer, **size), 2)
        if torch.cuda.is_available():
            walls["cuda"] = round(wall_ratio(model.to("cuda"), tokenizer, **size), 2)
        result["wall_ratio_450m"] = walls
    if "batch" in parts:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = big_model().to(device, torch.bfloat16)
        result["batch_of_4_ratio"] = throughput(model, 4, 2, drafts=True)["ratio"]
    print(json.dumps(result))


def ratios(total: dict[str, Sums]) -> dict[str, float]:
    return {name: round(item.tokens / item.forwards, 2) for name, item in total.items()}


if __name__ == "__main__":
    run_command(main)
