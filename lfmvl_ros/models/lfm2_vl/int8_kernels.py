# SPDX-License-Identifier: Apache-2.0
"""Kernels for products of codes with int8 weights, and what their sums can hold.

A processor with dot products of bytes (VNNI, AMX) adds up in 32 bits. One with AVX2 only multiplies
bytes in neighbouring pairs, and the sum of such a pair has 16 bits: larger sums are cut off. With
weights whose neighbouring codes add up to no more than :data:`PAIR`, no sum is too large, and the
products are as exact as the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch

MOST = 127
"""Codes lie within -127 and 127; -128 is not used, so that a weight's sign can always change.

Kernels take those of activations as uint8, with this in place of 0: from 0 to 254."""
PAIR = 32767 // (2 * MOST)
"""The largest sum of two neighbouring codes of a weight whose products fit into 16 bits."""

Sums = Callable[[torch.Tensor], torch.Tensor]
"""Whole numbers from -:data:`MOST` to :data:`MOST`, ``(T, inputs)`` float32, to the sums of their
products with a weight, ``(T, outputs)`` float32, each multiplied by its output channel's scale."""


@dataclass(frozen=True)
class Int8Kernel:
    """A way to multiply with int8 weights.

    Attributes:
        name: for logs.
        pair: the largest sum of two neighbouring codes of a weight, of those with the same sign.
        pack: codes ``(outputs, inputs)`` int8 and scales ``(outputs,)`` float32 to the product.
        longest_draft: tokens that are worth a pass behind the prompt; the fewer, the more a token
            costs compared with the pass.
    """

    name: str
    pair: int
    pack: Callable[[torch.Tensor, torch.Tensor], Sums]
    longest_draft: int = 64


def _onednn(codes: torch.Tensor, scales: torch.Tensor) -> Sums:
    packed = torch.ops.onednn.qlinear_prepack(codes, None)
    zeros = torch.zeros(len(scales), dtype=torch.int32)

    def sums(x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            x.add(MOST).to(torch.uint8), 1.0, MOST, packed, scales, zeros,
            None, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return out

    return sums


def _fbgemm(codes: torch.Tensor, scales: torch.Tensor) -> Sums:
    # Packs the weight once; oneDNN without dot products of bytes does so for each product, which
    # makes products with few rows two to five times slower.
    quantised, engine = torch.backends.quantized, torch.backends.quantized.engine
    quantised.engine = "fbgemm"
    try:
        with warnings.catch_warnings():  # torch intends to drop quantised tensors some day
            warnings.simplefilter("ignore")
            weight = torch._make_per_channel_quantized_tensor(
                codes, scales.double(), torch.zeros(len(scales), dtype=torch.int64), 0
            )
        packed = torch.ops.quantized.linear_prepack(weight, None)
    finally:
        quantised.engine = engine
    product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32

    def sums(x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = product(x, 1.0, MOST, packed)
        return out

    return sums


ONEDNN = Int8Kernel("oneDNN", 2 * MOST, _onednn)
KERNELS = (
    ONEDNN,
    Int8Kernel("FBGEMM with sums of 16 bits", PAIR, _fbgemm, longest_draft=12),
    Int8Kernel("oneDNN with sums of 16 bits", PAIR, _onednn, longest_draft=12),
)
"""The best first: weights are as fine as int8 allows, then quick, then available."""
