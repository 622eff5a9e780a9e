# SPDX-License-Identifier: Apache-2.0
"""Weights of :mod:`lfmvl_ros.core.spatial.shape`. Written by ``benchmarks/places_fit.py --write``.

Fitted to 2020 boxes of ray-cast scenes; no figure is reported on their seeds.
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
            -1.686,
            0.3644,
            0.8271,
            0.7546,
            0.4088,
            0.5483,
            0.01329,
            0.02098,
            -0.1546,
            -0.01741,
            -0.2168,
            -0.3202,
            -0.2482,
            0.02518,
        ]
    ),
    depth_variance=np.array(
        [0.3612, 3.019e-05, 0.02612, 0.001539, 1.741, 0.01881, 0.004574, 0.01569]
    ),
    lateral_variance=np.array(
        [0.002123, 2.856, 0.08553, 0.008374, 0.05051, 9.145e-07, 0.03691, 0.05961]
    ),
)

SIZED = Weights(
    centre=np.array(
        [0.2749, -0.05636, 0.2848, 0.6034, -0.05165, -0.1325, -0.001172, -0.04583, 0.1363]
    ),
    depth_variance=np.array(
        [4.971e-05, 0.06779, 0.01604, 0.001515, 0.9335, 0.0148, 1.101e-06, 0.01805]
    ),
    lateral_variance=np.array(
        [0.002185, 3.068, 0.09382, 0.009033, 0.05092, 0.004061, 0.01416, 0.06118]
    ),
)
SURFACE_VARIANCE = np.array([0.1322, 0.02891, 0.001924, 0.00194, 0.097])
