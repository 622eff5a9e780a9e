# SPDX-License-Identifier: Apache-2.0
"""Who decodes raw images: ``cv_bridge`` where it is installed and works, else our own codec.

Builds of ``cv_bridge`` for Humble and Jazzy are tied to NumPy 1: beside NumPy 2, which torch
brings, the import fails, or takes the process down with it. So it is tried in a process of its own.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import numpy as np

from lfmvl_ros.ros.pixels import MEASUREMENTS, ConversionError, Pixels, check_raw, decode_raw

# What the trial converts; the values cover channel order, depth and row padding.
_TRIAL = """
import numpy as np
from cv_bridge import CvBridge
from sensor_msgs.msg import Image
def picture(encoding, step, data):
    message = Image(height=1, width=2, encoding=encoding, is_bigendian=0, step=step)
    message.data.frombytes(bytes(data))
    return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8")).tolist()
assert picture("bgr8", 8, [1, 2, 3, 4, 5, 6, 0, 0]) == [[[3, 2, 1], [6, 5, 4]]]
assert picture("mono16", 4, [255, 255, 0, 0]) == [[[255] * 3, [0] * 3]]
"""


def rgb_of(message: Any) -> Pixels:
    """Return a ``sensor_msgs/Image`` as ``(H, W, 3)`` uint8 RGB, by our own codec.

    Raises:
        ConversionError: see :func:`lfmvl_ros.ros.pixels.check_raw`.
    """
    wh, order = (message.width, message.height), bool(message.is_bigendian)
    return decode_raw(message.encoding, message.data, wh, message.step, big_endian=order)


class ImageBridge:
    """Turns raw image messages into RGB arrays.

    Attributes:
        backend: ``cv_bridge`` or ``built-in``.
        reason: why that one, for the log.
    """

    def __init__(self, trial_timeout_s: float = 20.0) -> None:
        problem = _cv_bridge_problem(trial_timeout_s)
        self._cv_bridge: Any = None
        if problem is None:
            from cv_bridge import CvBridge

            self._cv_bridge = CvBridge()
        self.backend = "built-in" if problem else "cv_bridge"
        self.reason = problem or "it is installed and works with this NumPy"

    def to_rgb(self, message: Any) -> Pixels:
        """Return a ``sensor_msgs/Image`` as ``(H, W, 3)`` uint8 RGB, C-contiguous.

        Raises:
            ConversionError: see :func:`lfmvl_ros.ros.pixels.check_raw`.
        """
        wh, encoding = (message.width, message.height), message.encoding
        # Its byte swap calls what NumPy 2 has removed, and measurements have no colour for it.
        ours = message.is_bigendian or encoding in MEASUREMENTS
        if self._cv_bridge is None or ours:
            return rgb_of(message)
        check_raw(encoding, len(message.data), wh, message.step)
        try:
            image = self._cv_bridge.imgmsg_to_cv2(message, "rgb8")
        except Exception as error:  # cv2.error, CvBridgeError, TypeError: it raises all of them
            raise ConversionError(f"a {wh[0]}x{wh[1]} {encoding} image: {error}") from error
        return np.ascontiguousarray(image)


def _cv_bridge_problem(timeout_s: float) -> str | None:
    if importlib.util.find_spec("cv_bridge") is None:
        return "cv_bridge is not installed"
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL], capture_output=True, text=True, timeout=timeout_s,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cv_bridge could not be tried: {error}"
    if trial.returncode == 0:
        return None
    lines = trial.stderr.strip().splitlines() or [f"the process died with {trial.returncode}"]
    return f"cv_bridge is installed but does not work with NumPy {np.__version__}: {lines[-1]}"
