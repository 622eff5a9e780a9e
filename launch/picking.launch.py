# SPDX-License-Identifier: Apache-2.0
"""Picking: what is asked for has a pick pose in time, or a person decides (docs/station.md).

``ros2 launch lfmvl_ros picking.launch.py input_image_topic:=/camera/image_raw model:=DIR``

Without a camera, ``synthetic:=true`` publishes the planned scene of ``make demo SCENE=picking``.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument

from lfmvl_ros.ros.transport.launching import job_actions, job_arguments, share

# Parameters of camera_node with ``synthetic:=true``.
CAMERA = {
    "source": "picking",
    "rate_hz": 10.0,
    "depth_rate_hz": 10.0,
    "world_frame": "base_link",
}


def arguments():
    return [
        *job_arguments(
            share("config", "picking.yaml"),
            share("config", "rules", "picking.yaml"),
            query="red tote, blue tote, green tote, yellow tote, cardboard box, crate, bag, barrel",
        ),
        DeclareLaunchArgument(
            "input_depth_topic",
            default_value="depth/image",
            description="Depth registered to the colour image (sensor_msgs/Image)",
        ),
    ]


def generate_launch_description():
    return LaunchDescription([*arguments(), *job_actions(CAMERA, arguments())])
