# SPDX-License-Identifier: Apache-2.0
"""What is tried out of the settings before a pipeline takes them."""

import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.pipeline.usable import usable_query
from lfmvl_ros.core.prompt import CARD_TEMPLATE


def test_a_query_that_can_be_used_is_returned():
    settings = PerceptionSettings(query="red tote, person")
    assert usable_query(settings, CARD_TEMPLATE).labels == ("red tote", "person")


@pytest.mark.parametrize(
    "changes",
    [
        {"query": ", ".join(f"thing {i}" for i in range(5000))},
        {"tracker.follower": "/nowhere/at/all"},
    ],
)
def test_a_query_or_a_follower_that_cannot_is_refused(changes):
    settings = PerceptionSettings(query="red tote")
    with pytest.raises(UserError):
        usable_query(settings.updated(changes), CARD_TEMPLATE)
