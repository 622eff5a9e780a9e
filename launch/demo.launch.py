# SPDX-License-Identifier: Apache-2.0
"""No camera, no download: a synthetic warehouse, and the node with the bundled checkpoint.

``ros2 launch lfmvl_ros demo.launch.py use_debug:=true``

Camera and perception run in separate processes: rclpy nodes can't be loaded into a component
container, and two in one interpreter would share its lock.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from lfmvl_ros.ros.transport.launching import (
    PACKAGE,
    process_arguments,
    process_options,
    set_dds_profile,
    share,
)

# Launch argument -> type of camera_node's parameter of the same name.
CAMERA = {"source": str, "seed": int, "rate_hz": float, "loop": bool}
# Launch arguments passed on to perception.launch.py.
PERCEPTION = (
    "namespace", "params_file", "model", "query", "device", "use_debug", "respawn", "log_level",
    "dds_profile",
)  # fmt: skip


def arguments():
    return [
        DeclareLaunchArgument(
            "source",
            default_value="scene",
            description="'scene', a video file, a folder of images, or a device like /dev/video0",
        ),
        DeclareLaunchArgument(
            "seed", default_value="7", description="Which synthetic scene, with source scene"
        ),
        DeclareLaunchArgument(
            "rate_hz",
            default_value="0.0",
            description="Images per second; 0.0 uses the source's own rate",
        ),
        DeclareLaunchArgument(
            "loop",
            default_value="true",
            choices=["true", "false"],
            description="Start again when a file or folder ends",
        ),
        DeclareLaunchArgument(
            "namespace", default_value="lfmvl", description="Namespace of nodes, topics, services"
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=share("config", "default.yaml"),
            description="YAML file with the perception node's parameters",
        ),
        DeclareLaunchArgument(
            "model",
            default_value="bundled",
            description="Hub id, directory, 'bundled' or a .jsonl file of recorded answers",
        ),
        DeclareLaunchArgument(
            "query",
            default_value="person, forklift, tote, cardboard box, traffic cone",
            description="What to find, separated by commas",
        ),
        DeclareLaunchArgument(
            "device", default_value="auto", description="auto, cpu, cuda or cuda:N"
        ),
        DeclareLaunchArgument(
            "use_debug",
            default_value="false",
            choices=["true", "false"],
            description="Show camera, boxes and markers in RViz",
        ),
        *process_arguments(),
    ]


def camera(context):
    def value(name):
        return LaunchConfiguration(name).perform(context)

    node = Node(
        package=PACKAGE,
        executable="camera_node",
        name="camera",
        namespace=value("namespace"),
        parameters=[
            {
                name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                for name, kind in CAMERA.items()
            }
        ],
        **process_options(value),
    )
    return [node]


def generate_launch_description():
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(share("launch", "perception.launch.py")),
        launch_arguments={name: LaunchConfiguration(name) for name in PERCEPTION}.items(),
    )
    return LaunchDescription(
        [*arguments(), set_dds_profile(processes=3), OpaqueFunction(function=camera), perception]
    )
