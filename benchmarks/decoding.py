# SPDX-License-Identifier: Apache-2.0
"""How many forward passes and how much time drafts save, and whether the answers stay the same.

    python benchmarks/decoding.py [--quick] [--checkpoint DIR] [--only answers,passes,time]

* answers: a checkpoint (the bundled one by default) on scene videos, with drafts against plain
  `generate` on the same frames, float32 and bfloat16: identical answers, passes, milliseconds.
* passes: right answers written by script from the scenes' truth, wavering by 0.2 % (0.4 % fast)
  of the image, 2 and 3 decimals: passes without any model's mistakes.
* time: random weights in the shape of LFM2.5-VL-450M, scripted answers: wall time of prompt and
  answer against `generate` (timed on its first tokens, and multiplied), and of the vision tower.

The last line is one JSON object; ratios are tokens to passes and old time to new.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from decoding_scripts import (
    COUNTS,
    GOODS,
    MOTIONS,
    MOVERS,
    Follower,
    Weightless,
    scripted,
    video,
    write,
)
from decoding_time import big_model, vision_ratio, wall_ratio

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.models.decoding import Blocks
from lfmvl_ros.models.lfm2_vl import Lfm2VlBackend
from lfmvl_ros.training.tokenizer import build_tokenizer

BUNDLED = Path(__file__).parents[1] / "lfmvl_ros" / "data" / "warehouse"


@dataclass
class Sums:
    """What is added up over the frames of one kind of scene."""

    frames: int = 0
    identical: int = 0
    tokens: int = 0
    forwards: int = 0
    plain_s: float = 0.0
    drafted_s: float = 0.0

    def say(self, name: str) -> None:
        """Print one line."""
        text = f"{name:16s} {self.frames:4d} frames, {self.tokens / self.frames:6.1f} tokens, "
        text += f"{self.forwards / self.frames:5.1f} passes ({self.tokens / self.forwards:4.1f})"
        if self.plain_s:
            text += f", {self.identical} identical, {self.plain_s / self.frames * 1e3:.0f} ms -> "
            text += f"{self.drafted_s / self.frames * 1e3:.0f} ms"
        print(text, flush=True)


# -- answers --------------------------------------------------------------------------------------


def compare(checkpoint: Path, dtype: str, frames: int, counts: Sequence[int]) -> dict[str, Sums]:
    """Let a checkpoint answer the videos twice: with drafts, and through plain ``generate``."""
    backend = Lfm2VlBackend.load(
        str(checkpoint), name="drafts", template=CARD_TEMPLATE, device="auto", dtype=dtype
    )
    plain = Lfm2VlBackend(
        backend._model, backend._processor, name="plain", template=CARD_TEMPLATE, use_runner=False
    )
    settings = {"generation": GenerationSettings(timeout_s=600.0), "image": ImageSettings()}
    total: dict[str, Sums] = defaultdict(Sums)
    for name, motion in MOTIONS.items():
        for count in counts:
            follower = Follower(motion.kinds)
            for frame, _ in video(motion, count, frames + 1, seed=count):
                hint = follower.hint(frame)
                ask = ([frame], [follower.prompt])
                (reply,) = backend.ground(*ask, hints=[hint], **settings)
                (other,) = plain.ground(*ask, **settings)
                follower.learn(frame, reply)
                if hint is None:
                    continue  # the first frame of a video
                add(total[name], reply, other)
        total[name].say(f"{name} {dtype}")
    return total


def add(sums: Sums, drafted: Reply, plain: Reply) -> None:
    sums.frames += 1
    sums.identical += [t.id for t in drafted.tokens] == [t.id for t in plain.tokens]
    sums.tokens += len(drafted.tokens)
    sums.forwards += drafted.forwards
    sums.drafted_s += drafted.times.prefill_s + drafted.times.decode_s
    sums.plain_s += plain.times.prefill_s + plain.times.decode_s


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="below ten minutes")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED)
    parser.add_argument("--only", default="answers,passes,time")
    args = parser.parse_args()
    parts = args.only.split(",")
    tokenizer = build_tokenizer([*GOODS, *MOVERS])
    result: dict[str, Any] = {
        "identical_frames": None, "frames": 0, "forward_ratio": None, "wall_ratio_450m": None,
        "vision_ratio_256": None, "bf16_differing": None,
    }  # fmt: skip
    if "passes" in parts:
        result["forward_ratio_scripted"] = {
            str(decimals): ratios(count_passes(tokenizer, 20 if args.quick else 60, decimals))
            for decimals in (2, 3)
        }
    if "answers" in parts and not (args.checkpoint / "config.json").is_file():
        print(f"answers: skipped, there is no checkpoint in {args.checkpoint}")
    elif "answers" in parts:
        frames = 10 if args.quick else 90
        exact = compare(args.checkpoint, "float32", frames, COUNTS)
        result["frames"] = sum(item.frames for item in exact.values())
        result["identical_frames"] = sum(item.identical for item in exact.values())
        result["forward_ratio"] = ratios(exact)
        rough = compare(args.checkpoint, "bfloat16", max(5, frames // 3), COUNTS)
        frames = sum(item.frames for item in rough.values())
        same = sum(item.identical for item in rough.values())
        result["bf16_differing"] = round(1 - same / frames, 4)
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
    print(json.dumps(result))


def ratios(total: dict[str, Sums]) -> dict[str, float]:
    return {name: round(item.tokens / item.forwards, 2) for name, item in total.items()}


if __name__ == "__main__":
    main()
