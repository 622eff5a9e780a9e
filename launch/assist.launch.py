# SPDX-License-Identifier: Apache-2.0
"""Driver assistance: a person in the way of a vehicle will be reached soon (docs/assist.md).

``ros2 launch lfmvl_ros assist.launch.py input_image_topic:=/camera/image_raw model:=DIR``

Without a camera, ``synthetic:=true`` publishes the planned scene of ``make demo SCENE=assist``.
"""

from launch import LaunchDescription

from lfmvl_ros.ros.transport.launching import job_actions, job_arguments, share

# Parameters of camera_node with ``synthetic:=true``.
CAMERA = {"source": "assist", "rate_hz": 15.0}


def arguments():
    return job_arguments(
        share("config", "default.yaml"),
        share("config", "rules", "assist.yaml"),
        query="person",
    )


def generate_launch_description():
    return LaunchDescription([*arguments(), *job_actions(CAMERA, arguments())])
