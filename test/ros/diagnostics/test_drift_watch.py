# SPDX-License-Identifier: Apache-2.0
"""Which answers drift is measured on, and what the line says about a profile that does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lfmvl_ros.core.config_drift import DriftSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking.applied import Applied
from lfmvl_ros.ros.diagnostics.drift_watch import DriftWatch
from lfmvl_ros.ros.diagnostics.health import OK, WARN

from ...collect.samples import WH, answer
from ...core.replies import parse

PROFILE = {"schema": "lfmvl/drift_profile/1", "query": "person, red tote", "model": "", "block": 20}


def test_answers_about_a_part_of_the_image_are_left_out() -> None:
    """They have fewer boxes by nature: mixed with whole ones, they would be a change."""
    settings = DriftSettings(watch=True, learn_answers=200)
    watch = DriftWatch(settings, "", lambda _: None, lambda _: None)
    whole = answer()
    part = replace(whole, grounding=replace(whole.grounding, region=Region((0, 0, 32, 48), WH)))
    for given in (whole, part, part, whole):
        watch.answer(given)
    assert watch.health().values["answers"] == 2


def watch_with(path: Path, *figures: str) -> DriftWatch:
    features = {name: {"mean": 0.0, "sigma": 1.0, "blocks": 20} for name in figures}
    path.write_text(json.dumps({**PROFILE, "features": features}))
    settings = DriftSettings(watch=True, profile=str(path))
    return DriftWatch(settings, "", lambda text: None, lambda event: None)


@pytest.mark.parametrize("figures", [(), ("boxes", "brightnes")])
def test_a_profile_that_compares_nothing_or_something_else_is_refused(
    tmp_path: Path, figures: tuple[str, ...]
) -> None:
    with pytest.raises(UserError, match=r"no features|'brightnes'"):
        watch_with(tmp_path / "profile.json", *figures)


def test_a_figure_without_values_is_a_warning_by_name(tmp_path: Path) -> None:
    watch = watch_with(tmp_path / "profile.json", "boxes", "mended", "brightness")
    grounding = parse("[]")
    given = Answer(grounding, Applied(grounding.stamp_ns, ()), 0)  # no image, so no brightness
    for _ in range(19):
        watch.answer(given)
    assert watch.health().level == OK
    watch.answer(given)
    health = watch.health()
    assert (health.level, health.values["without_values"]) == (WARN, "brightness")
    assert "the reference has brightness, of which answers have no values" in health.message
    assert "boxes[person]" in str(health.values["not_in_reference"]).split(", ")
    assert "mended" not in str(health.values["not_in_reference"])
