# SPDX-License-Identifier: Apache-2.0
"""The precision of the weights: what the setting ``dtype`` means on a device."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import torch

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.lfm2_vl.bfloat16 import has_bfloat16
from lfmvl_ros.models.lfm2_vl.int8 import to_int8
from lfmvl_ros.models.lfm2_vl.int8_checks import (
    block_fault,
    check_int8,
    kernel_fault,
    rows_fault,
)
from lfmvl_ros.models.lfm2_vl.int8_kernels import KERNELS, Int8Kernel
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
from lfmvl_ros.models.model_name import INT8

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Precision:
    """Precision of the weights.

    Attributes:
        dtype: of weights and computation; with ``int8``, of all but the linear layers.
        int8: linear layers have int8 weights.
    """

    dtype: torch.dtype
    int8: bool = False

    def __str__(self) -> str:
        return INT8 if self.int8 else str(self.dtype).removeprefix("torch.")


def choose_precision(name: str, device: torch.device) -> Precision:
    """Return the precision for a setting; ``auto`` is bfloat16 on CUDA, else float32.

    Raises:
        UserError: there is no such precision, or the device does not have it.
    """
    if name == "auto":
        return Precision(torch.bfloat16 if device.type == "cuda" else torch.float32)
    if name == INT8:
        check_int8(device)
        return Precision(torch.float32, int8=True)
    if name not in _DTYPES:
        raise UserError(f"dtype {name!r} is unknown; give auto, {', '.join(_DTYPES)} or {INT8}")
    return Precision(_DTYPES[name])


def _vision_layers(model: Any) -> list[torch.nn.Module]:
    """Return the blocks of the vision tower; what is before and after them stays in float."""
    lists = (m for n, m in model.model.vision_tower.named_modules() if n.endswith("layers"))
    return [block for blocks in lists for block in blocks]


def checked_runner(model: Any) -> tuple[Lfm2Runner, Int8Kernel] | str:
    """Return a runner with int8 weights and its kernel: the first one that is exact here.

    Args:
        model: in float32 on a CPU; keeps its weights. The kernel suits its vision tower, too.

    Returns:
        What is wrong with each kernel where none is exact.
    """
    linears = (m for m in model.modules() if type(m) is torch.nn.Linear)
    sizes, faults = {(m.out_features, m.in_features) for m in linears}, []
    for kernel in KERNELS:
        fault = kernel_fault(kernel, sizes)
        if not fault:
            runner = Lfm2Runner(model, int8=kernel)
            fault = rows_fault(runner.int8_weights()) or block_fault(runner)
            if not fault:
                return runner, kernel
        faults.append(f"{kernel.name}: {fault}")
    return "; ".join(faults)


def int8_runner(model: Any) -> Lfm2Runner | None:
    """Return a runner of a model's language tower with int8 weights, checked on this machine.

    The float weights of the layers are freed, so the model's own language tower can't be used any
    more. Where the check fails, the model keeps its weights, in bfloat16 if the processor has it.

    Args:
        model: in float32 on a CPU.

    Returns:
        None where the check failed; a warning says why.

    Raises:
        UserError: the runner can't run the model.
    """
    if not Lfm2Runner.supports(model):
        raise UserError(
            "int8 weights are for the plain layers of LFM2 and LFM3, which this checkpoint's "
            "language model does not have; choose dtype auto, float32 or bfloat16"
        )
    found = checked_runner(model)
    if not isinstance(found, str):
        runner, kernel = found
        runner.release(model)
        for layer in _vision_layers(model):
            to_int8(layer, kernel)
        _log.info(
            "int8 weights (%s): results do not depend on the number of tokens in a pass",
            kernel.name,
        )
        return runner
    kept = torch.bfloat16 if has_bfloat16() else torch.float32
    model.to(kept)
    _log.warning("no int8 weights on this processor: %s; %s is used", found, Precision(kept))
    return None
