# SPDX-License-Identifier: Apache-2.0
"""Settings of drift detection."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class DriftSettings(Group):
    """Whether and how answers and images are compared with a reference."""

    watch: bool = setting(
        False,
        "Compare confidences, boxes per answer, outcomes, brightness, sharpness, latency and "
        "temperature with a reference, and warn when one of them changes (docs/drift.md). Set it "
        "to true for a robot that works unattended.",
        read_only=True,
    )
    profile: str = setting(
        "",
        "The reference: a file written by `lfmvl evaluate --drift-profile`. Empty: it is learned "
        "from the first answers after each start. Set it if the first answers may not be normal.",
        read_only=True,
    )
    learn_answers: int = setting(
        2000,
        "Without a profile: how many answers per camera the reference is learned from. Choose "
        "enough to cover normal operation, such as a whole day.",
        low=200,
        high=1000000,
        unit="answers",
        read_only=True,
    )
