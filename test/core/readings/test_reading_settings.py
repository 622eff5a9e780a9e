# SPDX-License-Identifier: Apache-2.0
"""Labels of objects that are read: none, or some that a query could name."""

from __future__ import annotations

import pytest

from lfmvl_ros.core.config_reading import ReadingSettings
from lfmvl_ros.core.errors import UserError


@pytest.mark.parametrize("labels", [("",), (), ("", "")])
def test_nothing_is_read(labels: tuple[str, ...]) -> None:
    assert ReadingSettings(labels=labels).labels == ("",)


@pytest.mark.parametrize("labels", [(" ",), ("box", " "), ("\u200b",), (",",)])
def test_a_blank_label_is_refused_as_one_of_this_setting(labels: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"^reading\.labels: a label is empty"):
        ReadingSettings(labels=labels)


def test_an_empty_label_beside_others_is_none() -> None:
    assert ReadingSettings(labels=("", "box", "Box")).labels == ("box",)
    with pytest.raises(UserError, match=r"^reading\.labels: a label can't be used"):
        ReadingSettings(labels=("x" * 121,))
