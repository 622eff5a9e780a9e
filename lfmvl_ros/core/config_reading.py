# SPDX-License-Identifier: Apache-2.0
"""Settings of reading: on which objects text is read, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.query import labels_of_setting
from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class ReadingSettings(Group):
    """On which tracked objects the node reads text (docs/reading.md)."""

    labels: tuple[str, ...] = setting(
        ("",),
        "Text is read on objects with these labels of the query, such as boxes and tags. It is "
        'added to track_states and events, and published on the topic readings. [""]: only the '
        "tool read reads. Needs the extra ocr.",
    )
    rate_hz: float = setting(
        2.0,
        "Maximum number of crops read per second and camera. Each takes about 50 ms of a core. "
        "Lower it if the model or other programs need that core.",
        unit="Hz",
        low=0.01,
        high=100.0,
    )
    min_confidence: float = setting(
        0.5,
        "Text with a lower confidence is only in the topic readings and in results of the tool "
        "read. Raise it to 0.9 if a wrong text does more harm than a missing one.",
        low=0.0,
        high=1.0,
    )
    again_s: float = setting(
        10.0,
        "An object whose text is certain is read again after this time, or when it is seen much "
        "larger. Lower it if texts change, as on displays.",
        unit="s",
        low=0.1,
        high=86400.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", labels_of_setting(self.labels, "reading.labels"))
