# SPDX-License-Identifier: Apache-2.0
"""Draw the passes an answer takes, from the records of decoding_identity.py.

    python benchmarks/decoding_plot.py out/decoding/float32.jsonl docs/images/decoding.png

It takes a few seconds and asks no model.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from needs import end, needed_packages, run_command

with needed_packages():
    import matplotlib as mpl
    import numpy as np

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from decoding_scripts import COUNTS, MOTIONS

COLOURS = {3: "#9ecae1", 6: "#4292c6", 10: "#084594"}
BARS = {"static": 15, "slow": 8, "fast": 4, "pan": 4}  # tokens to passes to be reached


def draw(records: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
    width = 0.8 / len(COUNTS)
    for place, kind in enumerate(MOTIONS):
        for column, count in enumerate(COUNTS):
            rows = [r for r in records if r["kind"] == kind and r["objects"] == count]
            if not rows:
                continue
            x = place + (column - 1) * width
            tokens = np.array([row["tokens"] for row in rows])
            passes = np.array([row["forwards"] for row in rows])
            axes.bar(x, tokens.mean(), width * 0.92, color="#e4e4e4")
            low, middle, high = np.percentile(passes, (10, 50, 90))
            label = f"{count} objects" if not place else None
            axes.bar(x, passes.mean(), width * 0.92, color=COLOURS[count], label=label)
            axes.plot([x, x], [low, high], color="black", linewidth=0.8)
            axes.text(
                x, tokens.mean() * 1.04, f"{tokens.sum() / passes.sum():.0f}x",
                ha="center", fontsize=7,
            )  # fmt: skip
            axes.plot(x, middle, marker="_", color="black", markersize=6)
    axes.set_yscale("log")
    axes.set_ylim(1, 400)
    axes.set_yticks(
        [1, 2, 5, 10, 20, 50, 100, 200], ["1", "2", "5", "10", "20", "50", "100", "200"]
    )
    axes.set_xticks(range(len(MOTIONS)), [f"{kind}\n(goal: {BARS[kind]}x)" for kind in MOTIONS])
    axes.set_ylabel("passes an answer")
    same = sum(record["identical"] for record in records)
    axes.set_title(
        f"{same} of {len(records)} answers identical to generate; grey: generate, a pass a token;\n"
        "lines: 10th, 50th and 90th percentile",
        fontsize=8,
    )
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=100, pil_kwargs={"optimize": True})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("records", type=Path)
    parser.add_argument("image", type=Path)
    args = parser.parse_args()
    if not args.records.is_file():
        writer = f"python benchmarks/decoding_identity.py --out {args.records}"
        end(f"no {args.records}: `{writer}` writes it")
    records = [json.loads(line) for line in args.records.read_text().splitlines()[1:]]
    draw(records, args.image)


if __name__ == "__main__":
    run_command(main)
