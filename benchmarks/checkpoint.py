# SPDX-License-Identifier: Apache-2.0
"""Score a checkpoint on held-out warehouse scenes, through its own processor and `generate`.

    python benchmarks/checkpoint.py [--quick] [--checkpoint DIR] [--write]

Greedy answers to questions about scenes whose seeds no training uses. Slices: stills of several
sizes, easy stills (up to 5 unoccluded objects), dim ones, frames of scene videos, questions with a
colour or an attribute, questions about absent things; over all of these, recall on small and on
occluded objects. No object has a look that training has seen. Beside them, and not in the totals,
the same stills asked about in English and in every other language (`language:de` ...), with each
label in another one, and for three decimals; 1280x720 stills whole and in tiles; captions. The
last line is one JSON object: 1,298 questions in ten minutes, `--quick` a fifth of them in two.
`--write` puts it beside the weights and renews their card; `--page` draws the best and the worst
answers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from needs import end, needed_packages, run_command

with needed_packages():
    import numpy as np
    import torch
    from checkpoint_questions import Asked, captions, in_totals, questions  # found beside this file
    from PIL import Image

    from lfmvl_ros.datasets.judging import JudgedReply, Scores, judge
    from lfmvl_ros.datasets.questions import LabelledImage, Question, Target
    from lfmvl_ros.models.checkpoint_files import NO_REMOTE_CODE
    from lfmvl_ros.models.lfm2_vl.image_processing import register_image_processor
    from lfmvl_warehouse.scenes import PLURALS
    from lfmvl_warehouse.training.data.captions import CAPTION_PROMPT, describe, phrases_of
    from lfmvl_warehouse.training.model.build import count_parameters
    from lfmvl_warehouse.training.run.card import SCORES_FILE, write_card

BUNDLED = Path(__file__).parents[1] / "lfmvl_warehouse" / "checkpoint"
SMALL_AREA = 0.01
OCCLUDED = 0.75
_BATCH = 8
_MAX_NEW_TOKENS = 320


class Answered(NamedTuple):
    """A question with its answer: `sure` is the model's confidence in each of its boxes."""

    slice: str
    scene: LabelledImage
    question: Question
    text: str
    verdict: JudgedReply
    sure: list[float]


class Checkpoint:
    """A checkpoint directory, asked through its processor and `generate`."""

    def __init__(self, directory: Path) -> None:
        register_image_processor()
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.processor = AutoProcessor.from_pretrained(directory, **NO_REMOTE_CODE)
        self.processor.tokenizer.padding_side = "left"
        self.model = AutoModelForImageTextToText.from_pretrained(
            directory, dtype=torch.float32, **NO_REMOTE_CODE
        )
        self.model.eval()

    def inputs(self, asked: Sequence[Asked]) -> dict[str, torch.Tensor]:
        """Model inputs of several questions."""
        texts = [
            item.template.text.replace("{query}", ", ".join(item.question.labels)) for item in asked
        ]
        return self.prepared([item.scene for item in asked], texts, tiles=asked[0].tiles)

    def prepared(
        self, scenes: Sequence[LabelledImage], texts: Sequence[str], *, tiles: bool = False
    ) -> dict[str, torch.Tensor]:
        """Model inputs of images and what is said to them."""
        conversations = []
        for scene, text in zip(scenes, texts, strict=True):
            image = {"type": "image", "image": Image.fromarray(scene.pixels)}
            content = [image, {"type": "text", "text": text}]
            conversations.append([{"role": "user", "content": content}])
        return self.processor.apply_chat_template(
            conversations,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "do_image_splitting": tiles},
        )

    @torch.inference_mode()
    def sentences(self, scenes: Sequence[LabelledImage]) -> list[str]:
        """The answers to a request for a caption, as they are."""
        inputs = self.prepared(scenes, [CAPTION_PROMPT] * len(scenes))
        output = self.model.generate(**inputs, do_sample=False, max_new_tokens=_MAX_NEW_TOKENS)
        start = inputs["input_ids"].shape[1]
        return self.processor.tokenizer.batch_decode(output[:, start:], skip_special_tokens=True)

    @torch.inference_mode()
    def answers(self, asked: Sequence[Asked]) -> list[tuple[str, list[float]]]:
        """Text of each answer, and for each of its objects how sure the model was."""
        inputs = self.inputs(asked)
        output = self.model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=_MAX_NEW_TOKENS,
            output_logits=True,
            return_dict_in_generate=True,
        )
        start = inputs["input_ids"].shape[1]
        ids = output.sequences[:, start:]
        logs = torch.stack(output.logits, 1).log_softmax(-1)
        chosen = logs.gather(2, ids[..., None])[..., 0]
        tokenizer = self.processor.tokenizer
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [
            (text, object_confidence([tokenizer.decode([i]) for i in row], values))
            for text, row, values in zip(texts, ids.tolist(), chosen.tolist(), strict=True)
        ]


