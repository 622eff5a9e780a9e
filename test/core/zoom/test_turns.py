# SPDX-License-Identifier: Apache-2.0
"""Answers about regions get their share and never more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.zoom.turns import Turns

from ...examples import examples


@given(share=st.floats(0.01, 0.8), allowed=st.lists(st.booleans(), min_size=60, max_size=200))
@examples(100)
def test_the_whole_image_keeps_its_share(share: float, allowed: list[bool]) -> None:
    """Also where regions are not possible for a while: no run of them follows."""
    turns, asked = Turns(), []
    for possible in allowed:
        region = possible and turns.is_region_next
        asked.append(region)
        turns = turns.after(share, was_region=region)
        assert 0 <= turns.owed < 2
    for start in range(len(asked)):
        for length in (10, 30):
            window = asked[start : start + length]
            assert sum(window) <= share * len(window) + 2


@given(share=st.sampled_from([0.1, 0.25, 0.5, 2 / 3, 0.8]))
@examples(5)
def test_regions_get_their_share(share: float) -> None:
    turns, regions = Turns(), 0
    for _ in range(300):
        region = turns.is_region_next
        regions += region
        turns = turns.after(share, was_region=region)
    assert abs(regions - 300 * share) <= 2


def test_without_a_share_there_are_none() -> None:
    turns = Turns()
    for _ in range(20):
        assert not turns.is_region_next
        turns = turns.after(0.0, was_region=False)
