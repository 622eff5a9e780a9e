# SPDX-License-Identifier: Apache-2.0
"""Precision and checkpointing of a run, chosen so that it fits into memory; else a refusal."""

from __future__ import annotations

from dataclasses import replace

import torch

from lfmvl_ros.core.image_tokens import count_image_tokens
from lfmvl_ros.finetune.data import TrainingData
from lfmvl_ros.finetune.estimate import MemoryPlan, check_memory, fits, free_bytes
from lfmvl_ros.finetune.settings import FinetuneSettings
from lfmvl_ros.finetune.start import Start
from lfmvl_ros.models.lfm2_vl.bfloat16 import is_quick_in_bfloat16

_WORDS = 160  # tokens of a question and its answer, beside those of the image
_TOKENS_A_NAME = 4  # that have an embedding of their own to train
_LARGE = 100_000_000  # parameters: from here on, bfloat16 on a CPU that has it


def usual_dtype(device: torch.device, parameters: int) -> str:
    """Return the precision of a model of this many parameters, unless told otherwise."""
    large = device.type == "cuda" or parameters >= _LARGE
    return "bfloat16" if large and is_quick_in_bfloat16(device) else "float32"


def with_towers(settings: FinetuneSettings, start: Start, data: TrainingData) -> FinetuneSettings:
    """Return the settings with ``towers`` decided.

    Names that the start knows need no change of its language tower, which would only forget others
    (docs/experiments/finetune.md).
    """
    towers = settings.towers
    if towers == "auto":
        known = not settings.full and start.lists(data.names)
        towers = "vision" if known else "both"
    return replace(settings, towers=towers)


def make_plan(
    data: TrainingData, start: Start, settings: FinetuneSettings, device: torch.device
) -> MemoryPlan:
    """Return the choices for a run.

    Raises:
        UserError: it would not fit into memory; names what would.
    """
    rules = start.rules(settings.image_tokens)
    sizes = {picture.wh_px for part in data.parts for picture in part.folder.training}
    image_tokens = max(count_image_tokens(wh, rules).tokens for wh in sizes)
    dtype = settings.dtype
    if dtype == "auto":
        dtype = usual_dtype(device, start.parameters)
    width = start.config["text_config"]["hidden_size"]
    towers = with_towers(settings, start, data).towers
    adapters = settings.rank * start.adapter_width[towers]
    if towers == "both":
        adapters += _TOKENS_A_NAME * width * len(data.names)
    plan = MemoryPlan(
        full=settings.full,
        dtype=dtype,
        checkpointing=settings.checkpointing == "always",
        trained=start.parameters if settings.full else adapters,
        image_tokens=image_tokens,
        tokens=settings.questions * (image_tokens + _WORDS),
    )
    free = free_bytes(device)
    if settings.checkpointing == "auto" and not fits(start.config, start.parameters, plan, free):
        plan = plan.changed(checkpointing=True)
    check_memory(start.config, start.parameters, plan, free, adapters=adapters)
    return plan
