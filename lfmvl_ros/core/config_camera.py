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
        "Where images come from. scene: a synthetic warehouse; shelf, assist, picking: planned "
        "scenes of these jobs; otherwise a video file, a folder of images, or a V4L2 device such "
        "as /dev/video0.",
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
        "Frames per second. 0 uses the source's own rate or, for a video, its own timestamps (a "
        "time lapse then plays as slowly as it was taken); 30 if there is none. Lower it on a slow "
        "machine.",
        unit="Hz",
        low=0.0,
        high=240.0,
        read_only=True,
    )
    loop: bool = setting(
        True,
        "Start again when a file or folder ends. Set it to false to publish it once.",
        read_only=True,
    )
    seed: int = setting(
        7,
        "Random seed of the synthetic scene; the same number always gives the same scene.",
        low=0,
        high=2**31 - 1,
        read_only=True,
    )
    frame_id: str = setting(
        "camera",
        "frame_id of the image headers. Set it to the name of your camera's optical frame.",
        read_only=True,
    )
    depth_rate_hz: float = setting(
        15.0,
        "With source scene: depth images per second, at most one per image, while somebody "
        "subscribes. Lower it on a slow machine.",
        unit="Hz",
        low=0.1,
        high=240.0,
        read_only=True,
    )
    world_frame: str = setting(
        "scene",
        "With source scene: frame of the scene; /tf has the camera's pose in it.",
        read_only=True,
    )
    encoding: str = setting(
        "rgb8",
        "Pixel format of the published images. Change it to test how a subscriber handles "
        "another one.",
        choices=("rgb8", "bgr8", "mono8"),
        read_only=True,
    )
    horizontal_fov_deg: float = setting(
        60.0,
        "Horizontal field of view, from which camera_info is computed for files and devices; "
        "scenes have their own. Set it to that of your lens.",
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
        "How long to wait for the first tracks message. Raise it if the model takes longer to "
        "load.",
        unit="s",
        low=0.1,
        high=86400.0,
        read_only=True,
    )
