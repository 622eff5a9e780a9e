# SPDX-License-Identifier: Apache-2.0
"""The perception node beside a camera: ``ros2 launch lfmvl_ros perception.launch.py --show-args``.

An empty argument keeps the value of ``params_file``.
"""

from pathlib import PurePosixPath

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from lfmvl_ros.ros.transport.launching import (
    PACKAGE,
    overrides,
    perception_arguments,
    process_arguments,
    process_options,
    set_dds_profile,
    share,
)

# Topics that the RViz files show, beside the camera's.
SHOWN = ("debug_image", "markers", "camera_info", "markers_3d", "pick_pose")


def arguments():
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
            description="Gyroscope (sensor_msgs/Imu), subscribed to with ego_motion.source imu",
        ),
        DeclareLaunchArgument(
            "input_depth_topic",
            default_value="depth/image",
            description="Depth registered to the colour image (sensor_msgs/Image), subscribed to "
            "with spatial.source depth; its camera_info is expected beside it",
        ),
        *perception_arguments(share("config", "default.yaml")),
        DeclareLaunchArgument(
            "use_debug",
            default_value="false",
            choices=["true", "false"],
            description="Show camera, boxes and markers in RViz",
        ),
        DeclareLaunchArgument(
            "rviz_file",
            default_value=share("config", "lfmvl.rviz"),
            description="What RViz shows with use_debug; picking.rviz beside it shows positions",
        ),
        *process_arguments(),
    ]


def camera_info_topic(image_topic, given):
    """Return the topic of camera_info: as given, else beside the images, as usual for drivers."""
    return given or str(PurePosixPath(image_topic).with_name("camera_info"))


def perception(context):
    def value(name):
        return LaunchConfiguration(name).perform(context)

    images, depth = value("input_image_topic"), value("input_depth_topic")
    node = LifecycleNode(
        package=PACKAGE,
        executable="perception_node",
        name="perception",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            LaunchConfiguration("params_file"),
            overrides(value),
        ],
        remappings=[
            ("image_raw", images),
            ("camera_info", camera_info_topic(images, value("input_camera_info_topic"))),
            ("imu", value("input_imu_topic")),
            ("depth/image", depth),
            ("depth/camera_info", camera_info_topic(depth, "")),
        ],
        **process_options(value),
    )
    return [node]


def generate_launch_description():
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", LaunchConfiguration("rviz_file")],
        # The RViz file names the topics of the default namespace.
        remappings=[
            ("/lfmvl/image_raw", LaunchConfiguration("input_image_topic")),
            *((f"/lfmvl/{name}", name) for name in SHOWN),
            ("/lfmvl/depth/image", LaunchConfiguration("input_depth_topic")),
        ],
        condition=IfCondition(LaunchConfiguration("use_debug")),
    )
    return LaunchDescription(
        [*arguments(), set_dds_profile(processes=2), OpaqueFunction(function=perception), rviz]
    )
