# SPDX-License-Identifier: Apache-2.0
"""The bundled checkpoint in this process and behind llama.cpp's server: same answers? how fast?

    python benchmarks/servers.py [--quick]

For each precision of the weights, here and behind the server: the share of held-out questions whose
answer has the same text, and the same objects (outcome, labels, boxes), as with transformers; how
far confidences differ; the median time of an answer, interleaved with that of the other backends;
and how long it takes until a request that is given up returns, and until the server is free for the
next one. What drafts save, and the size of a published checkpoint: servers_450m.py.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    from checkpoint_questions import Asked, in_totals, questions
    from precisions import bundled_in

    from lfmvl_ros.core.ask import ask
    from lfmvl_ros.core.config import GenerationSettings, PerceptionSettings
    from lfmvl_ros.core.grounding import Grounding
    from lfmvl_ros.core.model import VisionLanguageModel
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.models.catalog import find
    from lfmvl_ros.models.gguf.export import export_gguf
    from lfmvl_ros.models.load import load_model
    from lfmvl_ros.models.server.managed import check_program

KINDS = ("f16", "q8_0", "q4_0")
OWN = ("bfloat16", "int8")  # in this process, beside float32
HERE = "transformers"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    found = argparse.ArgumentParser(description=f"{__doc__.splitlines()[0]} Takes about 6 minutes.")
    found.add_argument("--questions", type=int, help="how many (default 40, with --quick 8)")
    found.add_argument("--quick", action="store_true", help="f16 and int8 only, less than a minute")
    found.add_argument("--kinds", nargs="+", choices=(*KINDS, *OWN), help="default: all")
    found.add_argument("--out", type=Path, help="write the figures as JSON, too")
    return found


def chosen(count: int) -> list[Asked]:
    """Return held-out questions, spread evenly over all slices."""
    every = [asked for asked in questions(0.1) if in_totals(asked.slice) and not asked.tiles]
    return [every[i] for i in np.linspace(0, len(every) - 1, count).round().astype(int)]


def same_objects(a: Grounding, b: Grounding) -> bool:
    """Whether two answers say the same: outcome, labels, boxes and kind of confidence."""
    return (
        a.outcome == b.outcome
        and a.detections.labels == b.detections.labels
        and np.array_equal(a.detections.xyxy_px, b.detections.xyxy_px)
        and a.confidence_kind == b.confidence_kind
    )


def measure(
    models: dict[str, VisionLanguageModel], every: list[Asked]
) -> dict[str, dict[str, Any]]:
    """Ask every model every question in turn; return the figures of each."""
    settings = PerceptionSettings(generation=GenerationSettings(timeout_s=120.0))
    answers: dict[str, list[Grounding]] = {name: [] for name in models}
    times: dict[str, list[float]] = {name: [] for name in models}
    for item in every:
        pixels = np.ascontiguousarray(item.scene.pixels)
        query = Query.parse(", ".join(item.question.labels))
        for name, model in models.items():
            start_s = time.monotonic()
            answers[name] += ask(model, [pixels], query, settings)
            times[name].append(time.monotonic() - start_s)
    return {name: figures(answers[name], answers[HERE], times[name]) for name in models}


def figures(found: list[Grounding], wanted: list[Grounding], times: list[float]) -> dict[str, Any]:
    """Compare one model's answers with those of transformers."""
    pairs = list(zip(found, wanted, strict=True))
    differences = [
        float(np.abs(a.detections.scores - b.detections.scores).max())
        for a, b in pairs
        if same_objects(a, b) and len(a.detections)
    ]
    return {
        "questions": len(pairs),
        "same_text": sum(a.reply.text == b.reply.text for a, b in pairs),
        "same_objects": sum(same_objects(a, b) for a, b in pairs),
        "largest_score_difference": round(max(differences, default=0.0), 4),
        "median_s": round(float(np.median(times)), 3),
        "median_to_first_token_s": round(
            float(np.median([a.reply.times.total_s - a.reply.times.decode_s for a in found])), 3
        ),
        "median_decode_s": round(float(np.median([a.reply.times.decode_s for a in found])), 3),
    }


def giving_up(model: VisionLanguageModel, item: Asked) -> dict[str, float]:
    """Return how long a deadline of 0.1 s takes, and what it costs the answer after it."""
    settings = PerceptionSettings(generation=GenerationSettings(timeout_s=120.0))
    hasty = replace(settings, generation=GenerationSettings(timeout_s=0.1))
    pixels, query = np.ascontiguousarray(item.scene.pixels), ", ".join(item.question.labels)
    late, whole, after = [], [], []
    for _ in range(10):
        start_s = time.monotonic()
        ask(model, [pixels], query, settings)
        whole.append(time.monotonic() - start_s)
        start_s = time.monotonic()
        ask(model, [pixels], query, hasty)
        late.append(time.monotonic() - start_s - 0.1)
        start_s = time.monotonic()
        ask(model, [pixels], query, settings)
        after.append(time.monotonic() - start_s)
    return {
        "late_after_deadline_s": round(float(np.median(late)), 4),
        "latest_after_deadline_s": round(max(late), 4),
        "next_answer_delayed_s": round(float(np.median(after) - np.median(whole)), 3),
    }


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    check_program()
    with tempfile.TemporaryDirectory() as folder:
        found = run(args, Path(folder))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def run(args: argparse.Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """Export, load, measure."""
    bundled = find("bundled")
    assert bundled is not None
    models: dict[str, VisionLanguageModel] = {}
    try:
        models[HERE] = load_model("bundled", device="cpu")
        kinds = args.kinds or (("f16", "int8") if args.quick else (*KINDS, *OWN))
        for kind in kinds:
            if kind in OWN:
                if (own := bundled_in(kind)) is not None:
                    models[kind] = own
                continue
            files = export_gguf(
                Path(bundled.source), folder, kind, name="bundled", catalogue_name="bundled"
            )
            models[kind] = load_model(str(files.text), device="cpu")
        every = chosen(args.questions or (8 if args.quick else 40))
        found = measure(models, every)
        longest = max(every, key=lambda item: len(item.question.labels))
        for name, model in models.items():
            found[name].update(giving_up(model, longest))
            print(name, json.dumps(found[name]), flush=True)
    finally:
        for model in models.values():
            model.close()
    return found


if __name__ == "__main__":
    run_command(main)
