# SPDX-License-Identifier: Apache-2.0
"""Settings of the collection of samples."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class CollectSettings(Group):
    """Which answers are stored with their images, to be labelled (docs/collect.md)."""

    folder: str = setting(
        "",
        "Folder in which images and answers are stored in COCO format: those that the model is not "
        "certain of, those while drift is reported, and those at which an event of a rule begins. "
        "Set it to collect data for training. Empty: nothing is stored.",
        read_only=True,
    )
    below_confidence: float = setting(
        0.5,
        "An answer is stored if its least certain box has a confidence below this. 0: "
        "answers are stored only while drift is reported. Raise it to collect more.",
        low=0.0,
        high=1.0,
        read_only=True,
    )
    events: bool = setting(
        True,
        "Also store the frame at which an event of a rule begins; the event names its file "
        "(`snapshot`). Set it to false if only images to be labelled are wanted.",
        read_only=True,
    )
    min_interval_s: float = setting(
        10.0,
        "Minimum time between two stored images of a camera, because consecutive images are "
        "nearly alike. Raise it if too many similar images are stored.",
        unit="s",
        low=0.0,
        high=86400.0,
        read_only=True,
    )
    max_mb: float = setting(
        500.0,
        "Maximum size of the folder; beyond it, the oldest samples are deleted. Lower it if the "
        "disk is small.",
        unit="MB",
        low=1.0,
        high=1000000.0,
        read_only=True,
    )
    max_age_days: float = setting(
        30.0,
        "Samples older than this are deleted. Lower it where images of people may not be kept for "
        "so long.",
        unit="days",
        low=0.01,
        high=36500.0,
        read_only=True,
    )
    public_key: str = setting(
        "",
        "Encrypt each sample with this age key (age1…, from `lfmvl collected new-key`), so that "
        "only the holder of the private key can look at it. Set it where a robot may be stolen. "
        "Empty: not encrypted.",
        read_only=True,
    )
