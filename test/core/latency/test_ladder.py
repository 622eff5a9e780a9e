# SPDX-License-Identifier: Apache-2.0
"""What can be chosen: from the cheapest to what the user allows."""

import itertools

import pytest
from hypothesis import given

from lfmvl_ros.core.image_tokens import count_image_tokens
from lfmvl_ros.core.latency.ladder import ladder

from ...examples import examples
from .machines import RULES, SIZES, SPLIT, WHOLE


@examples(50)
@given(sizes=SIZES, rules=RULES)
def test_a_ladder_stays_between_minimum_and_the_users_settings(sizes, rules):
    rungs = ladder(sizes, rules, 50)
    own = [count_image_tokens(wh, rules) for wh in sizes]
    assert rungs[-1].settings == rules
    for rung in rungs:
        counts = [count_image_tokens(wh, rung.settings) for wh in sizes]
        assert rung.tokens == sum(count.tokens for count in counts)
        assert rung.tiles == max(count.tiles for count in counts)
        for count, most in zip(counts, own, strict=True):
            assert min(rules.min_tokens, most.tokens) <= count.tokens <= most.tokens
            assert count.tiles <= most.tiles
        assert rung.settings.min_tokens == rules.min_tokens
        assert rung.settings.max_tokens <= rules.max_tokens
        assert rung.settings.max_tiles <= rules.max_tiles
    for low, high in itertools.pairwise(rungs):
        assert low.tokens < high.tokens
        assert low.work.patches <= high.work.patches
        assert low.work.prompt_tokens <= high.work.prompt_tokens


def test_a_ladder_has_many_rungs_and_reaches_the_tiles():
    rungs = ladder(((1920, 1080),), SPLIT)
    assert [rung.tokens for rung in rungs[-2:]] == [764, 2300]
    assert rungs[0].tokens == 66
    assert len(rungs) > 10
    assert rungs[-1].work.patches == (8 + 1) * 1024


def test_a_ladder_needs_an_image():
    with pytest.raises(ValueError, match="at least"):
        ladder((), WHOLE)
