# SPDX-License-Identifier: Apache-2.0
"""``cv_bridge`` where it is installed and works; ``conversions`` has its own codec for the rest.

Builds of ``cv_bridge`` for Humble and Jazzy are tied to NumPy 1: beside NumPy 2, which torch
brings, the import fails, or takes the process down with it. So it is tried in a process of its own.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import numpy as np

from lfmvl_ros.core.colour import Pixels
from lfmvl_ros.ros.sensors.pixels import ConversionError

# What the trial converts; the values cover channel order, depth and row padding.
_TRIAL = """
import numpy as np
from cv_bridge import CvBridge
from sensor_msgs.msg import Image
def image(encoding, step, data):
    message = Image(height=1, width=2, encoding=encoding, is_bigendian=0, step=step)
    message.data.frombytes(bytes(data))
    return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8")).tolist()
assert image("bgr8", 8, [1, 2, 3, 4, 5, 6, 0, 0]) == [[[3, 2, 1], [6, 5, 4]]]
assert image("mono16", 4, [255, 255, 0, 0]) == [[[255] * 3, [0] * 3]]
"""


class CvBridgeAdapter:
    """``cv_bridge``, if it can be used.

    Attributes:
        works: whether :meth:`to_rgb` can be called.
        reason: why, or why not, for the log.
    """

    def __init__(self, trial_timeout_s: float = 20.0) -> None:
        problem = _problem(trial_timeout_s)
        self.works = problem is None
        self.reason = problem or f"cv_bridge works with NumPy {np.__version__}"
        if self.works:
            from cv_bridge import CvBridge

            self._bridge = CvBridge()

    def to_rgb(self, message: Any) -> Pixels:
        """Return a ``sensor_msgs/Image`` as ``(H, W, 3)`` uint8 RGB, C-contiguous.

        Raises:
            ConversionError: ``cv_bridge`` refuses it.
        """
        try:
            return np.ascontiguousarray(self._bridge.imgmsg_to_cv2(message, "rgb8"))
        except Exception as error:  # cv2.error, CvBridgeError, TypeError: it raises all of them
            raise ConversionError(f"cv_bridge can't convert the image: {error}") from error


def _problem(timeout_s: float) -> str | None:
    if importlib.util.find_spec("cv_bridge") is None:
        return "cv_bridge is not installed"
    command = [sys.executable, "-c", _TRIAL]
    try:
        trial = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cv_bridge could not be tried: {error}"
    if trial.returncode == 0:
        return None
    lines = trial.stderr.strip().splitlines() if trial.returncode > 0 else []
    why = lines[-1] if lines else f"its process died with {trial.returncode}"
    return f"cv_bridge is installed but does not work with NumPy {np.__version__}: {why}"
