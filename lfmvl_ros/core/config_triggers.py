# SPDX-License-Identifier: Apache-2.0
"""Settings of when the model is asked."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.settings import Group, setting

SLEEPY_MODES = ("duty_cycle", "motion", "on_demand")
"""Modes in which the model is not asked for some time; that time does not count against tracks."""


@dataclass(frozen=True)
class TriggerSettings(Group):
    """Which frames the model sees.

    Raises:
        UserError: ``duty_on_s`` is longer than ``duty_every_s``.
    """

    mode: str = setting(
        "continuous",
        "Which frames the model is asked about. continuous: the newest frame whenever the "
        "model is free; the others save power. rate: at most max_rate_hz; duty_cycle: for "
        "duty_on_s in every duty_every_s; motion: when the image has changed; on_demand: only "
        "after a message on look, an event of a rule, a call of ground_once, or the tools find and "
        "look_for. docs/triggers.md compares them.",
        choices=("continuous", "rate", "duty_cycle", "motion", "on_demand"),
    )
    max_rate_hz: float = setting(
        2.0,
        "With mode rate: maximum number of answers per second and camera. Lower it to save power, "
        "raise it to react sooner.",
        unit="Hz",
        low=0.01,
        high=60.0,
    )
    max_batch: int = setting(
        4,
        "With several cameras: maximum number of frames in one call of the model. Lower it if "
        "memory is short; 1 handles one frame after another.",
        low=1,
        high=16,
        unit="frames",
    )
    duty_on_s: float = setting(
        1.0,
        "With mode duty_cycle: for how long the model is asked in each cycle, as fast as it "
        "answers. Raise it if objects are not confirmed within one cycle.",
        unit="s",
        low=0.01,
        high=3600.0,
    )
    duty_every_s: float = setting(
        10.0,
        "With mode duty_cycle: length of a cycle. Events are noticed up to this late. Raise it "
        "to save power.",
        unit="s",
        low=0.1,
        high=86400.0,
    )
    at_least_every_s: float = setting(
        10.0,
        "With mode motion: the model is asked after this time even if nothing has changed. Lower "
        "it if changes without motion matter, raise it to save power.",
        unit="s",
        low=0.1,
        high=86400.0,
    )
    motion_contrast: float = setting(
        12.0,
        "With mode motion: by how many grey levels (of 255) a part of the image must change; a "
        "change of the light on the whole image does not count. Raise it if camera noise wakes "
        "the model, lower it if dark objects don't.",
        low=1.0,
        high=255.0,
    )
    motion_area: float = setting(
        0.002,
        "With mode motion: share of the image that must change. Lower it for small or distant "
        "objects, raise it if small changes (a display, leaves) wake the model.",
        low=0.0002,
        high=1.0,
    )
    moving_rate_hz: float = setting(
        0.0,
        "With mode motion: maximum number of answers per second while the image changes; 0: as "
        "many as the model gives. Set it to save more power where somebody is often in view; "
        "events are noticed up to a period later.",
        unit="Hz",
        low=0.0,
        high=60.0,
    )
    burst: int = setting(
        3,
        "With modes duty_cycle, motion and on_demand: minimum number of answers after each "
        "trigger; with motion, counted from when the image has come to rest. Keep it at least at "
        "tracker.max_missed_answers, so that objects that have left are hidden.",
        low=1,
        high=1000,
        unit="answers",
    )
    hold_tracks_s: float = setting(
        60.0,
        "With modes duty_cycle and on_demand: how long tracks are kept while the model is not "
        "asked; they coast, and their confidence falls. Lower it if lost objects linger.",
        unit="s",
        low=0.0,
        high=86400.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode == "duty_cycle" and self.duty_on_s > self.duty_every_s:
            raise UserError(
                f"trigger.duty_on_s ({self.duty_on_s:g}) must not be longer than "
                f"trigger.duty_every_s ({self.duty_every_s:g})"
            )

    @property
    def may_sleep(self) -> bool:
        """Whether the model is not asked for some time in this mode."""
        return self.mode in SLEEPY_MODES