def object_confidence(pieces: Sequence[str], logs: Sequence[float]) -> list[float]:
    """For each object the probability of its label's tokens and of the token that opened it."""
    found: list[float] = []
    opening, total, inside = 0.0, 0.0, False
    for place, (piece, value) in enumerate(zip(pieces, logs, strict=True)):
        if piece.strip() in ('[{"', "]},"):
            opening = value
        if place >= 3 and pieces[place - 1] == ' "' and pieces[place - 3] == "label":
            inside, total = True, opening
        if inside:
            total += value
            if piece.startswith('"'):
                inside = False
                found.append(float(np.exp(total)))
    return found


def mean_average_precision(verdicts: Sequence[tuple[JudgedReply, list[float]]]) -> float:
    """Area under precision over recall, IoU 0.50 to 0.95, all labels pooled (101 points)."""
    truth = sum(len(v.overlaps) for v, _ in verdicts)
    boxes = [pair for v, sure in verdicts for pair in zip(sure, v.boxes, strict=False)]
    boxes = sorted((b for b in boxes if b[1] is not None), key=lambda b: -b[0])
    overlaps = np.array([overlap for _, overlap in boxes])
    if not truth or not len(overlaps):
        return 0.0
    areas = []
    for threshold in np.arange(0.5, 0.96, 0.05):
        right = np.cumsum(overlaps >= threshold)
        precision = right / np.arange(1, len(right) + 1)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(right / truth, np.linspace(0, 1, 101))
        areas.append(np.mean([best[p] if p < len(best) else 0.0 for p in places]))
    return float(np.mean(areas))


