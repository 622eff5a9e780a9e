# SPDX-License-Identifier: Apache-2.0
"""Settings of zoom: when the model is asked about a part of the image, and about which."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.query import labels_of_setting
from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class ZoomSettings(Group):
    """When the model is asked about an enlarged part of the image (docs/zoom.md)."""

    share: float = setting(
        0.0,
        "Share of the answers that are about an enlarged part of the image instead of all of it. 0 "
        "is off. Set it to 0.5 if small objects are missed; then only every other answer is about "
        "the whole image, so large objects are seen half as often.",
        low=0.0,
        high=0.8,
    )
    magnification: float = setting(
        1.5,
        "How many times larger objects are in an enlarged part. Raise it if objects are still too "
        "small for the model and the camera has the pixels; parts become smaller, and there are "
        "more.",
        low=1.2,
        high=4.0,
    )
    small: float = setting(
        0.01,
        "Tracks that cover less than this share of the image count as small; parts with small "
        "tracks are preferred. Raise it if larger objects are missed, too.",
        low=0.0,
        high=0.2,
    )
    labels: tuple[str, ...] = setting(
        ("",),
        "Labels of the query whose tracks are preferred, whatever their size. Name those that "
        'matter most. [""]: none.',
    )
    sweep: bool = setting(
        True,
        "Ask about all parts of the image in turn, which also finds objects that are not in any "
        "answer about the whole image. Set it to false if only tracks should be enlarged.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", labels_of_setting(self.labels, "zoom.labels"))
