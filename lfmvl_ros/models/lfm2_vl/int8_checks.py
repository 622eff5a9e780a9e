# SPDX-License-Identifier: Apache-2.0
"""Whether int8 weights can be used on this machine, found out by trying.

The kernel is chosen by oneDNN for the processor. Two things can be wrong with one: sums that
overflow (16-bit intermediate sums on processors without dot products of bytes), and results that
depend on the number of tokens. Both are looked for in the sizes of the model, before it answers.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.models.lfm2_vl.int8 import MOST, Int8Weight, Quantised
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner

_OPERATORS = ("qlinear_prepack", "qlinear_pointwise")
_ROWS = (1, 2, 3, 8, 17, 33, 64, 150)  # tokens of a forward pass; the last: a prompt
_MOST_OUTPUTS = 512
_CLOSE = 1e-6  # of the sum of the products' sizes; sums are rounded to float32
_BLOCKS = ([1] * 12, [5, 7], [1, 3, 8])


def check_int8(device: torch.device) -> None:
    """Refuse int8 weights where they can't run at all.

    Raises:
        UserError: the device is no CPU, or this torch lacks the kernels.
    """
    other = "choose dtype auto, float32 or bfloat16"
    if device.type != "cpu":
        raise UserError(f"int8 weights run on a CPU only, and the device is {device}; {other}")
    absent = [name for name in _OPERATORS if not hasattr(torch.ops.onednn, name)]
    if absent:
        raise UserError(
            f"int8 weights need torch.ops.onednn.{absent[0]}, which torch {torch.__version__} "
            f"does not have; install torch 2.8 or newer, or {other}"
        )
    try:
        Int8Weight(torch.ones(32, 32)).product(torch.ones(2, 32))
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise UserError(
            f"int8 weights can't be used: the kernels of torch {torch.__version__} don't run on "
            f"this processor ({describe(error)}); {other}"
        ) from error


def kernel_fault(shapes: Iterable[tuple[int, int]]) -> str:
    """Return what is wrong with products of these weights, ``(outputs, inputs)``; "" for nothing.

    Random codes and the largest ones, against exact sums of integers.
    """
    chance = torch.Generator().manual_seed(0)
    for outputs, inputs in {(min(n, _MOST_OUTPUTS), k) for n, k in shapes}:
        weight, x = (
            torch.randint(-MOST, MOST + 1, (rows, inputs), generator=chance)
            for rows in (outputs, 8)
        )
        weight[: outputs // 4], x[:2] = MOST, MOST
        weight[outputs // 4 : outputs // 2], x[2:4] = -MOST, -MOST
        exact = x.double() @ weight.double().T
        most = x.abs().double() @ weight.abs().double().T + 1
        packed = Int8Weight(Quantised(weight.to(torch.int8), torch.ones(outputs)))
        if bool(((packed.sums(x + 128) - exact).abs() > _CLOSE * most).any()):
            return f"sums of products overflow with a weight of {outputs} x {inputs}"
    return ""


def rows_fault(weights: Iterable[Int8Weight]) -> str:
    """Return which of the weights gives a row otherwise alone than among others; "" for none."""
    chance = torch.Generator().manual_seed(0)
    for (outputs, inputs), weight in {weight.shape: weight for weight in weights}.items():
        x = torch.randn(_ROWS[-1], inputs, generator=chance)
        whole = weight.product(x)
        for rows in _ROWS:
            if not torch.equal(weight.product(x[-rows:]), whole[-rows:]):
                return f"a weight of {outputs} x {inputs} gives other results with {rows} rows"
    return ""


def block_fault(runner: Lfm2Runner) -> str:
    """Return what is wrong with logits of a model whose tokens come in blocks; "" for nothing."""
    chance = torch.Generator().manual_seed(0)
    ids = torch.randint(len(runner.embedding), (16,), generator=chance)
    found = []
    for blocks in _BLOCKS:
        runner.length = 0
        logits = [runner.append(ids[:4], last=1)]
        for block in blocks:
            logits.append(runner.append(ids[runner.length : runner.length + block]))
        found.append(torch.cat(logits))
    runner.length = 0
    if not all(bool(logits.isfinite().all()) for logits in found):
        return "logits are not finite"
    if not all(torch.equal(logits, found[0]) for logits in found[1:]):
        return "logits depend on how many tokens are in a forward pass"
    return ""
