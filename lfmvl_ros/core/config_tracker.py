# SPDX-License-Identifier: Apache-2.0
"""Settings of the tracker, and of the camera's rotation that it may use."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class TrackerSettings(Group):
    """How boxes become tracks. Times are in seconds and answers, never in frames."""

    bridge: str = setting(
        "flow",
        "How tracks move between answers. flow: optical flow measures the motion in every frame; "
        "predict: by their velocity only. Choose predict if CPU time is short.",
        choices=("flow", "predict"),
    )
    follower: str = setting(
        "flow",
        "With bridge flow: what else follows the objects that flow may lose. flow: nothing; nano: "
        "the ONNX files in ~/.local/share/lfmvl_ros/nanotrack (docs/tracking.md); else the path "
        "of a folder with a backbone and a head for OpenCV's TrackerNano. Set it if boxes leave "
        "objects that turn or change shape; raise bridge_budget_ms with it.",
    )
    bridge_memory_s: float = setting(
        2.0,
        "How long small copies of the frames are kept, to move a late answer to the newest "
        "frame. Must be longer than an answer takes.",
        unit="s",
        low=0.1,
        high=10.0,
    )
    bridge_budget_ms: float = setting(
        4.0,
        "Limit of the CPU time per frame for optical flow; fewer points are tracked to stay "
        "within it, and a follower gets what is left. Raise it if many boxes lag and the CPU has "
        "time to spare.",
        unit="ms",
        low=0.5,
        high=100.0,
    )
    confirm_answers: int = setting(
        2,
        "A track is confirmed once this many answers contain its object. Raise it if false "
        "objects appear, lower it to 1 to react sooner.",
        low=1,
        high=10,
        unit="answers",
    )
    confirm_confidence: float = setting(
        0.5,
        "A track is confirmed only if the mean confidence of its boxes is at least this; "
        "applies only to calibrated confidences. Raise it if false objects appear, lower it "
        "if real ones stay tentative.",
        low=0.0,
        high=1.0,
    )
    max_missed_answers: int = setting(
        3,
        "A confirmed track is hidden after this many answers in a row without its object, and "
        "ends after max_coast_s. A track seen only a few times, or at the image border, ends "
        "after two such answers. Raise it if boxes flicker, lower it if they linger.",
        low=1,
        high=100,
        unit="answers",
    )
    evidence_spacing_s: float = setting(
        0.1,
        "Answers closer together than this count as one for confirm_answers and "
        "max_missed_answers, because they see nearly the same image. Lower it if objects pass "
        "through the image in less time.",
        unit="s",
        low=0.01,
        high=10.0,
    )
    max_coast_s: float = setting(
        2.0,
        "How long a track lives without being seen; or max_missed_answers times the interval "
        "between answers, if that is longer. Raise it if objects are often occluded.",
        unit="s",
        low=0.1,
        high=60.0,
    )
    acceleration: float = setting(
        0.4,
        "Process noise: how much a velocity changes in one second, in box sizes per second; with "
        "bridge flow, 2.5 times this is used. Raise it if boxes lag behind objects that start or "
        "turn, lower it if boxes shake.",
        low=0.01,
        high=100.0,
        unit="1/s^1.5",
    )
    noise_adaptation: float = setting(
        0.2,
        "How fast the process noise adapts to the motion of each object; 0 keeps it fixed. "
        "Lower it if boxes become restless after one sudden move.",
        low=0.0,
        high=1.0,
    )
    velocity_decay_s: float = setting(
        2.0,
        "Time constant with which the velocity of a track decays while it is not seen. Lower "
        "it if lost boxes drift away.",
        unit="s",
        low=0.05,
        high=60.0,
    )
    box_jitter: float = setting(
        0.05,
        "Standard deviation of the model's box centres from answer to answer, in box sizes; "
        "twice as much for the sides. It is only the starting point, since jitter is learned. "
        "Raise it if boxes shake although nothing moves.",
        low=0.0,
        high=0.5,
    )
    gate_probability: float = setting(
        0.9995,
        "Size of the association gate, as the fraction of correct matches that lie within it. "
        "Lower it if ids jump between neighbours, raise it if objects get new ids.",
        low=0.5,
        high=0.9999,
    )
    reorder_window_s: float = setting(
        2.0,
        "An image whose stamp is older than the newest by up to this is late, and dropped; one "
        "that is older by more means that time has jumped back, and tracking restarts. Raise it "
        "if tracking restarts because the network delays images by more than this.",
        unit="s",
        low=0.0,
        high=30.0,
    )


@dataclass(frozen=True)
class EgoMotionSettings(Group):
    """The camera's own rotation, where the robot measures it."""

    source: str = setting(
        "none",
        "imu: use the angular velocity on the topic imu and the intrinsics in camera_info. "
        "Set it if the camera turns fast: with tracker.bridge predict, boxes follow its "
        "rotation; with flow, fast turns no longer lose them. imu takes effect at the next "
        "activation, none immediately.",
        choices=("none", "imu"),
        renamed={"off": "none"},
    )
    mount: str = setting(
        "tf",
        "Where the orientation of the camera relative to the IMU comes from. tf: static "
        "transforms between the frame_ids of image and IMU messages; given: the three angles "
        "below. Choose given if the robot publishes no such transforms.",
        choices=("tf", "given"),
    )
    roll_rad: float = setting(
        0.0,
        "With mount given: roll of the camera's optical frame in the IMU's frame, as in the "
        "rpy of a URDF. The same for every camera.",
        unit="rad",
        low=-3.1416,
        high=3.1416,
    )
    pitch_rad: float = setting(
        0.0,
        "With mount given: pitch of the camera's optical frame in the IMU's frame.",
        unit="rad",
        low=-3.1416,
        high=3.1416,
    )
    yaw_rad: float = setting(
        0.0,
        "With mount given: yaw of the camera's optical frame in the IMU's frame.",
        unit="rad",
        low=-3.1416,
        high=3.1416,
    )
