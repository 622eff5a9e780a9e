# SPDX-License-Identifier: Apache-2.0
"""A bag gets only names that ROS can play."""

from __future__ import annotations

import pytest

from lfmvl_ros.bags.names import is_full_name


@pytest.mark.parametrize("name", ["/lfmvl", "/camera/image_raw", "/_a1/B"])
def test_names_that_ros_takes(name: str) -> None:
    assert is_full_name(name)


@pytest.mark.parametrize(
    "name", ["", "/", "lfmvl", "/a b", "/a//b", "/a/", "/1a", "/a$", "/ä", "/a__b", "/" + "x" * 300]
)
def test_names_that_ros_refuses(name: str) -> None:
    assert not is_full_name(name)
