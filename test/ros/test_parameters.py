# SPDX-License-Identifier: Apache-2.0
"""Settings as parameters: declared in full, validated before they are applied, all or nothing."""

import signal

import pytest
import rclpy
from rclpy.parameter import Parameter
from std_msgs.msg import String

from lfmvl_ros.core.config import CameraSettings, PerceptionSettings, RecorderSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.parameters import (
    SettingsParameters,
    describe,
    unused_overrides,
    warn_unused_qos,
)


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
        ({"query": 5}, "query must be of type str, got int 5; YAML reads"),
        ({"query": True}, "query must be of type str, got bool True; YAML reads"),
        ({"generation__draft": False}, "'off' is now 'none'"),
        ({"generation__grammar": True}, "'on' is now 'always'"),
        ({"image__split": "off"}, "got 'off'; 'off' is now 'never'"),
        ({"cameras": "front"}, "cameras must be of type list of str"),
        ({"cameras": [1, 2]}, "cameras must be of type list of str"),
        ({"cameras": ["front", "front"]}, "cameras: each name may appear only once"),
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
        ({"query": "box", "generation__draft": False}, "'off' is now 'none'"),
        ({"query": "box", "image__split": "on"}, "'on' is now 'always'"),
        ({"query": 7}, "query must be of type str, got int 7"),
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


def test_an_override_that_nothing_takes_is_warned_about_with_the_nearest_name(host, capfd):
    host(
        generation__drafts="none",
        max_coast_s=3.0,
        use_sim_time=False,
        query="box",
        colour="red",
        **{"qos_overrides./image_raw.subscription.depth": 3},
    )
    lines = [line.partition("]: ")[2] for line in capfd.readouterr().err.splitlines()]
    assert lines == [
        "parameter 'colour' is unknown and has no effect",
        "parameter 'generation.drafts' is unknown and has no effect; "
        "did you mean 'generation.draft'?",
        "parameter 'max_coast_s' is unknown and has no effect; did you mean 'tracker.max_coast_s'?",
    ]


def test_overrides_of_qos_are_judged_once_the_topics_are_there(host, capfd):
    right = "qos_overrides./words.publisher.depth"
    wrong = "qos_overrides./wrods.publisher.depth"
    durability = "qos_overrides./words.publisher.durability"
    node = host(**{right: 3, wrong: 3, durability: "volatile"}).node
    assert unused_overrides(node) == [right, durability, wrong]
    publisher = node.create_publisher(
        String, "words", qos.own(qos.SENSOR), qos_overriding_options=qos.overridable()
    )
    assert publisher.qos_profile.depth == 3
    assert unused_overrides(node) == [durability, wrong]
    capfd.readouterr()
    warn_unused_qos(node)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert f"parameter '{durability}' has no effect: this node has no such topic" in lines[0]
    assert lines[1].endswith(f"; did you mean '{right}'?")


@pytest.mark.parametrize(
    ("module", "text", "warning"),
    [
        ("perception_node", "tracker: {max_coast: 3.0}", "did you mean 'tracker.max_coast_s'?"),
        ("camera_node", "{widht: 64, source: scene}", "did you mean 'width'?"),
        ("recorder_node", "{duration: 3.0}", "did you mean 'duration_s'?"),
    ],
)
def test_a_parameter_file_with_a_misspelt_name(world, tmp_path, module, text, warning):
    path = tmp_path / "parameters.yaml"
    path.write_text(f"/**:\n  ros__parameters:\n    {text}\n")
    model = world.recording("replies", [{"text": "[]"}])
    parameters = {"model": str(model)} if module == "perception_node" else {}
    process = world.start(module, parameters=parameters, arguments=["--params-file", str(path)])
    world.until_logged(warning)
    assert world.log().count("is unknown and has no effect") == 1
    assert process.poll() is None
    code = world.end(process, signal.SIGINT)
    assert code == (1 if module == "recorder_node" else 0), world.log()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("generation.draft:=off", "generation.draft must be one of auto, none; got False, as YAML "
         "reads n, no, false and off; 'off' is now 'none'"),
        ("image.split:=on", "image.split must be one of checkpoint, always, never; got True, as "
         "YAML reads y, yes, true and on; 'on' is now 'always'"),
        ("query:=no", "query must be of type str, got bool False; YAML reads numbers and words"),
    ],
)  # fmt: skip
def test_a_word_that_yaml_reads_as_a_boolean_ends_in_one_sentence(world, words, says):
    process = world.start("perception_node", arguments=["-p", words])
    assert process.ended() == 2, world.log()
    assert world.log().startswith(says)
    assert world.log().count("\n") == 1
