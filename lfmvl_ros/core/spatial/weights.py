# SPDX-License-Identifier: Apache-2.0
"""Weights of :mod:`lfmvl_ros.core.spatial.shape`. Written by ``benchmarks/places_fit.py --write``.

Fitted to 1224 boxes of ray-cast scenes; no figure is reported on their seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray


@dataclass(frozen=True, eq=False)
class Weights:
    """Of one way to find the middle of an object.

    Attributes:
        centre: of ``centre_terms`` or ``sized_terms``.
        depth_variance, lateral_variance: of the terms of these names, >= 0.
    """

    centre: FloatArray
    depth_variance: FloatArray
    lateral_variance: FloatArray


PLAIN = Weights(
    centre=np.array(
        [
            -2.001,
            0.4695,
            0.926,
            0.8696,
            0.4193,
            0.4824,
            0.04277,
            0.01474,
            -0.08438,
            -0.0008596,
            -0.2357,
            -0.3254,
            -0.187,
            0.04983,
        ]
    ),
    depth_variance=np.array([0.3409, 1.891e-05, 0.02584, 0.002425, 1.3, 0.01625, 0.01165, 0.0127]),
    lateral_variance=np.array(
        [0.001503, 0.2114, 0.07268, 0.005924, 0.05072, 7.061e-07, 0.03519, 0.03277]
    ),
)

SIZED = Weights(
    centre=np.array(
        [0.288, -0.06333, 0.2797, 0.5969, -0.008365, -0.1355, 0.05126, -0.02088, 0.1322]
    ),
    depth_variance=np.array(
        [4.722e-05, 0.09886, 0.01928, 0.001751, 0.7089, 0.01103, 9.596e-07, 0.01501]
    ),
    lateral_variance=np.array(
        [0.001464, 0.2037, 0.08159, 0.006414, 0.05379, 7.015e-07, 0.02054, 0.03333]
    ),
)
SURFACE_VARIANCE = np.array([0.1254, 0.03611, 0.003406, 0.002416, 0.07868])
