# SPDX-License-Identifier: Apache-2.0
"""Ask a model many questions with known answers in few batches, on the fast path of training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import Lfm2VlForConditionalGeneration, PreTrainedTokenizerFast

from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.datasets.judging import Scores, judge
from lfmvl_ros.datasets.questions import Asked, any_question
from lfmvl_warehouse.training.data.batches import images_of
from lfmvl_warehouse.training.data.examples import ExampleEncoder
from lfmvl_warehouse.training.data.sources import Scenes, SceneView
from lfmvl_warehouse.training.model.network import patchify

HELD_OUT_SEED = 1_000_000
"""Training seeds stay below, held-out scenes start here."""


@dataclass(frozen=True)
class HeldOut(Asked):
    """A held-out scene, the question put to it, and how it is shown."""

    view: SceneView


def held_out(
    source: Scenes, views: Sequence[SceneView], count: int, *, max_objects: int = 8, seed: int = 0
) -> list[HeldOut]:
    """Scenes never trained on, each with a question; the views in turn by their share."""
    shares = np.array([view.share for view in views])
    asked = []
    for index in range(count):
        rng = np.random.default_rng([HELD_OUT_SEED + seed, index])
        view = views[int(rng.choice(len(views), p=shares / shares.sum()))]
        scene = source.draw(rng, view.wh_px, max_objects)
        question = any_question(
            rng, scene.targets, scene.words or source.vocabulary, max_objects=max_objects
        )
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
    encoder = ExampleEncoder(tokenizer)
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
