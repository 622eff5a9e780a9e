# SPDX-License-Identifier: Apache-2.0
"""Which answers drift is measured on."""

from dataclasses import replace

from lfmvl_ros.core.config_drift import DriftSettings
from lfmvl_ros.core.region import Region
from lfmvl_ros.ros.diagnostics.drift_watch import DriftWatch

from ...collect.samples import WH, answer


def test_answers_about_a_part_of_the_image_are_left_out():
    """They have fewer boxes by nature: mixed with whole ones, they would be a change."""
    settings = DriftSettings(watch=True, learn_answers=200)
    watch = DriftWatch(settings, "", lambda _: None, lambda _: None)
    whole = answer()
    part = replace(whole, grounding=replace(whole.grounding, region=Region((0, 0, 32, 48), WH)))
    for given in (whole, part, part, whole):
        watch.answer(given)
    assert watch.health().values["answers"] == 2
