# SPDX-License-Identifier: Apache-2.0
"""Whether int8 weights can be used on this machine, found out by trying.

Which instructions a kernel uses is decided by oneDNN and FBGEMM for the processor. Two things can
be wrong: sums that overflow (16-bit intermediate sums on processors without dot products of bytes),
and results that depend on the number of tokens. Both are looked for in the sizes of the model,
before it answers.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.models.lfm2_vl.int8 import Int8Weight, Quantised
from lfmvl_ros.models.lfm2_vl.int8_kernels import MOST, Int8Kernel
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


def kernel_fault(kernel: Int8Kernel, shapes: Iterable[tuple[int, int]]) -> str:
    """Return what is wrong with products of these weights, ``(outputs, inputs)``; "" for nothing.

    Random codes and the largest ones, against exact sums of integers.
    """
    try:
        return _sums_fault(kernel, shapes)
    except (RuntimeError, NotImplementedError, TypeError, AttributeError) as error:
        return f"torch {torch.__version__} can't run it ({describe(error)})"


def _sums_fault(kernel: Int8Kernel, shapes: Iterable[tuple[int, int]]) -> str:
    chance = torch.Generator().manual_seed(0)
    for outputs, inputs in {(min(n, _MOST_OUTPUTS), k) for n, k in shapes}:
        weight = _hard_codes(outputs, inputs, kernel.pair, chance)
        x = torch.randint(-MOST, MOST + 1, (8, inputs), generator=chance)
        x[:2], x[2:4] = MOST, -MOST
        exact = x.double() @ weight.double().T
        most = x.abs().double() @ weight.abs().double().T + 1
        packed = Int8Weight(Quantised(weight.to(torch.int8), torch.ones(outputs)), kernel)
        if bool(((packed.sums(x.float()) - exact).abs() > _CLOSE * most).any()):
            return f"sums of products overflow with a weight of {outputs} x {inputs}"
    return ""


def _hard_codes(outputs: int, inputs: int, pair: int, chance: torch.Generator) -> torch.Tensor:
    """Return random codes of a weight; in half of the rows each pair has the largest sum.

    In one quarter that sum is positive, in another negative. Neighbours differ, so that a kernel
    that pairs other columns is found, too.
    """
    size = (outputs, -(-inputs // 2))
    left, right = (torch.randint(-MOST, MOST + 1, size, generator=chance) for _ in range(2))
    right = right.clamp(min=-pair - left.clamp(max=0), max=pair - left.clamp(min=0))
    few = outputs // 4
    large = torch.randint(pair - MOST, MOST + 1, (2 * few, size[1]), generator=chance)
    left[: 2 * few], right[: 2 * few] = large, pair - large
    codes = torch.stack([left, right], dim=2).flatten(1)[:, :inputs]
    codes[few : 2 * few].neg_()
    return codes


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
