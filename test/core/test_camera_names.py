# SPDX-License-Identifier: Apache-2.0
"""How a camera's topics and diagnostics are called, and that one module decides it."""

import re
from pathlib import Path

import pytest

import lfmvl_ros
from lfmvl_ros.core.camera_names import health_name, topic_prefix

PACKAGE = Path(lfmvl_ros.__file__).parent
# f"{camera}/..." or f"part {self._camera}" with a choice or a strip behind it.
_AGAIN = re.compile(
    r'f"\{[\w.]*(?:camera|name)\}/|f"[a-z]+ \{[\w.]*camera\}"(?: if|\.rstrip)', re.IGNORECASE
)


def test_a_named_camera_is_in_front_of_topics_and_behind_parts():
    assert topic_prefix("front") + "tracks" == "front/tracks"
    assert health_name("imu", "front") == "imu front"


def test_a_camera_without_a_name_leaves_no_trace():
    assert topic_prefix("") + "tracks" == "tracks"
    assert health_name("imu", "") == "imu"


@pytest.mark.parametrize("room", ["ros", "bags"])
def test_no_other_module_makes_these_names(room: str):
    again = {
        str(path.relative_to(PACKAGE)): line.strip()
        for path in (PACKAGE / room).rglob("*.py")
        if path.name != "camera_names.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if _AGAIN.search(line)
    }
    assert not again, f"use lfmvl_ros.core.camera_names: {again}"
