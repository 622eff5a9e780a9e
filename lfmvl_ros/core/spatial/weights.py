# SPDX-License-Identifier: Apache-2.0
"""Weights of :mod:`lfmvl_ros.core.spatial.shape`. Written by ``benchmarks/places_fit.py --write``.

Fitted to 1211 boxes of ray-cast scenes; no figure is reported on their seeds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """Weights of one way to find the middle of an object.

    Attributes:
        centre: of ``centre_terms`` or ``sized_terms``.
        depth_variance: of the terms of this name, >= 0.
        lateral_variance: of the terms of this name, across and down, >= 0.
        room: of the squared ``room_behind``, >= 0; a known size leaves none.
    """

    centre: tuple[float, ...]
    depth_variance: tuple[float, ...]
    lateral_variance: tuple[tuple[float, ...], tuple[float, ...]]
    room: float = 0.0


PLAIN = Weights(
    centre=(
        -1.957,
        0.4509,
        0.9149,
        0.8558,
        0.4209,
        0.4855,
        0.03595,
        0.02559,
        -0.09981,
        -0.01827,
        -0.2726,
        -0.3198,
        -0.2015,
        0.02774,
    ),
    depth_variance=(0.2804, 1.362e-05, 0.01871, 0.00106, 0.5468, 0.009858, 0.03935, 0.02381),
    lateral_variance=(
        (0.0007241, 0.0009903, 0.03516, 0.001643, 0.01444, 2.268e-05, 0.0217, 1.178e-05, 0.007963),
        (0.0001063, 1.833, 0.01688, 0.002297, 0.05464, 2.889e-06, 0.05168, 0.01052, 0.006456),
    ),
    room=0.35,
)

SIZED = Weights(
    centre=(0.3484, -0.08893, 0.2848, 0.573, -0.0285, -0.1793, 0.1025, -0.02516, 0.1165),
    depth_variance=(9.461e-05, 0.08438, 0.01687, 0.0008548, 0.3586, 0.003862, 0.01638, 0.007312),
    lateral_variance=(
        (0.0006482, 0.0009273, 0.03765, 0.001602, 0.01469, 0.0004449, 0.02064, 4.214e-05, 0.008582),
        (7.595e-08, 1.648, 0.02215, 0.003189, 0.04862, 1.037e-06, 0.06155, 0.003667, 0.006675),
    ),
)
SURFACE_VARIANCE = (0.1414, 0.03409, 0.003696, 0.001684, 0.02256)
# Of the middle against the outline, across and down.
SHIFT = ((0.01634, 0.05344, 0.02121, 0.02306), (-0.05454, 0.1567, -0.02481, 0.1615))
