# SPDX-License-Identifier: Apache-2.0
"""Settings: defaults are valid, changes apply all or none, errors name the setting."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core import config
from lfmvl_ros.core.config import ParsingSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.settings import YAML_BOOLEANS, Group, SettingInfo, nearest_name, setting

TREES: list[type[Group]] = [getattr(config, name) for name in config.__all__]


@dataclass(frozen=True)
class Fan(Group):
    """A nested group."""

    speed: int = setting(3, "Speed.", low=0, high=9)
    mode: str = setting("auto", "Mode.", choices=("auto", "none"), renamed={"off": "none"})


@dataclass(frozen=True)
class Oven(Group):
    """A group with one of each kind."""

    heat_c: float = setting(180.0, "Heat.", unit="C", low=50.0, high=250.0)
    light: bool = setting(True, "Light.")
    name: str = setting("oven", "Name.", read_only=True)
    fan: Fan = field(default_factory=Fan)


def test_no_group_is_left_out() -> None:
    assert set(TREES) == {
        value
        for value in vars(config).values()
        if isinstance(value, type) and issubclass(value, Group) and value is not Group
    }


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
    oven = Oven().updated({"fan.mode": "none", "heat_c": 200})
    assert oven.flat() == {
        "heat_c": 200.0,
        "light": True,
        "name": "oven",
        "fan.speed": 3,
        "fan.mode": "none",
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
        ({"fan.mode": "on"}, "fan.mode must be one of auto, none; got 'on'"),
        ({"fan.mode": "off"}, "one of auto, none; got 'off'; 'off' is now 'none'"),
        ({"fan.mode": False}, "got False, as YAML reads n, no, false and off; 'off' is now 'none'"),
        ({"fan.mode": True}, "one of auto, none; got True, as YAML reads y, yes, true and on"),
        ({"name": True}, "name must be of type str, got bool True; YAML reads numbers and words"),
        ({"name": 5}, "quoted: name: 'text' in a file, -p name:=\"'text'\" in a shell"),
        ({"fan.colour": "red"}, "there is no setting 'fan.colour'"),
        ({"fan.sped": 3}, "there is no setting 'fan.sped'; did you mean 'fan.speed'?"),
        ({"speed": 3}, "there is no setting 'speed'; did you mean 'fan.speed'?"),
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


@pytest.mark.parametrize("tree", TREES)
def test_no_word_of_a_setting_is_a_boolean_in_yaml(tree: type[Group]) -> None:
    for name, info in tree.describe().items():
        words = [info.default, *info.choices, *info.renamed.values()]
        for word in (word for word in words if isinstance(word, str)):
            assert word.lower() not in YAML_BOOLEANS, name
            assert not word or yaml.safe_load(word) == word, name
            if not info.choices:
                continue
            for written in (word, word.upper(), word.capitalize()):
                assert isinstance(yaml.safe_load(written), str), name


@pytest.mark.parametrize("word", ["on", "Off", "YES", "no", "true", "False", "y", "N"])
def test_such_a_word_can_not_be_declared(word: str) -> None:
    assert word.lower() in YAML_BOOLEANS
    with pytest.raises(ValueError, match="is a boolean in YAML"):
        setting("auto", "Mode.", choices=("auto", word))
    with pytest.raises(ValueError, match="is a boolean in YAML"):
        setting(word, "Mode.")


RENAMED = [
    (tree, info, old) for tree in TREES for info in tree.describe().values() for old in info.renamed
]


@pytest.mark.parametrize(("tree", "info", "old"), RENAMED)
def test_an_old_word_is_refused_with_the_new_one(
    tree: type[Group], info: SettingInfo, old: str
) -> None:
    assert old not in info.choices
    assert info.renamed[old] in info.choices
    for value in (old, YAML_BOOLEANS.get(old, old)):  # as text, and as ROS delivers it
        with pytest.raises(UserError, match=f"{old!r} is now {info.renamed[old]!r}"):
            tree().updated({info.name: value})


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


NAMES = list(config.PerceptionSettings.describe())


@given(st.sampled_from(NAMES), st.data())
def test_a_slip_of_one_key_is_recognised(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz_"))
    slip = data.draw(st.sampled_from(["missing", "double", "wrong", "swapped"]))
    written = {
        "missing": name[:at] + name[at + 1 :],
        "double": name[:at] + letter + name[at:],
        "wrong": name[:at] + letter + name[at + 1 :],
        "swapped": name[:at] + name[at : at + 2][::-1] + name[at + 2 :],
    }[slip]
    found = nearest_name(written, NAMES)
    if written in NAMES:
        assert found == written
    elif len(name) > 6:  # "quey" could be anything
        assert found is not None


@pytest.mark.parametrize("name", NAMES)
def test_a_name_without_its_group_is_recognised(name: str) -> None:
    last = name.rpartition(".")[2]
    if sum(other.rpartition(".")[2] == last for other in NAMES) == 1:
        assert nearest_name(last, NAMES) == name
        assert nearest_name(f"other.{last}", NAMES) == name


@given(st.text())
def test_any_name_has_a_nearest_one_that_exists_or_none(name: str) -> None:
    assert nearest_name(name, NAMES) in [None, *NAMES]
    assert nearest_name(name, []) is None
