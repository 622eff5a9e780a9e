# SPDX-License-Identifier: Apache-2.0
"""Trained weights merged into a checkpoint: the same names, shapes and precision as it had."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lfmvl_ros.finetune.start import Start
from lfmvl_ros.models.lfm2_vl.loading import load_checkpoint

# Beside the weights of a start: about other weights than the new ones, or made again.
_LEFT_BEHIND = {"README.md", "calibration.json", "training.json", "scores.json"}
_NOT_WEIGHTS = (".json", ".jinja", ".txt", ".model")


def merged_model(
    start: Start,
    weights: Mapping[str, Tensor],
    device: torch.device,
    dtype: torch.dtype,
    *,
    strength: float = 1.0,
) -> tuple[Any, Any]:
    """Return (model, processor) of the start with trained weights in their places.

    Weights are rounded to the precision of the checkpoint first, so that the model answers as the
    written one will.

    Args:
        start: the checkpoint.
        weights: by the names that the model's parameters have.
        device: for the model.
        dtype: to compute in.
        strength: 1 for these weights, less for weights between the start's and these, as in
            WiSE-FT (https://arxiv.org/abs/2109.01903).
    """
    model, processor = load_checkpoint(str(start.directory), torch.device("cpu"), start.dtype)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in weights.items():
            own = parameters[name]
            own.copy_(torch.lerp(own.float(), value.float(), strength))
    return model.to(device, dtype).eval(), processor


def write_checkpoint(
    start: Start, weights: Mapping[str, Tensor], folder: Path, *, strength: float = 1.0
) -> None:
    """Write the start's files with trained weights into an empty folder.

    Configuration, processor and tokenizer are copied as they are: written anew, they would state
    what this run computed with (such as ``float32`` in each part of the configuration).
    """
    cpu = torch.device("cpu")
    model, _ = merged_model(start, weights, cpu, start.dtype, strength=strength)
    model.save_pretrained(folder)
    for path in start.directory.iterdir():
        index = path.name.endswith(".safetensors.index.json")
        if path.suffix in _NOT_WEIGHTS and path.name not in _LEFT_BEHIND and not index:
            shutil.copyfile(path, folder / path.name)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors files come out readable by their owner only
