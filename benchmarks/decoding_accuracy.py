# SPDX-License-Identifier: Apache-2.0
"""What int8 and bfloat16 weights cost the bundled checkpoint in boxes: the same questions to each.

    python benchmarks/decoding_accuracy.py [--share 1.0] [--kinds float32 bfloat16 int8]

The questions of checkpoint.py that count in its totals (740; `--share 0.1`: 74), through the
decoder that the node uses, one at a time. All precisions are asked question by question, so the
figures hold at any time; recall, precision (IoU 0.5) and mean IoU are printed as they come, with
the differences to the first precision. `int8-language` has the vision tower in float32. The last
line is one JSON object. Takes some minutes on a quiet core.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from needs import end, needed_packages, run_command

with needed_packages():
    import numpy as np
    import torch
    from checkpoint_questions import in_totals, questions
    from precisions import LANGUAGE, bundled_in

    from lfmvl_ros.core.ask import ask
    from lfmvl_ros.core.config import GenerationSettings, PerceptionSettings
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.datasets.judging import Scores, judge

KINDS = ("float32", "bfloat16", "int8", LANGUAGE)
SETTINGS = PerceptionSettings(generation=GenerationSettings(timeout_s=600.0))


def figures(scores: dict[str, Scores], texts: dict[str, list[str]]) -> dict[str, Any]:
    """Rates of each precision, and how far they are from the first one's."""
    first = next(iter(scores))
    reference = scores[first].rates()
    found = {}
    for kind, score in scores.items():
        rates = {k: v for k, v in score.rates().items() if k in reference and v is not None}
        off = {f"{k}_off": round(v - reference[k], 4) for k, v in rates.items()}
        same = sum(a == b for a, b in zip(texts[kind], texts[first], strict=True))
        found[kind] = {**rates, **(off if kind != first else {}), "same_text": same}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the questions")
    parser.add_argument("--kinds", nargs="+", default=KINDS[:3], choices=KINDS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    asked = [item for item in questions(args.share) if in_totals(item.slice) and not item.tiles]
    models = {kind: model for kind in args.kinds if (model := bundled_in(kind)) is not None}
    if not models:
        end("none of these precisions runs on this machine")
    scores, cpu_s = {kind: Scores() for kind in models}, dict.fromkeys(models, 0.0)
    texts: dict[str, list[str]] = {kind: [] for kind in models}
    order = np.random.default_rng(0).permutation(len(asked))  # any part is a fair sample
    for count, index in enumerate(order, start=1):
        item = asked[index]
        pixels = np.ascontiguousarray(item.scene.pixels)
        for kind, model in models.items():
            start_s = time.process_time()
            (answer,) = ask(model, [pixels], Query(tuple(item.question.labels)), SETTINGS)
            cpu_s[kind] += time.process_time() - start_s
            text = answer.reply.text
            texts[kind].append(text)
            verdict = judge(text, item.question, item.scene.targets)
            scores[kind] = scores[kind] + Scores.of(verdict)
        if count % 20 == 0:
            print(count, json.dumps(figures(scores, texts)), flush=True)
    result = figures(scores, texts)
    for kind in result:
        result[kind]["cpu_s_each"] = round(cpu_s[kind] / len(asked), 4)
    print(json.dumps({"questions": len(asked), **result}))


if __name__ == "__main__":
    run_command(main)
