# SPDX-License-Identifier: Apache-2.0
"""Score answers against the truth, and ask a model many questions in few batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import torch
from transformers import Lfm2VlForConditionalGeneration, PreTrainedTokenizerFast

from lfmvl_ros.core.boxes import iou_matrix, match_greedily
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.datasets.questions import (
    FOUND_IOU,
    UNCOUNTED_IOU,
    Asked,
    Question,
    Target,
    any_question,
)
from lfmvl_warehouse.training.data.batches import images_of
from lfmvl_warehouse.training.data.examples import Encoder
from lfmvl_warehouse.training.data.sources import Scenes, View
from lfmvl_warehouse.training.model.network import patchify

HELD_OUT_SEED = 1_000_000
"""Training seeds stay below, held-out scenes start here."""


@dataclass(frozen=True)
class HeldOut(Asked):
    """A held-out scene, the question put to it, and how it is shown."""

    view: View


@dataclass(frozen=True)
class Verdict:
    """One answer compared with the truth.

    Attributes:
        valid: whether the answer was well-formed JSON.
        overlaps: for each expected object the IoU of the box that found it (at least 0.5), or 0.
        boxes: for each given box the IoU with the object it found, 0 when it found nothing, or
            None when it lies on an object too small or hidden to be expected: that counts
            neither way.
    """

    valid: bool
    overlaps: tuple[float, ...]
    boxes: tuple[float | None, ...]

    @property
    def false(self) -> int:
        """Number of boxes that found nothing."""
        return sum(box == 0 for box in self.boxes)


@dataclass(frozen=True)
class Scores:
    """Sums over answers, which add; :meth:`rates` turns them into shares.

    Attributes:
        answers: number of answers; valid: how many were well-formed JSON.
        truth, predicted, hits: boxes expected, given, and given right at IoU 0.5.
        iou_sum: IoU summed over the hits.
        nothing, nothing_right: questions about absent things only, and ``[]`` as their answer.
    """

    answers: int = 0
    valid: int = 0
    truth: int = 0
    predicted: int = 0
    hits: int = 0
    iou_sum: float = 0.0
    nothing: int = 0
    nothing_right: int = 0

    def __add__(self, other: Scores) -> Scores:
        return Scores(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @classmethod
    def of(cls, verdict: Verdict) -> Scores:
        """The scores of a single answer."""
        hits = sum(overlap > 0 for overlap in verdict.overlaps)
        nothing = int(not verdict.overlaps)
        return cls(
            answers=1,
            valid=int(verdict.valid),
            truth=len(verdict.overlaps),
            predicted=hits + verdict.false,
            hits=hits,
            iou_sum=sum(verdict.overlaps),
            nothing=nothing,
            nothing_right=int(nothing and verdict.valid and not verdict.false),
        )

    def rates(self) -> dict[str, float | None]:
        """Shares to four digits; None where there was nothing to count or nothing to find."""
        pairs = {
            "valid_json": (self.valid, self.answers),
            "recall50": (self.hits, self.truth),
            "precision50": (self.hits, self.predicted if self.truth else 0),
            "mean_iou": (self.iou_sum, self.hits),
            "absent_label_empty": (self.nothing_right, self.nothing),
        }
        return {
            name: round(part / whole, 4) if whole else None for name, (part, whole) in pairs.items()
        }

    def as_dict(self) -> dict[str, float]:
        """The sums, for logs."""
        return asdict(self)


def parse_strictly(text: str) -> list[tuple[str, np.ndarray]] | None:
    """(label, (4,) box) of a well-formed answer, or None: the model is judged, not helped."""
    try:
        items = json.loads(text)
        boxes = [(str(item["label"]), np.array(item["bbox"], float)) for item in items]
    except (ValueError, TypeError, KeyError):
        return None
    return boxes if all(box.shape == (4,) for _, box in boxes) else None


def judge(text: str, question: Question, targets: Sequence[Target]) -> Verdict:
    """Compare one answer with the truth.

    Boxes are matched one to one with expected objects of the same label, best IoU first, down to
    an IoU of 0.5.
    """
    given = parse_strictly(text)
    if given is None:
        return Verdict(False, (0.0,) * len(question.found), ())
    overlaps = [0.0] * len(question.found)
    boxes = [None if _on_uncounted(*item, targets) else 0.0 for item in given]
    for overlap, row, column in _best_pairs(given, question):
        overlaps[column] = boxes[row] = overlap
    return Verdict(True, tuple(overlaps), tuple(boxes))


def _best_pairs(
    given: list[tuple[str, np.ndarray]], question: Question
) -> list[tuple[float, int, int]]:
    """One-to-one (IoU, index of the given box, index of the expected object)."""
    if not given or not question.found:
        return []
    expected = np.stack([item.xyxy for item in question.found])
    overlaps = iou_matrix(np.stack([box for _, box in given]), expected)
    same = [[label == item.label for item in question.found] for label, _ in given]
    overlaps = np.where(np.array(same), overlaps, 0.0)
    return [
        (float(overlaps[row, column]), row, column)
        for row, column in match_greedily(overlaps, FOUND_IOU)
    ]


def _on_uncounted(label: str, box: np.ndarray, targets: Sequence[Target]) -> bool:
    others = [t.xyxy for t in targets if t.is_called(label) and not t.counts]
    return bool(others) and float(iou_matrix(box[None], np.stack(others)).max()) >= UNCOUNTED_IOU


def held_out(
    source: Scenes, views: Sequence[View], count: int, *, max_objects: int = 8, seed: int = 0
) -> list[HeldOut]:
    """Scenes never trained on, each with a question; the views in turn by their share."""
    shares = np.array([view.share for view in views])
    asked = []
    for index in range(count):
        rng = np.random.default_rng([HELD_OUT_SEED + seed, index])
        view = views[int(rng.choice(len(views), p=shares / shares.sum()))]
        scene = source.draw(rng, view.wh_px, max_objects)
        question = any_question(rng, scene.targets, source.vocabulary, max_objects=max_objects)
        asked.append(HeldOut(scene, question, view))
    return asked


@torch.inference_mode()
def answer(
    model: Lfm2VlForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    asked: Iterable[HeldOut],
    *,
    batch: int = 16,
    max_new_tokens: int = 300,
) -> list[tuple[HeldOut, str]]:
    """Greedy answers of the model, in batches that share a grid and are of like length.

    Views are of whole images; tiles go through the real processor, in the benchmark.
    """
    encoder = Encoder(tokenizer)
    entries = []
    for item in asked:
        prompt = CARD_TEMPLATE.text.replace("{query}", ", ".join(item.question.labels))
        entries.append((item, encoder.prompt(prompt, item.view.grid)))
    entries.sort(
        key=lambda e: (e[0].view.grid.columns, e[0].view.grid.rows, len(e[0].question.found))
    )
    answers: list[tuple[HeldOut, str]] = []
    while entries:
        grid = entries[0][0].view.grid
        part = [entry for entry in entries[:batch] if entry[0].view.grid == grid]
        entries = entries[len(part) :]
        length = max(len(ids) for _, ids in part)
        ids = torch.zeros(len(part), length, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, (_, prompt_ids) in enumerate(part):
            ids[row, length - len(prompt_ids) :] = torch.from_numpy(prompt_ids)
            mask[row, length - len(prompt_ids) :] = 1
        pixels = np.stack([images_of(item.scene.pixels, grid)[0] for item, _ in part])
        inputs = {
            "input_ids": ids,
            "attention_mask": mask,
            "pixel_values": patchify([torch.from_numpy(pixels)], grid).to(model.dtype),
            "pixel_attention_mask": torch.ones(len(part), grid.patches, dtype=torch.int32),
            "spatial_shapes": torch.tensor([[grid.rows, grid.columns]] * len(part)),
        }
        output = model.generate(
            **{name: value.to(model.device) for name, value in inputs.items()},
            max_new_tokens=max_new_tokens,
            do_sample=False,
        )
        texts = tokenizer.batch_decode(output[:, length:], skip_special_tokens=True)
        answers += [(item, text) for (item, _), text in zip(part, texts, strict=True)]
    return answers


def evaluate(
    model: Lfm2VlForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    asked: Sequence[HeldOut],
) -> Scores:
    """Scores of the greedy answers on the fast path of training.

    The benchmark goes through the real processor instead.
    """
    total = Scores()
    for item, text in answer(model, tokenizer, asked):
        total += Scores.of(judge(text, item.question, item.scene.targets))
    return total
