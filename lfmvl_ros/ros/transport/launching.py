# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: arguments, options of processes, the DDS profile for images.

``dds_profile:=auto`` sets it for the processes of a launch file if the RMW is Fast DDS and the
user has set none. A camera driver that is started elsewhere needs it in its own environment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from launch import LaunchContext
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.transport import fast_dds, middleware

PACKAGE = "lfmvl_ros"
ARGUMENT = "dds_profile"
# Launch argument -> type of the perception node's parameter of the same name.
OVERRIDES = {
    "model": str,
    "query": str,
    "device": str,
    "rules_file": str,
    "compressed_input": bool,
    "autostart": bool,
}


def share(*parts: str) -> PathJoinSubstitution:
    """Return the path of a file that this package installs."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), *parts])


def perception_arguments(params_file: PathJoinSubstitution) -> list[DeclareLaunchArgument]:
    """Declare the arguments for parameters of the perception node.

    Args:
        params_file: default of the argument of that name.
    """
    return [
        DeclareLaunchArgument(
            "params_file",
            default_value=params_file,
            description="YAML file with the node's parameters",
        ),
        DeclareLaunchArgument(
            "model",
            default_value="",
            description="Hub id, directory, 'bundled' or a .jsonl file of recorded answers; empty: "
            "as in params_file",
        ),
        DeclareLaunchArgument(
            "query",
            default_value="",
            description="What to find, separated by commas; empty: as in params_file",
        ),
        DeclareLaunchArgument(
            "device",
            default_value="",
            description="auto, cpu, cuda or cuda:N; empty: as in params_file",
        ),
        DeclareLaunchArgument(
            "rules_file",
            default_value="",
            description="Zones and rules about the tracks (docs/rules.md); empty: as in "
            "params_file",
        ),
        DeclareLaunchArgument(
            "compressed_input",
            default_value="",
            choices=["true", "false", ""],
            description="Subscribe to compressed images; empty: as in params_file",
        ),
        DeclareLaunchArgument(
            "autostart",
            default_value="",
            choices=["true", "false", ""],
            description="Configure and activate at start; false leaves it to a lifecycle "
            "manager; empty: as in params_file",
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            choices=["true", "false"],
            description="Use the time of /clock, as with a simulator or a bag",
        ),
    ]


def overrides(value: Callable[[str], str]) -> dict[str, Any]:
    """Return the node's parameters that :func:`perception_arguments` change.

    Args:
        value: returns the text of an argument. Empty keeps the value of ``params_file``.
    """
    # With a type, so that a query such as "on" or "5" stays text.
    given = {
        name: ParameterValue(value(name), value_type=str) if kind is str else value(name) == "true"
        for name, kind in OVERRIDES.items()
        if value(name)
    }
    return {"use_sim_time": value("use_sim_time") == "true", **given}


def process_arguments() -> list[DeclareLaunchArgument]:
    """Declare how the processes of a launch file run."""
    return [
        DeclareLaunchArgument(
            "respawn",
            default_value="false",
            choices=["true", "false"],
            description="Restart a node 5 s after it ends",
        ),
        DeclareLaunchArgument(
            "log_level",
            default_value="info",
            choices=["debug", "info", "warn", "error", "fatal"],
            description="Lowest severity that is logged",
        ),
        dds_profile_argument(),
    ]


def process_options(value: Callable[[str], str]) -> dict[str, Any]:
    """Return the options of a node action that :func:`process_arguments` decide."""
    return {
        "arguments": ["--ros-args", "--log-level", value("log_level")],
        "respawn": value("respawn") == "true",
        "respawn_delay": 5.0,
        "output": "screen",
        "emulate_tty": True,
    }


def job_arguments(
    params_file: PathJoinSubstitution, rules_file: PathJoinSubstitution, query: str
) -> list[DeclareLaunchArgument]:
    """Declare the arguments that the launch files of all jobs have.

    Args:
        params_file: default of the argument of that name; so are the others.
        rules_file: zones and rules of the job.
        query: the labels that the rules name.
    """
    return [
        DeclareLaunchArgument(
            "namespace", default_value="lfmvl", description="Namespace of nodes, topics, services"
        ),
        DeclareLaunchArgument(
            "input_image_topic",
            default_value="image_raw",
            description="Camera topic (sensor_msgs/Image); a relative name is in the namespace",
        ),
        DeclareLaunchArgument(
            "synthetic",
            default_value="false",
            choices=["true", "false"],
            description="Publish the planned scene instead of waiting for a camera",
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=params_file,
            description="YAML file with the perception node's parameters",
        ),
        DeclareLaunchArgument(
            "rules_file",
            default_value=rules_file,
            description="Zones and rules; the default's zones are those of the planned scene",
        ),
        DeclareLaunchArgument(
            "query",
            default_value=query,
            description="What to find, separated by commas; the rules name these labels",
        ),
        DeclareLaunchArgument(
            "model",
            default_value="bundled",
            description="Hub id, directory or 'bundled', which knows only the planned scene",
        ),
        DeclareLaunchArgument(
            "device", default_value="auto", description="auto, cpu, cuda or cuda:N"
        ),
        dds_profile_argument(),
    ]


def job_actions(
    camera: dict[str, Any], arguments: Sequence[DeclareLaunchArgument]
) -> list[OpaqueFunction | IncludeLaunchDescription | Node]:
    """Return what a job starts: perception, and with ``synthetic`` the camera of its scene.

    Args:
        camera: parameters of ``camera_node``.
        arguments: declared by the launch file; all but ``synthetic`` are handed on to
            perception.launch.py.
    """
    handed_on = [argument.name for argument in arguments if argument.name != "synthetic"]
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(share("launch", "perception.launch.py")),
        launch_arguments={name: LaunchConfiguration(name) for name in handed_on}.items(),
    )
    synthetic = Node(
        package=PACKAGE,
        executable="camera_node",
        name="camera",
        namespace=LaunchConfiguration("namespace"),
        parameters=[camera],
        condition=IfCondition(LaunchConfiguration("synthetic")),
        output="screen",
    )
    return [set_dds_profile(processes=3), perception, synthetic]


def dds_profile_argument() -> DeclareLaunchArgument:
    """Declare the argument."""
    return DeclareLaunchArgument(
        ARGUMENT,
        default_value="auto",
        description="DDS profile of the nodes. auto: one with shared memory for images if the "
        "RMW is Fast DDS and no profile is set; none; or the path of an XML file",
    )


def set_dds_profile(processes: int) -> OpaqueFunction:
    """Return the action that sets the profile for what is started after it.

    Args:
        processes: number of processes; each takes a segment of /dev/shm.
    """
    return OpaqueFunction(function=_set, args=[processes])


def _set(context: LaunchContext, processes: int) -> list[Action]:
    try:
        choice = middleware.choose_profile(
            LaunchConfiguration(ARGUMENT).perform(context),
            context.environment,
            processes=processes,
            free_bytes=fast_dds.free_shared_memory(),
        )
    except UserError as error:
        raise RuntimeError(f"{ARGUMENT}: {error}") from error
    level = "warning: " if choice.warning else ""
    return [
        *(SetEnvironmentVariable(name, value) for name, value in choice.variables.items()),
        LogInfo(msg=f"{ARGUMENT}: {level}{choice.reason}"),
    ]
