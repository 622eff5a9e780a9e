# SPDX-License-Identifier: Apache-2.0
"""A scripted scene in simulated time: positions come from where the settings say."""

from __future__ import annotations

import pytest

from lfmvl_ros.cli.scene_demo import SceneRun
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.rules import RuleSet
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel


@pytest.mark.parametrize("source", ["none", "depth", "floor", "size"])
def test_the_source_is_that_of_the_settings(source: str) -> None:
    settings = PerceptionSettings().updated(
        {"spatial.source": source, "query": "box", "spatial.target_frame": "map"}
    )
    run = SceneRun(ReplayModel([RecordedReply(Reply("[]"))]), settings, RuleSet(), None)
    used = None if run._placer is None else run._placer._options.source.value
    assert (used or "none") == source
