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

MOST = 127
"""Codes lie within -127 and 127; -128 is not used, so that a weight's sign can always change."""
_ZERO = 128  # the kernel takes codes of activations as uint8, with this in place of 0
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


def quantised_rows(x: torch.Tensor) -> Quantised:
    """Return rows ``(rows, width)`` of finite numbers in int8, each with a scale of its own.

    The largest of a row becomes :data:`MOST`; no number is off by more than half a scale.

    >>> quantised_rows(torch.tensor([[0.5, -1.0, 0.0]])).codes.tolist()
    [[64, -127, 0]]
    """
    x = x.float()
    scales = x.abs().amax(dim=1).clamp_(min=_LEAST * MOST) / MOST
    codes = (x / scales[:, None]).round_().clamp_(-MOST, MOST)
    return Quantised(codes.to(torch.int8), scales)


class Int8Weight:
    """The weight of a linear layer in int8, packed as oneDNN's kernel reads it.

    Args:
        weight: ``(outputs, inputs)``, any precision; or codes and scales.
    """

    def __init__(self, weight: torch.Tensor | Quantised) -> None:
        codes, scales = weight if isinstance(weight, Quantised) else quantised_rows(weight)
        self.shape: tuple[int, int] = (codes.shape[0], codes.shape[1])
        self._packed = torch.ops.onednn.qlinear_prepack(codes, None)
        self._scales = scales
        self._zeros = torch.zeros(len(scales), dtype=torch.int32)

    def product(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """Return ``x @ weight.T + bias`` for ``(T, inputs)``, ``(T, outputs)`` in x's precision."""
        most = x.abs().amax(dim=1, keepdim=True).float().clamp_(min=_LEAST * MOST)
        codes = (x * (MOST / most)).round_().add_(_ZERO)
        sums = self.sums(codes).mul_(most / MOST)
        if bias is not None:
            sums += bias
        return sums.to(x.dtype)

    def sums(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the products with ``codes + 128``, ``(T, inputs)`` from 1 to 255, any type.

        They are the sums of integers, each multiplied by its output channel's scale; float32.
        """
        out: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            codes.to(torch.uint8), 1.0, _ZERO, self._packed, self._scales, self._zeros,
            None, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return out


class Int8Linear(torch.nn.Module):
    """A linear layer with an int8 weight, in place of one of torch's.

    Args:
        linear: its weight is quantised, its bias kept.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self._weight = Int8Weight(linear.weight.data)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output for ``(..., inputs)``, ``(..., outputs)``."""
        rows = x.reshape(-1, x.shape[-1])
        return self._weight.product(rows, self.bias).reshape(*x.shape[:-1], -1)


def to_int8(module: torch.nn.Module) -> None:
    """Replace all linear layers inside a module by ones with int8 weights; not the module itself.

    Their float weights are freed.
    """
    for name, child in module.named_children():
        if type(child) is torch.nn.Linear:
            setattr(module, name, Int8Linear(child))
        else:
            to_int8(child)
