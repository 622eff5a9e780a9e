# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of a training step of `lfmvl finetune` at the shape of LFM2.5-VL-450M.

    python benchmarks/finetune_450m.py [--quick] [--steps N] [--dtypes float32,bfloat16] [--full]

Random weights of the true shape, one thread, the code of the command: one image of 512x512 (256
image tokens) and one question, 480 tokens in all, of which the answer counts in the loss. For
adapters of rank 16 in float32 and bfloat16, with and without checkpointing, and with --full for
all weights: seconds of a core for one update (the median of those after the first) and the most
memory that the process had. Each case has a process of its own.

`estimate_gb` is what `lfmvl finetune` takes such a run to need. The last line is one JSON object.
With the defaults it takes many minutes where bfloat16 is slow; `--quick` (only what the command
would choose on this machine, one update after the first) about two minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    import torch
    from decoding_time import big_model

    from lfmvl_ros.core.prompt import CARD_TEMPLATE
    from lfmvl_ros.datasets.questions import Question
    from lfmvl_ros.finetune.encoding import Encoded, EncodedRow, Encoder
    from lfmvl_ros.finetune.estimate import MemoryPlan, needed_bytes, peak_bytes
    from lfmvl_ros.finetune.learner import Learner
    from lfmvl_ros.finetune.plan import usual_dtype
    from lfmvl_ros.finetune.samples import Asking, TrainingSample
    from lfmvl_ros.finetune.settings import FinetuneSettings
    from lfmvl_ros.finetune.start import Start, find_start
    from lfmvl_warehouse.training.model.build import build_processor, save_checkpoint
    from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

TOKENS, IMAGE_PX, NAME = 480, 512, "forklift"


def sample(start: Start, processor: Any) -> Encoded:
    """A question about an image; the answer has random tokens, as many as make 480 in all."""
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)
    asking = Asking(CARD_TEMPLATE, Question((NAME,), ()))
    whole = Encoder(processor, start.rules(0), start.context).encode(
        TrainingSample(pixels, (asking,))
    )
    prompt = whole.rows[0].prompt
    answer = np.random.default_rng(1).integers(500, 2000, TOKENS - len(prompt))
    return Encoded(
        (EncodedRow(prompt, tuple(answer.tolist())),), whole.image_tokens, whole.features
    )


def measure(checkpoint: Path, dtype: str, checkpointing: bool, full: bool, steps: int) -> None:
    """Make updates in this process and print the figures of one case as JSON."""
    torch.set_num_threads(1)
    start, settings = find_start(str(checkpoint)), FinetuneSettings(full=full, batch=1)
    learner = Learner(
        start,
        settings,
        [NAME],
        device=torch.device("cpu"),
        dtype=getattr(torch, dtype),
        checkpointing=checkpointing,
    )
    asked, spent_s = sample(start, learner.processor), []
    loaded = peak_bytes(learner)
    for _ in range(1 + steps):
        begun = time.process_time()
        learner.update([asked], 1.0)
        spent_s.append(time.process_time() - begun)
    plan = MemoryPlan(full, dtype, checkpointing, learner.count, asked.image_tokens, asked.tokens)
    facts = {
        "full": full, "dtype": dtype, "checkpointing": checkpointing,
        "trained_m": round(learner.count / 1e6, 1), "tokens": asked.tokens,
        "step_cpu_s": round(float(np.median(spent_s[1:])), 2),
        "loaded_gb": round(loaded / 1e9, 2), "peak_gb": round(peak_bytes(learner) / 1e9, 2),
        "estimate_gb": round(needed_bytes(start.config, start.parameters, plan) / 1e9, 2),
    }  # fmt: skip
    print(json.dumps(facts))


def measured(cases: Iterable[dict[str, Any]], steps: int) -> list[dict[str, Any]]:
    """Figures of all cases, each of a process of its own."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "450m"
        save_checkpoint(big_model(), build_processor(build_tokenizer([NAME])), checkpoint)
        for case in cases:
            given = json.dumps({"checkpoint": str(checkpoint), "steps": steps, **case})
            done = subprocess.run(
                [sys.executable, __file__, "--case", given],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(found[-1]), flush=True)
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="about two minutes")
    parser.add_argument("--steps", type=int, help="updates after the first: 3, with --quick 1")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--full", action="store_true", help="all weights as well, in float32")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        given = json.loads(args.case)
        measure(Path(given.pop("checkpoint")), **given)
        return 0
    usual = usual_dtype(torch.device("cpu"), 450_000_000)
    dtypes = [usual] if args.quick else args.dtypes.split(",")
    cases = [
        {"full": False, "dtype": dtype, "checkpointing": checkpointing}
        for dtype in dtypes
        for checkpointing in (False, True)
    ]
    if args.full:
        cases.append({"full": True, "dtype": "float32", "checkpointing": False})
    steps = args.steps or (1 if args.quick else 3)
    print(json.dumps({"usual_dtype": usual, "cases": measured(cases, steps)}))
    return 0


if __name__ == "__main__":
    run_command(main)
