# SPDX-License-Identifier: Apache-2.0
"""What the latency budget chooses is what a checkpoint's processor then makes of the image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_rules import wanted_rules
from lfmvl_ros.core.image_tokens import ImageTokenSettings, count_image_tokens
from lfmvl_ros.core.latency.budgeting import as_image_settings
from lfmvl_ros.core.latency.ladder import ladder
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel

from ...examples import examples

SIDES = st.integers(16, 2600)


@examples(60)
@given(
    wh=st.tuples(SIDES, SIDES),
    own=st.builds(
        ImageTokenSettings,
        min_tokens=st.integers(16, 64),
        max_tokens=st.integers(64, 256),
        split=st.booleans(),
    ),
    wanted=st.builds(
        ImageSettings,
        min_tokens=st.just(0) | st.integers(1, 300),
        max_tokens=st.just(0) | st.integers(1, 300),
        split=st.sampled_from(["checkpoint", "always", "never"]),
        max_tiles=st.integers(0, 12),
    ),
)
def test_settings_of_a_choice_cost_what_the_choice_says(wh, own, wanted):
    rules = wanted_rules(own, wanted)
    for rung in ladder((wh,), rules):
        again = wanted_rules(own, as_image_settings(wanted, rung.settings))
        assert count_image_tokens(wh, again).tokens == rung.tokens


@pytest.mark.parametrize("wh", [(320, 240), (640, 480), (1280, 720)])
def test_a_checkpoint_emits_what_was_chosen(backend, wh):
    wanted = ImageSettings(max_tokens=128, split="always", max_tiles=3)
    rng = np.random.default_rng(0)
    frame = Frame(rng.integers(0, 255, (wh[1], wh[0], 3), dtype=np.uint8), 1)
    prompt = backend.template.render(Query.parse("person"))
    rungs = ladder((wh,), backend.image_rules(wanted))
    for rung in rungs[:: max(1, len(rungs) // 4)]:
        (reply,) = backend.ground(
            [frame], [prompt], generation=GenerationSettings(max_new_tokens=8),
            image=as_image_settings(wanted, rung.settings),
        )  # fmt: skip
        assert reply.image_tokens == rung.tokens


def test_a_recording_does_not_say_what_images_cost():
    model = ReplayModel([RecordedReply(Reply("[]"))])
    assert model.image_rules(ImageSettings()) is None
