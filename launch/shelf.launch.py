# SPDX-License-Identifier: Apache-2.0
"""Shelf monitoring: which places are empty, which hold something else (docs/shelf.md).

``ros2 launch lfmvl_ros shelf.launch.py input_image_topic:=/camera/image_raw model:=DIR``

Without a camera, ``synthetic:=true`` publishes the planned scene of ``make demo SCENE=shelf``.
"""

from launch import LaunchDescription

from lfmvl_ros.ros.transport.launching import job_actions, job_arguments, share

# Parameters of camera_node with ``synthetic:=true``.
CAMERA = {"source": "shelf", "rate_hz": 10.0}


def arguments():
    return job_arguments(
        share("config", "default.yaml"),
        share("config", "rules", "shelf.yaml"),
        query="tote, crate, barrel",
    )


def generate_launch_description():
    return LaunchDescription([*arguments(), *job_actions(CAMERA, arguments())])
