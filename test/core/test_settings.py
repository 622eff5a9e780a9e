# SPDX-License-Identifier: Apache-2.0
"""Settings: defaults are valid, changes apply all or none, errors name the setting."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import CameraSettings, ParsingSettings, PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.settings import Group, SettingInfo, setting

TREES: list[type[Group]] = [PerceptionSettings, CameraSettings]


@dataclass(frozen=True)
class Fan(Group):
    """A nested group."""

    speed: int = setting(3, "Speed.", low=0, high=9)
    mode: str = setting("auto", "Mode.", choices=("auto", "off"))


@dataclass(frozen=True)
class Oven(Group):
    """A group with one of each kind."""

    heat_c: float = setting(180.0, "Heat.", unit="C", low=50.0, high=250.0)
    light: bool = setting(True, "Light.")
    name: str = setting("oven", "Name.", read_only=True)
    fan: Fan = field(default_factory=Fan)


@pytest.mark.parametrize("tree", TREES)
def test_every_setting_of_the_package_is_well_declared(tree: type[Group]) -> None:
    for name, info in tree.describe().items():
        assert info.name == name
        assert type(info.default) is info.kind
        assert info.check(info.default) == info.default
        assert info.help.endswith((".", "'")), name
        assert (info.low is None) == (info.kind not in (int, float)), f"{name} needs a range"
        assert not info.choices or info.default in info.choices


@pytest.mark.parametrize("tree", TREES)
def test_defaults_are_the_declared_ones(tree: type[Group]) -> None:
    defaults = {name: info.default for name, info in tree.describe().items()}
    assert tree().flat() == defaults
    assert tree().updated(defaults) == tree()


def test_describe_keeps_order_and_nests() -> None:
    assert list(Oven.describe()) == ["heat_c", "light", "name", "fan.speed", "fan.mode"]
    assert Oven.describe()["name"].read_only


def test_updated_changes_only_what_was_named() -> None:
    oven = Oven().updated({"fan.mode": "off", "heat_c": 200})
    assert oven.flat() == {
        "heat_c": 200.0,
        "light": True,
        "name": "oven",
        "fan.speed": 3,
        "fan.mode": "off",
    }
    assert type(oven.heat_c) is float


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heat_c": 300.0}, "heat_c must be between 50.0 and 250.0 C, got 300.0"),
        ({"heat_c": float("nan")}, "heat_c must be finite"),
        ({"heat_c": "hot"}, "heat_c must be of type float, got str 'hot'"),
        ({"heat_c": True}, "of type float, got bool"),
        ({"light": 1}, "light must be of type bool"),
        ({"fan.speed": 2.0}, "fan.speed must be of type int"),
        ({"fan.mode": "on"}, "fan.mode must be one of auto, off; got 'on'"),
        ({"fan.colour": "red"}, "there is no setting 'fan.colour'"),
        ({"fan": Fan()}, "there is no setting 'fan'"),
    ],
)
def test_bad_changes_are_refused_with_the_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Oven().updated(changes)
    assert message in str(caught.value)


def test_all_or_none_and_every_problem_at_once() -> None:
    oven = Oven()
    with pytest.raises(UserError) as caught:
        oven.updated({"light": False, "heat_c": 1.0, "nose": 3})
    assert "heat_c" in str(caught.value)
    assert "nose" in str(caught.value)
    assert oven == Oven()


def test_a_group_is_checked_when_built() -> None:
    with pytest.raises(UserError, match="min_score"):
        ParsingSettings(min_score=1.5)
    assert ParsingSettings(min_score=1).min_score == 1.0


def test_a_range_has_two_ends() -> None:
    with pytest.raises(ValueError, match="both ends"):
        setting(1, "Half a range.", low=0)


NUMBERS = [
    (tree, info)
    for tree in TREES
    for info in tree.describe().values()
    if info.kind in (int, float) and not info.read_only
]


@given(st.sampled_from(NUMBERS), st.floats(-1e6, 1e6))
def test_numbers_are_taken_inside_their_range_only(
    case: tuple[type[Group], SettingInfo], value: float
) -> None:
    tree, info = case
    candidate = int(value) if info.kind is int else value
    assert info.low is not None
    assert info.high is not None
    if info.low <= candidate <= info.high:
        assert tree().updated({info.name: candidate}).flat()[info.name] == candidate
    else:
        with pytest.raises(UserError, match=info.name):
            tree().updated({info.name: candidate})


def test_settings_can_not_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        Oven().light = False  # type: ignore[misc]
    assert {item.name for item in fields(Oven)} == {"heat_c", "light", "name", "fan"}
