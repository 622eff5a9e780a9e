# SPDX-License-Identifier: Apache-2.0
"""The perception node beside a camera: ``ros2 launch lfmvl_ros perception.launch.py --show-args``.

An argument left empty keeps what ``params_file`` says.
"""

from pathlib import PurePosixPath

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from lfmvl_ros.ros.transport.launching import dds_profile_argument, set_dds_profile

PACKAGE = "lfmvl_ros"

# Launch argument -> type of the node's parameter of the same name.
OVERRIDES = {
    "model": str,
    "query": str,
    "device": str,
    "compressed_input": bool,
    "autostart": bool,
}


def share(*parts):
    return PathJoinSubstitution([FindPackageShare(PACKAGE), *parts])


def arguments():
    yes_no, optional = ["true", "false"], ["true", "false", ""]
    return [
        DeclareLaunchArgument(
            "namespace", default_value="lfmvl", description="Namespace of node, topics and services"
        ),
        DeclareLaunchArgument(
            "input_image_topic",
            default_value="image_raw",
            description="Camera topic (sensor_msgs/Image); a relative name is in the namespace. "
            "With compressed_input, '/compressed' is appended",
        ),
        DeclareLaunchArgument(
            "input_camera_info_topic",
            default_value="",
            description="Calibration, needed by markers and with a gyroscope; empty: camera_info "
            "beside the images",
        ),
        DeclareLaunchArgument(
            "input_imu_topic",
            default_value="imu",
            description="Gyroscope (sensor_msgs/Imu), listened to with ego_motion.source imu",
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=share("config", "default.yaml"),
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
            "compressed_input",
            default_value="",
            choices=optional,
            description="Subscribe to compressed images; empty: as in params_file",
        ),
        DeclareLaunchArgument(
            "autostart",
            default_value="",
            choices=optional,
            description="Configure and activate by itself; false leaves it to a life-cycle "
            "manager; empty: as in params_file",
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            choices=yes_no,
            description="Take the time from /clock, as with a simulator or a played bag",
        ),
        DeclareLaunchArgument(
            "use_debug",
            default_value="false",
            choices=yes_no,
            description="Show camera, boxes and markers in RViz",
        ),
        DeclareLaunchArgument(
            "respawn",
            default_value="false",
            choices=yes_no,
            description="Start the node again, after 5 s, when it ends",
        ),
        DeclareLaunchArgument(
            "log_level",
            default_value="info",
            choices=["debug", "info", "warn", "error", "fatal"],
            description="Least severity that is logged",
        ),
        dds_profile_argument(),
    ]


def camera_info_topic(image_topic, given):
    """Return the calibration's topic: as given, else beside the images, as drivers have it."""
    return given or str(PurePosixPath(image_topic).with_name("camera_info"))


def perception(context):
    def value(name):
        return LaunchConfiguration(name).perform(context)

    # Typed: a query such as "on" or "5" must stay text.
    overrides = {
        name: ParameterValue(value(name), value_type=str) if kind is str else value(name) == "true"
        for name, kind in OVERRIDES.items()
        if value(name)
    }
    images = value("input_image_topic")
    node = LifecycleNode(
        package=PACKAGE,
        executable="perception_node",
        name="perception",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            LaunchConfiguration("params_file"),
            {"use_sim_time": value("use_sim_time") == "true", **overrides},
        ],
        remappings=[
            ("image_raw", images),
            ("camera_info", camera_info_topic(images, value("input_camera_info_topic"))),
            ("imu", value("input_imu_topic")),
        ],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        respawn=value("respawn") == "true",
        respawn_delay=5.0,
        output="screen",
        emulate_tty=True,
    )
    return [node]


def generate_launch_description():
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", share("config", "lfmvl.rviz")],
        # The RViz file names the topics of the default namespace.
        remappings=[
            ("/lfmvl/image_raw", LaunchConfiguration("input_image_topic")),
            *((f"/lfmvl/{name}", name) for name in ("debug_image", "markers", "camera_info")),
        ],
        condition=IfCondition(LaunchConfiguration("use_debug")),
    )
    return LaunchDescription(
        [*arguments(), set_dds_profile(processes=2), OpaqueFunction(function=perception), rviz]
    )
