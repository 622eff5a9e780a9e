# SPDX-License-Identifier: Apache-2.0
"""Each label that is to be read and that nothing asks for is named."""

from __future__ import annotations

import pytest

from lfmvl_ros.core.config_reading import ReadingSettings
from lfmvl_ros.core.readings.worker import ReadingStatus
from lfmvl_ros.ros.diagnostics.health import OK, WARN
from lfmvl_ros.ros.diagnostics.reading_health import reading_health


@pytest.mark.parametrize(
    ("query", "level", "says"),
    [
        ("tag, box", OK, "0 texts"),
        ("a tag, Box, person", OK, "0 texts"),
        ("box", WARN, "the query does not name tag of reading.labels"),
        ("person", WARN, "the query does not name tag, box of reading.labels"),
    ],
)
def test_labels_that_are_never_read_are_named(query: str, level: int, says: str) -> None:
    (health,) = reading_health(ReadingStatus(), ReadingSettings(labels=("tag", "box")), query)
    assert health.level == level
    assert says in health.message
