# SPDX-License-Identifier: Apache-2.0
"""Settings of the watch for drift."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class DriftSettings(Group):
    """Whether answers and images are still like those before."""

    watch: bool = setting(
        False,
        "Compare confidences, boxes per answer, outcomes, brightness, sharpness, latency and "
        "temperature with a reference, and warn when one of them changes (docs/drift.md).",
        read_only=True,
    )
    profile: str = setting(
        "",
        "The reference: a file written by `lfmvl evaluate --drift-profile`. Empty: it is learnt "
        "from the first answers after each start.",
        read_only=True,
    )
    learn_answers: int = setting(
        2000,
        "Without a profile: the answers about each camera that the reference is learnt from. Let "
        "them cover what is normal, such as a whole day.",
        low=200,
        high=1000000,
        unit="answers",
        read_only=True,
    )
