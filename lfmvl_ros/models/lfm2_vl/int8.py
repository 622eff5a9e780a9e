# SPDX-License-Identifier: Apache-2.0
"""Linear layers with int8 weights, for CPUs.

A weight gets one scale per output channel, an activation one scale per token (symmetric, rounded
to nearest: Jacob et al., CVPR 2018, arXiv:1712.05877). The products are added up as integers, which
is exact in any order, so a token's result does not depend on the other tokens of a forward pass.
That is what makes an answer with drafts the same, bit for bit, as one without.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from lfmvl_ros.models.lfm2_vl.int8_kernels import MOST, ONEDNN, Int8Kernel

_LEAST = 1e-30  # a scale; a row of zeros has no other


class Quantised(NamedTuple):
    """Rows of numbers as ``codes * scales[:, None]``.

    Attributes:
        codes: ``(rows, width)`` int8, from -:data:`MOST` to :data:`MOST`.
        scales: ``(rows,)`` float32, above 0.
    """

    codes: torch.Tensor
    scales: torch.Tensor

    def dequantised(self) -> torch.Tensor:
        """Return what they stand for, ``(rows, width)`` float32."""
        return self.codes.float() * self.scales[:, None]


def quantised_rows(x: torch.Tensor, pair: int = 2 * MOST) -> Quantised:
    """Return rows ``(rows, width)`` of finite numbers in int8, each with a scale of its own.

    The largest of a row becomes :data:`MOST`; no number is off by more than half a scale.

    Args:
        x: the numbers.
        pair: the largest sum of two neighbouring codes (of columns 0 and 1, 2 and 3 …), of those
            with the same sign; a row where it would be larger gets a larger scale.

    >>> quantised_rows(torch.tensor([[0.5, -1.0, 0.0]])).codes.tolist()
    [[64, -127, 0]]
    >>> quantised_rows(torch.tensor([[-0.5, -1.0, 0.0]]), pair=129).codes.tolist()
    [[-43, -85, 0]]
    """
    x = x.float()
    scales = x.abs().amax(dim=1) / MOST
    if pair < 2 * MOST:  # 1 less, as both of a pair may be rounded up by a half
        scales = torch.maximum(scales, _largest_pair(x) / (pair - 1))
    scales.clamp_(min=_LEAST)
    codes = (x / scales[:, None]).round_().clamp_(-MOST, MOST)
    return Quantised(codes.to(torch.int8), scales)


def _largest_pair(x: torch.Tensor) -> torch.Tensor:
    """Return the largest sum of two neighbours of a row, of those with the same sign, ``(rows,)``.

    A neighbour of the other sign counts as zero.
    """
    pairs = torch.nn.functional.pad(x, (0, x.shape[1] % 2)).unflatten(1, (-1, 2))
    above, below = (part.clamp(min=0).sum(dim=2).amax(dim=1) for part in (pairs, -pairs))
    return torch.maximum(above, below)


class Int8Weight:
    """The weight of a linear layer in int8, packed as a kernel reads it.

    Args:
        weight: ``(outputs, inputs)``, any precision; or codes and scales that suit the kernel.
        kernel: multiplies.
    """

    def __init__(self, weight: torch.Tensor | Quantised, kernel: Int8Kernel = ONEDNN) -> None:
        codes, scales = (
            weight if isinstance(weight, Quantised) else quantised_rows(weight, kernel.pair)
        )
        self.shape: tuple[int, int] = (codes.shape[0], codes.shape[1])
        self._sums = kernel.pack(codes, scales)

    def product(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """Return ``x @ weight.T + bias`` for ``(T, inputs)``, ``(T, outputs)`` in x's precision."""
        most = x.abs().amax(dim=1, keepdim=True).float().clamp_(min=_LEAST * MOST)
        sums = self.sums((x * (MOST / most)).round_()).mul_(most / MOST)
        if bias is not None:
            sums += bias
        return sums.to(x.dtype)

    def sums(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the products with codes, ``(T, inputs)`` float32 from -127 to 127.

        They are the sums of integers, each multiplied by its output channel's scale; float32.
        """
        return self._sums(codes)


class Int8Linear(torch.nn.Module):
    """A linear layer with an int8 weight, in place of one of torch's.

    Args:
        linear: its weight is quantised, its bias kept.
        kernel: multiplies.
    """

    def __init__(self, linear: torch.nn.Linear, kernel: Int8Kernel = ONEDNN) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self._weight = Int8Weight(linear.weight.data, kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output for ``(..., inputs)``, ``(..., outputs)``."""
        rows = x.reshape(-1, x.shape[-1])
        return self._weight.product(rows, self.bias).reshape(*x.shape[:-1], -1)


def to_int8(module: torch.nn.Module, kernel: Int8Kernel = ONEDNN) -> None:
    """Replace all linear layers inside a module by ones with int8 weights; not the module itself.

    Their float weights are freed.
    """
    for name, child in module.named_children():
        if type(child) is torch.nn.Linear:
            setattr(module, name, Int8Linear(child, kernel))
        else:
            to_int8(child, kernel)
