# SPDX-License-Identifier: Apache-2.0
"""Values in a bag's metadata.yaml of another type end in a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lfmvl_ros.bags.reading import _check_connections

GOOD = {"topic": "/a", "msgtype": "sensor_msgs/msg/Image", "msgcount": 3}
FIELDS = [("topic", "name"), ("msgtype", "type"), ("msgcount", "message_count")]


@pytest.mark.parametrize("value", [{}, [], None, True, 1.5, float("inf"), -1])
@pytest.mark.parametrize(("field", "said"), FIELDS)
def test_topics_of_another_type_are_named(field: str, said: str, value: Any) -> None:
    _check_connections([SimpleNamespace(**GOOD)])
    with pytest.raises(ValueError, match=said):
        _check_connections([SimpleNamespace(**{**GOOD, field: value})])
