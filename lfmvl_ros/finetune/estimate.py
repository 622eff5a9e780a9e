# SPDX-License-Identifier: Apache-2.0
"""Time and memory: what a run will need, before it starts and once a few updates are measured."""

from __future__ import annotations

import resource
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lfmvl_ros.core.errors import UserError

_GB = 1e9
_PROGRAM = 0.6e9  # bytes of Python, torch and transformers, and of what allocators hold back
_TEXT, _VISION = 16, 16  # widths of activations that each block keeps, besides the feed-forward's
_FF = 4
_FEWEST = 64  # image tokens that are worth advising
_SPARE = 0.92  # of what is free: other programs keep running


@dataclass(frozen=True)
class Estimate:
    """What a run takes, measured over its first updates.

    Attributes:
        step_s: seconds of an update.
        steps: updates in all.
        judge_s: seconds of a judgement.
        judgements: how many.
        memory_bytes: the most in use so far.
    """

    step_s: float
    steps: int
    judge_s: float
    judgements: int
    memory_bytes: int

    @property
    def total_s(self) -> float:
        """Seconds of the whole run."""
        return self.step_s * self.steps + self.judge_s * (self.judgements + 1)

    def sentence(self) -> str:
        """One sentence for the user."""
        end = time.strftime("%H:%M", time.localtime(time.time() + self.total_s))
        return (
            f"{self.step_s:.2f} s an update and {self.judge_s:.0f} s a judgement: {self.steps} "
            f"updates take about {_duration(self.total_s)}, until {end} if all are made; "
            f"{self.memory_bytes / _GB:.1f} GB of memory in use so far"
        )

    def as_dict(self) -> dict[str, float]:
        """The figures, for the log."""
        return asdict(self)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def peak_bytes(learner: Any) -> int:
    """Return the most memory that was in use: of the GPU, or of this process."""
    if learner.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(learner.device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def free_bytes(device: torch.device) -> int:
    """Return how much memory a run may take on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("MemAvailable:")
    ]
    limit, used = (
        _number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current")
    )
    if limit is not None and used is not None:
        found.append(limit - used)
    return min(found)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # "max", or another system
        return None


@dataclass(frozen=True)
class MemoryPlan:
    """The choices that determine how much memory a run takes.

    Attributes:
        full: train all weights.
        dtype: of the computation, ``float32`` or ``bfloat16``.
        checkpointing: compute activations again.
        trained: trained parameters.
        image_tokens: of the largest image.
        tokens: of the longest forward pass.
    """

    full: bool
    dtype: str
    checkpointing: bool
    trained: int
    image_tokens: int
    tokens: int

    def changed(self, **changes: Any) -> MemoryPlan:
        """Return the same with other choices."""
        return replace(self, **changes)


def needed_bytes(config: dict[str, Any], parameters: int, plan: MemoryPlan) -> int:
    """Estimate the memory of a run.

    The coefficients were fitted to peaks reported for the 450M shape on a CPU, which a test names.
    They are rough: within 35 % of these peaks.

    Args:
        config: ``config.json`` of the checkpoint.
        parameters: number of its weights.
        plan: the choices.
    """
    text, vision = config["text_config"], config["vision_config"]
    width = 4 if plan.dtype == "float32" else 2
    weights = parameters * (4 if plan.full else width)
    trained = plan.trained * (4 + 8)  # gradients and Adam's moments
    trained += 0 if plan.full else 4 * plan.trained
    patches = plan.image_tokens * int(config.get("downsample_factor", 2)) ** 2
    text_block = plan.tokens * (
        _TEXT * text["hidden_size"] + _FF * text.get("intermediate_size", 4 * text["hidden_size"])
    )
    vision_block = patches * (
        _VISION * vision["hidden_size"] + _FF * vision.get("intermediate_size", 0)
    )
    blocks = text["num_hidden_layers"] * text_block + vision["num_hidden_layers"] * vision_block
    if plan.checkpointing:
        blocks = 2 * max(text_block, vision_block) + (
            text["num_hidden_layers"] * plan.tokens * text["hidden_size"]
            + vision["num_hidden_layers"] * patches * vision["hidden_size"]
        )
    return int(_PROGRAM + weights + trained + blocks * width)


def fits(config: dict[str, Any], parameters: int, plan: MemoryPlan, free: int) -> bool:
    """Return whether a run would fit into so many free bytes, with some to spare."""
    return needed_bytes(config, parameters, plan) <= _SPARE * free


def check_memory(
    config: dict[str, Any], parameters: int, plan: MemoryPlan, free: int, *, adapters: int
) -> None:
    """Refuse a run that would not fit, naming what would.

    Args:
        config: ``config.json`` of the checkpoint.
        parameters: number of its weights.
        plan: what is asked for.
        free: bytes that may be used.
        adapters: trained parameters of a run with adapters.

    Raises:
        UserError: it does not fit.
    """
    if fits(config, parameters, plan, free):
        return
    light = plan.changed(dtype="bfloat16", checkpointing=True)
    slim = light.changed(full=False, trained=adapters)
    small = slim.changed(
        image_tokens=_FEWEST, tokens=max(1, plan.tokens * _FEWEST // max(1, plan.image_tokens))
    )
    advice = "take a smaller checkpoint, or a machine with more memory"
    for words, other in (
        ("--dtype bfloat16 --checkpointing always", light),
        ("--dtype bfloat16 --checkpointing always without --full", slim),
        (f"the same with --image-tokens {_FEWEST}, without --full", small),
    ):
        if fits(config, parameters, other, free):
            needed = needed_bytes(config, parameters, other)
            advice = f"{words} takes about {needed / _GB:.1f} GB"
            break
    raise UserError(
        f"this run needs about {needed_bytes(config, parameters, plan) / _GB:.1f} GB of memory, "
        f"and {free / _GB:.1f} GB are free; {advice}"
    )