def milliseconds_per_frame(checkpoint: Checkpoint, asked: Sequence[Asked]) -> float:
    """Median time of one question on one thread: processor, vision, prefill and decoding."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    times = []
    for item in asked:
        begun = time.perf_counter()
        checkpoint.answers([item])
        times.append(time.perf_counter() - begun)
    torch.set_num_threads(threads)
    return float(np.median(times[1:]) * 1e3)


def answered(checkpoint: Checkpoint, asked: Sequence[Asked]) -> list[Answered]:
    """All answers with their verdicts."""
    done: list[Answered] = []
    for tiles in (False, True):
        mine = [item for item in asked if item.tiles == tiles]
        order = sorted(mine, key=lambda a: (a.scene.pixels.shape, len(a.question.found)))
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            for item, (text, sure) in zip(part, checkpoint.answers(part), strict=True):
                verdict = judge(text, item.question, item.scene.targets)
                done.append(Answered(item.slice, item.scene, item.question, text, verdict, sure))
            print(f"\r{len(done)} of {len(asked)}", end="", flush=True)
    print()
    return done


def counted(done: Sequence[Answered]) -> list[Answered]:
    """What the totals are about."""
    return [item for item in done if in_totals(item.slice)]


def found_where(done: Sequence[Answered], wanted: Callable[[Target], bool]) -> dict[str, Any]:
    """Recall and mean IoU of the objects of a certain sort."""
    overlaps = [
        overlap
        for item in done
        for found, overlap in zip(item.question.found, item.verdict.overlaps, strict=True)
        if wanted(found.target)
    ]
    return {
        "objects": len(overlaps),
        "recall50": round(float(np.mean([o > 0 for o in overlaps] or [0])), 4),
        "mean_iou": round(float(np.mean([o for o in overlaps if o > 0] or [0])), 4),
    }


def is_small(target: Target) -> bool:
    """Less than a hundredth of the image."""
    return target.area < SMALL_AREA


def described(checkpoint: Checkpoint, scenes: Sequence[LabelledImage]) -> dict[str, Any]:
    """How much of what captions should say they do, phrase by phrase ("two totes")."""
    valid = said = wanted = right = 0
    for start in range(0, len(scenes), _BATCH):
        part = scenes[start : start + _BATCH]
        for scene, answer in zip(part, checkpoint.sentences(part), strict=True):
            given, true = phrases_of(answer), describe(scene.targets, PLURALS)
            valid += given is not None
            said, wanted = said + len(given or []), wanted + len(true)
            right += len(set(given or []) & {phrase.text for phrase in true})
    return {
        "answers": len(scenes),
        "valid_json": round(valid / len(scenes), 4),
        "phrases_found": round(right / max(1, wanted), 4),
        "phrases_right": round(right / max(1, said), 4),
    }


def decimals_kept(done: Sequence[Answered]) -> float | None:
    """Share of answers with something in them whose numbers all have three decimals."""
    numbers = [re.findall(r"\d\.(\d+)", item.text) for item in done if item.text != "[]"]
    if not numbers:
        return None
    return round(float(np.mean([all(len(n) == 3 for n in found) for found in numbers])), 4)


def measure(done: Sequence[Answered], names: Sequence[str]) -> dict:
    """Everything the last line says, but sizes and time."""
    slices = {}
    for name in names:
        mine = [Scores.of(item.verdict) for item in done if item.slice == name]
        slices[name] = {"answers": len(mine), **sum(mine, Scores()).rates()}
    for name in ("tiled", "untiled"):
        large = [item for item in done if item.slice == name]
        slices[f"{name}_small"] = found_where(large, is_small)
    three = [item for item in done if item.slice == "three_decimals"]
    slices["three_decimals"]["kept"] = decimals_kept(three)
    done = counted(done)
    slices["small"] = found_where(done, is_small)
    slices["occluded"] = found_where(done, lambda target: target.visibility < OCCLUDED)
    total = sum((Scores.of(item.verdict) for item in done), Scores())
    pooled = mean_average_precision([(item.verdict, item.sure) for item in done])
    return {
        "answers": len(done),
        **total.rates(),
        "map50_95": round(pooled, 4),
        "by_slice": slices,
    }


def main() -> None:
    """Measure, print, and on request write beside the weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED)
    parser.add_argument("--quick", action="store_true", help="a fifth of the questions")
    parser.add_argument("--share", type=float, default=None, help="share of the questions")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="scores.json and card of the weights")
    parser.add_argument("--page", type=Path, metavar="PNG", help="draw good and bad answers")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if not (args.checkpoint / "config.json").is_file():
        end(f"{args.checkpoint} is not the directory of a checkpoint: it has no config.json")
    checkpoint = Checkpoint(args.checkpoint)
    share = args.share if args.share is not None else 0.2 if args.quick else 1.0
    asked = questions(share)
    done = answered(checkpoint, asked)
    result = measure(done, list(dict.fromkeys(item.slice for item in asked)))
    result["by_slice"]["caption"] = described(checkpoint, list(captions(share)))
    if args.page:
        from checkpoint_page import write_page  # found beside this file when it is run

        write_page(counted(done), args.page)
    frames = [item for item in asked if item.slice == "video_640x480"][:8]
    result |= {
        "params": count_parameters(checkpoint.model),
        "bytes": sum(p.stat().st_size for p in args.checkpoint.iterdir()),
        "ms_per_frame": round(milliseconds_per_frame(checkpoint, frames), 1),
    }
    for name, rates in result["by_slice"].items():
        print(f"{name:16}", {key: value for key, value in rates.items() if value is not None})
    if args.write:
        text = json.dumps(result, indent=1) + "\n"
        (args.checkpoint / SCORES_FILE).write_text(text, encoding="utf-8")
        print("wrote", write_card(args.checkpoint))
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
