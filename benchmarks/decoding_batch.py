# SPDX-License-Identifier: Apache-2.0
"""Several cameras in one forward against one camera after the other, 450M shape, random weights.

    python benchmarks/decoding_batch.py [--cameras 4] [--frames 3] [--dtype bfloat16]

Scripted answers of slow scenes (6 objects, 2 decimals) with the drafts that the node would have;
one prompt length for each camera. Both ways alternate frame by frame, so that their ratio holds
on a machine that does other things as well. Prompt and answer count, the vision tower does not: a
batch has nothing to gain there. The last line is one JSON object. Takes about a minute.
"""

from __future__ import annotations

import argparse
import json
from itertools import islice
from typing import Any

from needs import needed_packages, run_command

with needed_packages():
    import torch
    from decoding_scripts import END, MOTIONS, Weightless, scripted, write, write_all
    from decoding_time import big_model

    from lfmvl_ros.models.lfm2_vl.decoding import Blocks, NoDraft
    from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
    from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

PROMPT, WARM = 170, 2


def throughput(model: Any, cameras: int, frames: int, *, drafts: bool) -> dict[str, float]:
    """Seconds for an answer of each camera, one by one and together, and their ratio."""
    tokenizer, runner, device = build_tokenizer(), Lfm2Runner(model), model.device
    videos = [
        list(islice(scripted(MOTIONS["slow"], 6 + camera, WARM + 2 * frames, 2, tokenizer),
                    WARM + 2 * frames))
        for camera in range(cameras)
    ]  # fmt: skip
    embeds = torch.randn(cameras, PROMPT, 1024, device=device, dtype=model.dtype) * 0.02
    together, single = Blocks.for_device(device.type), Blocks.for_device(device.type)
    spent, tokens = {"alone_s": 0.0, "together_s": 0.0}, {"alone_s": 0, "together_s": 0}
    for index in range(WARM + 2 * frames):
        answers = [video[index] for video in videos]
        if not drafts:
            answers = [([*ids[: 24 + 4 * row], END], NoDraft())
                       for row, (ids, _) in enumerate(answers)]  # fmt: skip
        if index < WARM:  # what the first answers teach costs once
            for blocks in (together, single):
                for ids, draft in answers:
                    write(Weightless(65536), torch.zeros(1, 1, 1), ids, draft, blocks)
            continue
        name = ("alone_s", "together_s")[index % 2]
        if name == "together_s":
            written = write_all(runner, embeds, answers, together)
            spent[name] += written[0].prefill_s + written[0].decode_s
        else:
            for row, (ids, draft) in enumerate(answers):
                written = [write(runner, embeds[row : row + 1], ids, draft, single)]
                spent[name] += written[0].prefill_s + written[0].decode_s
        tokens[name] += sum(len(ids) for ids, _ in answers)
    rates = {name: tokens[name] / spent[name] for name in spent}
    return {
        **{name: round(value / frames, 3) for name, value in spent.items()},
        "ratio": round(rates["together_s"] / rates["alone_s"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = big_model().to(device, getattr(torch, args.dtype))
    result = {
        name: throughput(model, args.cameras, args.frames, drafts=drafts)
        for name, drafts in (("drafts", True), ("one token a pass", False))
    }
    print(json.dumps({"cameras": args.cameras, "dtype": args.dtype, "device": device, **result}))


if __name__ == "__main__":
    run_command(main)
