# SPDX-License-Identifier: Apache-2.0
"""From token probabilities to confidences, and how well confidences match the truth."""

from lfmvl_ros.core.calibration.calibration import Calibration

__all__ = ["Calibration"]
