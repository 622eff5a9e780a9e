# SPDX-License-Identifier: Apache-2.0
"""Settings as parameters: declared in full, validated before they are applied, all or nothing."""

import pytest
import rclpy
from rclpy.parameter import Parameter

from lfmvl_ros.core.config import CameraSettings, PerceptionSettings, RecorderSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.parameters import SettingsParameters, describe


class Host:
    """A node with the settings as parameters."""

    def __init__(self, context, group=PerceptionSettings, **overrides):
        self.node = rclpy.create_node(
            "host",
            context=context,
            parameter_overrides=[
                Parameter(name.replace("__", "."), value=value) for name, value in overrides.items()
            ],
        )
        self.applied = []
        self.parameters = SettingsParameters(self.node, group(), self.apply)

    def apply(self, settings):
        if isinstance(settings, PerceptionSettings) and settings.query == "refused":
            raise UserError("the query 'refused' is refused; choose another")
        self.applied.append(settings)

    def set(self, **changes):
        parameters = [
            Parameter(name.replace("__", "."), value=value) for name, value in changes.items()
        ]
        return self.node.set_parameters_atomically(parameters)


@pytest.fixture
def host(ros):
    made = []

    def make(*args, **kwargs):
        made.append(Host(ros, *args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.node.destroy_node()


@pytest.mark.parametrize("group", [PerceptionSettings, CameraSettings, RecorderSettings])
def test_every_setting_is_a_parameter_with_its_default(host, group):
    node = host(group).node
    for name, value in group().flat().items():
        given = node.get_parameter(name).value
        assert (tuple(given) if isinstance(given, list) else given) == value
        assert node.describe_parameter(name).description


def test_descriptors_say_type_range_choices_unit_and_whether_they_can_change():
    known = PerceptionSettings.describe()
    tokens = describe(known["generation.max_new_tokens"])
    assert tokens.type == Parameter.Type.INTEGER.value
    assert (tokens.integer_range[0].from_value, tokens.integer_range[0].to_value) == (8, 4096)
    coast = describe(known["tracker.max_coast_s"])
    assert coast.type == Parameter.Type.DOUBLE.value
    assert (coast.floating_point_range[0].from_value, coast.floating_point_range[0].to_value) == (
        0.1,
        60.0,
    )
    assert "0.1 to 60 s" in coast.description
    split = describe(known["image.split"])
    assert split.additional_constraints == "one of checkpoint, always, never"
    assert not split.read_only
    assert describe(known["cameras"]).read_only
    assert describe(known["cameras"]).type == Parameter.Type.STRING_ARRAY.value
    assert "Read at start only" in describe(known["cameras"]).description


def test_overrides_from_launch_take_effect(host):
    made = host(query="red tote", tracker__max_coast_s=3.5, image__split="never")
    settings = made.parameters.settings
    assert (settings.query, settings.tracker.max_coast_s, settings.image.split) == (
        "red tote",
        3.5,
        "never",
    )


def test_an_integer_is_taken_for_a_float(host):
    made = host(generation__timeout_s=4)
    assert made.parameters.settings.generation.timeout_s == 4.0
    assert made.set(tracker__max_coast_s=3).successful
    assert made.parameters.settings.tracker.max_coast_s == 3.0


@pytest.mark.parametrize(
    ("given", "taken"),
    [(["front", "rig/left"], ("front", "rig/left")), ([], ("",)), ([""], ("",))],
)
def test_names_of_cameras(host, given, taken):
    assert host(cameras=given).parameters.settings.cameras == taken


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ({"generation__timeout_s": "soon"}, "generation.timeout_s"),
        ({"generation__max_new_tokens": 7.5}, "generation.max_new_tokens"),
        ({"tracker__max_coast_s": 99.0}, "tracker.max_coast_s"),
        ({"image__max_tiles": 65}, "image.max_tiles"),
        ({"image__split": "maybe"}, "image.split must be one of checkpoint, always, never"),
        ({"query": 5}, "query"),
        ({"cameras": "front"}, "cameras must be of type list of str"),
        ({"cameras": [1, 2]}, "cameras must be of type list of str"),
        ({"cameras": ["front", "front"]}, "cameras: each name once"),
        ({"cameras": ["front", ""]}, "cameras: '' can't be part of a topic name"),
        ({"cameras": ["2nd"]}, "cameras: '2nd' can't be part of a topic name"),
    ],
)
def test_a_bad_override_is_one_sentence(host, override, says):
    with pytest.raises(UserError, match=says):
        host(**override)


def test_changes_are_applied_at_run_time(host):
    made = host()
    assert made.set(query="box", image__max_tokens=64).successful
    assert made.applied[-1].query == "box"
    assert made.parameters.settings.image.max_tokens == 64
    assert made.node.get_parameter("query").value == "box"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"query": "box", "image__split": "maybe"}, "image.split must be one of"),
        ({"query": "box", "image__max_tiles": 999}, "image.max_tiles"),
        ({"query": "box", "tracker__gate_probability": float("nan")}, "gate_probability"),
        ({"query": "refused", "image__max_tokens": 64}, "choose another"),
        ({"query": "box", "compressed_input": True}, "compressed_input"),
        ({"query": "box", "tracker__max_coast_s": "long"}, "tracker.max_coast_s"),
    ],
)
def test_all_or_nothing_with_the_reason(host, changes, reason):
    made = host()
    result = made.set(**changes)
    assert not result.successful
    assert reason in result.reason
    assert made.parameters.settings == PerceptionSettings()
    assert made.applied == []
    assert made.node.get_parameter("query").value == PerceptionSettings().query


def test_other_parameters_are_not_ours(host):
    made = host()
    made.node.declare_parameter("somebody_elses", 1)
    assert made.set(somebody_elses=2).successful
    assert made.applied == []
