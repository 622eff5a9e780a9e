# SPDX-License-Identifier: Apache-2.0
"""Ask a camera topic for objects in words; get tracked boxes, with LFM2-VL models.

For Python without ROS::

    import lfmvl_ros

    model = lfmvl_ros.load_model("bundled")
    (grounding,) = lfmvl_ros.ask(model, [rgb_image], "person, red tote")
    found = grounding.detections
    for label, score, xyxy_px in zip(found.labels, found.scores, found.xyxy_px):
        print(label, score, xyxy_px)

What is listed in ``__all__`` is the public interface; it is imported when it is first used, so that
``import lfmvl_ros`` takes no time and needs no torch.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lfmvl_ros.core.ask import ask
    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.detections import Detections
    from lfmvl_ros.core.errors import UserError
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.grounding import Grounding, Outcome
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.core.tracking import Tracker, Tracks
    from lfmvl_ros.models.load import load_model

# Read by OpenCV when it is first imported: 100 kB can state 30,000 x 30,000 pixels. The same number
# as core.encoded_images.MAX_FILE_MEGAPIXELS, which a test compares.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(256_000_000))
# Of files that OpenCV and FFmpeg can't read, this package says in a sentence what they are.
os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

__version__ = "0.1.0"

_HOMES = {
    "ask": "lfmvl_ros.core.ask",
    "PerceptionSettings": "lfmvl_ros.core.config",
    "Detections": "lfmvl_ros.core.detections",
    "UserError": "lfmvl_ros.core.errors",
    "Frame": "lfmvl_ros.core.frame",
    "Grounding": "lfmvl_ros.core.grounding",
    "Outcome": "lfmvl_ros.core.grounding",
    "Query": "lfmvl_ros.core.query",
    "Tracker": "lfmvl_ros.core.tracking",
    "Tracks": "lfmvl_ros.core.tracking",
    "load_model": "lfmvl_ros.models.load",
}

__all__ = [
    "Detections",
    "Frame",
    "Grounding",
    "Outcome",
    "PerceptionSettings",
    "Query",
    "Tracker",
    "Tracks",
    "UserError",
    "ask",
    "load_model",
]


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
