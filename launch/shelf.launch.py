# SPDX-License-Identifier: Apache-2.0
"""Shelf monitoring: which places are empty, which hold something else (docs/shelf.md).

``ros2 launch lfmvl_ros shelf.launch.py input_image_topic:=/camera/image_raw model:=DIR``

Without a camera, ``synthetic:=true`` publishes the planned scene of ``make demo SCENE=shelf``.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from lfmvl_ros.ros.transport.launching import (
    PACKAGE,
    dds_profile_argument,
    set_dds_profile,
    share,
)

# Launch arguments handed on to perception.launch.py.
PERCEPTION = (
    "namespace", "input_image_topic", "params_file", "model", "query", "device", "rules_file",
    "dds_profile",
)  # fmt: skip


def arguments():
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
            default_value=share("config", "default.yaml"),
            description="YAML file with the perception node's parameters",
        ),
        DeclareLaunchArgument(
            "rules_file",
            default_value=share("config", "rules", "shelf.yaml"),
            description="Zones and rules; the default's zones are those of the planned scene",
        ),
        DeclareLaunchArgument(
            "model",
            default_value="bundled",
            description="Hub id, directory or 'bundled', which knows only the planned scene",
        ),
        DeclareLaunchArgument(
            "query",
            default_value="tote, crate, barrel",
            description="What to find, separated by commas; the rules name these labels",
        ),
        DeclareLaunchArgument(
            "device", default_value="auto", description="auto, cpu, cuda or cuda:N"
        ),
        dds_profile_argument(),
    ]


def generate_launch_description():
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(share("launch", "perception.launch.py")),
        launch_arguments={name: LaunchConfiguration(name) for name in PERCEPTION}.items(),
    )
    camera = Node(
        package=PACKAGE,
        executable="camera_node",
        name="camera",
        namespace=LaunchConfiguration("namespace"),
        parameters=[{"source": "shelf", "rate_hz": 10.0}],
        condition=IfCondition(LaunchConfiguration("synthetic")),
        output="screen",
    )
    return LaunchDescription([*arguments(), set_dds_profile(processes=3), perception, camera])
