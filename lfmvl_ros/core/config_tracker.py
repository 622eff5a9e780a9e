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
        "How tracks move between answers. flow: with the pixels of every frame; predict: with "
        "their velocity alone, for when CPU time is short.",
        choices=("flow", "predict"),
    )
    bridge_memory_s: float = setting(
        2.0,
        "How long small grey copies of frames are kept to catch up with a late answer. Must be "
        "longer than an answer takes.",
        unit="s",
        low=0.1,
        high=10.0,
    )
    bridge_budget_ms: float = setting(
        4.0,
        "CPU time per frame for following pixels; fewer points are followed to keep it. Raise it "
        "when many boxes lag on a fast machine.",
        unit="ms",
        low=0.5,
        high=100.0,
    )
    confirm_answers: int = setting(
        2,
        "An object is confirmed after this many answers have named it. Raise it against false "
        "objects, lower it to 1 to react sooner.",
        low=1,
        high=10,
        unit="answers",
    )
    confirm_confidence: float = setting(
        0.5,
        "An object is confirmed only if the calibrated confidence of its boxes, averaged over "
        "answers, is at least this; confidences of other kinds are not asked. Raise it against "
        "false objects, lower it when right ones stay tentative.",
        low=0.0,
        high=1.0,
    )
    max_missed_answers: int = setting(
        3,
        "A confirmed track is hidden after this many answers in a row without it, and ends after "
        "max_coast_s; one seen too rarely to be certain, or at the image border, ends after two. "
        "Raise it when boxes flicker, lower it when they linger.",
        low=1,
        high=100,
        unit="answers",
    )
    evidence_spacing_s: float = setting(
        0.1,
        "Answers closer together than this count as one in the two settings above, because they "
        "see nearly the same image.",
        unit="s",
        low=0.01,
        high=10.0,
    )
    max_coast_s: float = setting(
        2.0,
        "Longest time a track lives without being seen, or max_missed_answers intervals where "
        "answers are slower. Raise it when objects are often occluded.",
        unit="s",
        low=0.1,
        high=60.0,
    )
    acceleration: float = setting(
        1.0,
        "Process noise: how far a velocity strays in one second, in box sizes a second.",
        low=0.01,
        high=100.0,
        unit="1/s^1.5",
    )
    noise_adaptation: float = setting(
        0.2,
        "How fast process noise follows what each object really does; 0 keeps it fixed.",
        low=0.0,
        high=1.0,
    )
    velocity_decay_s: float = setting(
        2.0,
        "Time in which the velocity of a track that is no longer seen fades. Lower it when lost "
        "boxes drift away.",
        unit="s",
        low=0.05,
        high=60.0,
    )
    box_jitter: float = setting(
        0.03,
        "How much the model's box centres waver from answer to answer, in box sizes; the sides "
        "waver twice as much.",
        low=0.0,
        high=0.5,
    )
    gate_probability: float = setting(
        0.9995,
        "Share of true matches that association accepts. Lower it when ids jump between "
        "neighbours, raise it when objects get new ids.",
        low=0.5,
        high=0.9999,
    )
    reorder_window_s: float = setting(
        2.0,
        "How late images and answers may come: late images are dropped, late answers applied at "
        "their time. Anything older restarts tracking. Raise it for a network that delays more.",
        unit="s",
        low=0.0,
        high=30.0,
    )


@dataclass(frozen=True)
class EgoMotionSettings(Group):
    """The camera's own rotation, where the robot measures it."""

    source: str = setting(
        "none",
        "imu: use the angular velocity on the topic imu and the lens in camera_info. With "
        "tracker.bridge predict, boxes follow the camera's rotation; with flow, fast turns no "
        "longer lose them. imu takes effect at the next activation, none at once.",
        choices=("none", "imu"),
        renamed={"off": "none"},
    )
    mount: str = setting(
        "tf",
        "Where the orientation of the camera relative to the IMU comes from. tf: static "
        "transforms between the frame_ids of image and IMU messages; given: the three angles "
        "below.",
        choices=("tf", "given"),
    )
    roll_rad: float = setting(
        0.0,
        "With mount given: roll of the camera's optical frame in the frame of the IMU, as in the "
        "rpy of a URDF. The same for every camera.",
        unit="rad",
        low=-3.1416,
        high=3.1416,
    )
    pitch_rad: float = setting(
        0.0, "With mount given: pitch, likewise.", unit="rad", low=-3.1416, high=3.1416
    )
    yaw_rad: float = setting(
        0.0, "With mount given: yaw, likewise.", unit="rad", low=-3.1416, high=3.1416
    )
