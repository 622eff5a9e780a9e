# SPDX-License-Identifier: Apache-2.0
"""Settings of the second opinion: which tracks a second model is asked about, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import labels_of_setting
from lfmvl_ros.core.settings import Group, setting

EVERY_LABEL = "*"


@dataclass(frozen=True)
class OpinionSettings(Group):
    """About which tracks, and how often, a second model sees a crop (docs/opinion.md)."""

    model: str = setting(
        "",
        "A second model, which sees crops of uncertain tracks: anything that the parameter model "
        "takes, such as a larger checkpoint, or a server, to which the crops are then sent. Set it "
        "if the robot's own model is small and errors matter. Empty: nothing is asked.",
        read_only=True,
    )
    labels: tuple[str, ...] = setting(
        ("",),
        "Only crops of tracks with these labels may be shown to the second model. "
        '[""]: none, so nothing is asked; ["*"]: every label of the query. Leave out labels whose '
        "images must not leave the robot, such as person.",
    )
    below_confidence: float = setting(
        0.7,
        "The second model is asked about tracks, confirmed or not, whose published confidence is "
        "below this. Raise it to ask more often; 0: only on request (service second_opinion).",
        low=0.0,
        high=1.0,
    )
    period_s: float = setting(
        10.0,
        "The second model is not asked again about a track within this time. Lower it if tracks "
        "change their look quickly and crops cost little.",
        unit="s",
        low=0.1,
        high=86400.0,
    )
    per_minute: int = setting(
        12,
        "Maximum number of crops in any 60 s. Lower it if the second model costs money or is slow.",
        unit="crops",
        low=1,
        high=6000,
    )
    per_day: int = setting(
        1000,
        "Maximum number of crops per day (UTC), also across restarts: the audit file is counted. "
        "Set it to what a day may cost.",
        unit="crops",
        low=1,
        high=100000,
    )
    timeout_s: float = setting(
        10.0,
        "An answer that takes longer is not used. Raise it if a slow server reports timeouts.",
        unit="s",
        low=0.1,
        high=600.0,
    )
    margin: float = setting(
        0.5,
        "How much of the surroundings a crop shows on each side of the box, in box sizes. Raise it "
        "if the second model needs more context.",
        low=0.5,
        high=4.0,
    )
    audit_file: str = setting(
        "~/.ros/lfmvl_opinion.jsonl",
        "File to which a line is appended before each crop is shown, and one with the outcome. "
        "Each node needs its own. If it can't be written, nothing is asked.",
        read_only=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", labels_of_setting(self.labels, "opinion.labels"))
        if self.model and not self.audit_file.strip():
            raise UserError(
                "opinion.audit_file is empty, and no crop is shown to opinion.model without a line "
                "in it; name a file"
            )
