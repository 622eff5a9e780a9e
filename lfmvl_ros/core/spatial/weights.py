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
            -2.083,
            0.4998,
            0.9595,
            0.9013,
            0.3691,
            0.5636,
            -0.01016,
            -0.005146,
            -0.05053,
            -0.02408,
            -0.1305,
            -0.3512,
            -0.2019,
            0.02904,
        ]
    ),
    depth_variance=np.array(
        [0.3493, 3.105e-05, 0.02199, 0.001473, 1.606, 0.02206, 9.43e-07, 0.01157]
    ),
    lateral_variance=np.array(
        [0.002127, 2.524, 0.06844, 0.008304, 0.04809, 1.199e-06, 0.03243, 0.04306]
    ),
)

SIZED = Weights(
    centre=np.array([0.2896, -0.06178, 0.2467, 0.6411, -0.06943, -0.13, 0.06613, -0.04202, 0.1411]),
    depth_variance=np.array(
        [4.812e-05, 0.07164, 0.01722, 0.0009182, 0.8396, 0.01563, 1.011e-06, 0.01446]
    ),
    lateral_variance=np.array(
        [0.002177, 2.621, 0.07608, 0.009346, 0.05041, 0.005427, 0.01118, 0.04447]
    ),
)
SURFACE_VARIANCE = np.array([0.1315, 0.02859, 0.002683, 0.002348, 0.08528])
