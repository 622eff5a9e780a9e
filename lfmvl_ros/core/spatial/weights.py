# SPDX-License-Identifier: Apache-2.0
"""Weights of :mod:`lfmvl_ros.core.spatial.shape`. Written by ``benchmarks/places_fit.py --write``.

Fitted to 1211 boxes of ray-cast scenes; no figure is reported on their seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of one way to find the middle of an object.

    Attributes:
        centre: of ``centre_terms`` or ``sized_terms``.
        depth_variance: of the terms of this name, >= 0.
        lateral_variance: ``(2, 8)`` of the terms of this name, across and down, >= 0.
    """

    centre: FloatArray
    depth_variance: FloatArray
    lateral_variance: FloatArray


PLAIN = Weights(
    centre=np.array(
        [
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
        ]
    ),
    depth_variance=np.array(
        [0.2812, 1.366e-05, 0.01876, 0.001064, 0.5482, 0.009886, 0.03945, 0.02388]
    ),
    lateral_variance=np.array(
        [
            [0.001142, 0.000993, 0.04511, 0.001962, 0.01431, 0.000137, 0.0232, 0.005272],
            [0.0004714, 1.798, 0.02436, 0.002462, 0.05611, 1.281e-05, 0.05305, 0.01671],
        ]
    ),
)

SIZED = Weights(
    centre=np.array(
        [0.2699, -0.05293, 0.2786, 0.5956, 0.01165, -0.1209, 0.03657, -0.04523, 0.1322]
    ),
    depth_variance=np.array(
        [0.0116, 0.07772, 0.01305, 0.0007842, 0.316, 0.00543, 0.01867, 0.02445]
    ),
    lateral_variance=np.array(
        [
            [0.00101, 0.0008983, 0.05149, 0.001845, 0.01873, 0.005146, 0.02066, 0.004371],
            [0.0003335, 1.74, 0.02551, 0.002806, 0.07545, 1.352e-05, 0.06108, 0.01069],
        ]
    ),
)
SURFACE_VARIANCE = np.array([0.1414, 0.03409, 0.003696, 0.001683, 0.02258])
# Of the middle against the outline, across and down.
SHIFT = np.array([[0.01634, 0.05344, 0.02121, 0.02306], [-0.05454, 0.1567, -0.02481, 0.1615]])
