# SPDX-License-Identifier: Apache-2.0
"""One perception node for several cameras: ``ros2 launch lfmvl_ros multi_camera.launch.py -s``.

Without cameras at hand: ``synthetic:=true model:=bundled query:="person, forklift, tote"``.
An empty argument keeps the value of ``params_file``.
"""

from pathlib import PurePosixPath

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
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


def arguments():
    return [
        DeclareLaunchArgument(
            "namespace", default_value="lfmvl", description="Namespace of nodes, topics, services"
        ),
        DeclareLaunchArgument(
            "cameras",
            default_value="front,left,right,rear",
            description="Names of the cameras, separated by commas; each has its topics below its "
            "name, such as front/image_raw and front/tracks",
        ),
        DeclareLaunchArgument(
            "input_image_topics",
            default_value="",
            description="Camera topics (sensor_msgs/Image) in the order of cameras, separated by "
            "commas; empty: <camera>/image_raw in the namespace. With compressed_input, "
            "'/compressed' is appended",
        ),
        DeclareLaunchArgument(
            "input_imu_topic",
            default_value="",
            description="One gyroscope (sensor_msgs/Imu) for all cameras, subscribed to with "
            "ego_motion.source imu; empty: <camera>/imu",
        ),
        DeclareLaunchArgument(
            "synthetic",
            default_value="false",
            choices=["true", "false"],
            description="Start a synthetic camera (a warehouse) for each name, to try it out",
        ),
        DeclareLaunchArgument(
            "rate_hz",
            default_value="10.0",
            description="Images per second of each synthetic camera",
        ),
        *perception_arguments(share("config", "multi_camera.yaml")),
        *process_arguments(),
    ]


def words(text):
    """Split a text at commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def remappings(cameras, topics, imu=""):
    """Return the remappings from each camera's topic names to those of its driver."""
    if topics and len(topics) != len(cameras):
        raise RuntimeError(
            f"input_image_topics names {len(topics)} topics for {len(cameras)} cameras"
        )
    pairs = []
    for camera, images in zip(cameras, topics, strict=False):  # without topics: none
        beside = str(PurePosixPath(images).with_name("camera_info"))
        pairs += [
            (f"{camera}/image_raw", images),
            (f"{camera}/camera_info", beside),
        ]
    return pairs + [(f"{camera}/imu", imu) for camera in cameras if imu]


def nodes(context):
    def value(name):
        return LaunchConfiguration(name).perform(context)

    cameras = words(value("cameras"))
    perception = LifecycleNode(
        package=PACKAGE,
        executable="perception_node",
        name="perception",
        namespace=value("namespace"),
        parameters=[
            value("params_file"),
            {"cameras": cameras, **overrides(value)},
        ],
        remappings=remappings(
            cameras, words(value("input_image_topics")), value("input_imu_topic")
        ),
        **process_options(value),
    )
    if value("synthetic") != "true":
        return [perception]
    scenes = [
        Node(
            package=PACKAGE,
            executable="camera_node",
            name="camera",
            namespace=f"{value('namespace')}/{camera}",
            # A different scene for each.
            parameters=[
                {
                    "source": "scene",
                    "seed": 7 + number,
                    "rate_hz": float(value("rate_hz")),
                    "frame_id": camera,
                }
            ],
            **process_options(value),
        )
        for number, camera in enumerate(cameras)
    ]
    return [perception, *scenes]


def generate_launch_description():
    # One process each for the node, a viewer and four synthetic cameras.
    return LaunchDescription(
        [*arguments(), set_dds_profile(processes=6), OpaqueFunction(function=nodes)]
    )
