# SPDX-License-Identifier: Apache-2.0
"""Settings of the nodes beside perception: the camera and the recorder."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class CameraSettings(Group):
    """Settings of ``camera_node``."""

    source: str = setting(
        "scene",
        "scene: a synthetic warehouse; or a video file, a folder of images, or a V4L2 device such"
        " as /dev/video0.",
        read_only=True,
    )
    width: int = setting(
        640,
        "Image width for scene and V4L2; files keep their own.",
        unit="px",
        low=16,
        high=7680,
        read_only=True,
    )
    height: int = setting(
        480,
        "Image height for scene and V4L2; files keep their own.",
        unit="px",
        low=16,
        high=4320,
        read_only=True,
    )
    rate_hz: float = setting(
        0.0,
        "Frames per second. 0: the source's own rate, or 30 where it has none.",
        unit="Hz",
        low=0.0,
        high=240.0,
        read_only=True,
    )
    loop: bool = setting(True, "Start again when a file or folder ends.", read_only=True)
    seed: int = setting(
        7,
        "Number of the synthetic scene; the same number gives the same scene.",
        low=0,
        high=2**31 - 1,
        read_only=True,
    )
    frame_id: str = setting("camera", "frame_id of the image headers.", read_only=True)
    depth_rate_hz: float = setting(
        15.0,
        "Depth images a second, at most one for each image; while somebody subscribes, with source "
        "scene. Lower it when the machine is too slow.",
        unit="Hz",
        low=0.1,
        high=240.0,
        read_only=True,
    )
    world_frame: str = setting(
        "scene",
        "Frame of the scene: the camera's pose in it is published on /tf, with source scene.",
        read_only=True,
    )
    encoding: str = setting(
        "rgb8",
        "Pixel format of the images that are published.",
        choices=("rgb8", "bgr8", "mono8"),
        read_only=True,
    )
    horizontal_fov_deg: float = setting(
        60.0,
        "Horizontal field of view that camera_info reports for files and devices. Set it to your "
        "lens; scenes know theirs.",
        unit="deg",
        low=1.0,
        high=179.0,
        read_only=True,
    )


@dataclass(frozen=True)
class RecorderSettings(Group):
    """Settings of ``recorder_node``."""

    out: str = setting(
        "out/recording", "Directory for the results; created if it does not exist.", read_only=True
    )
    duration_s: float = setting(
        30.0,
        "How long to record, counted from the first tracks message.",
        unit="s",
        low=0.1,
        high=86400.0,
        read_only=True,
    )
    start_timeout_s: float = setting(
        180.0,
        "How long to wait for the first tracks message. Must be longer than loading the model "
        "takes.",
        unit="s",
        low=0.1,
        high=86400.0,
        read_only=True,
    )
