# SPDX-License-Identifier: Apache-2.0
"""Every setting of the package, once.

ROS parameters, YAML files, command-line flags and the table in the documentation are all made from
the dataclasses in this file and, for the nodes beside perception, in ``config_camera.py``; a test
fails when one of them drifts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lfmvl_ros.core.config_camera import CameraSettings, RecorderSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import TEMPLATES
from lfmvl_ros.core.settings import Group, setting

__all__ = [
    "CameraSettings",
    "DiagnosticsSettings",
    "EgoMotionSettings",
    "GenerationSettings",
    "ImageSettings",
    "ParsingSettings",
    "PerceptionSettings",
    "RecorderSettings",
    "TrackerSettings",
    "TriggerSettings",
]

# What ROS takes for a relative topic name.
_CAMERA_NAME = re.compile(r"[A-Za-z]\w*(/[A-Za-z]\w*)*", re.ASCII)


@dataclass(frozen=True)
class GenerationSettings(Group):
    """How the model generates its answer."""

    max_new_tokens: int = setting(
        512,
        "Longest answer; an object takes about 29 tokens. Raise it when answers with many objects"
        " come back as truncated.",
        unit="tokens",
        low=8,
        high=4096,
    )
    temperature: float = setting(
        0.0,
        "0 is greedy decoding: the same frame always gives the same boxes. Raise it (the "
        "publisher samples at 0.1) only if a checkpoint repeats itself.",
        low=0.0,
        high=2.0,
    )
    min_p: float = setting(
        0.15,
        "Only with sampling (temperature above 0): tokens below this share of the most likely "
        "token's probability are never chosen.",
        low=0.0,
        high=1.0,
    )
    repetition_penalty: float = setting(
        1.0,
        "1 is off. Raise it (the publisher uses 1.05 with sampling) when a checkpoint names the "
        "same object over and over.",
        low=1.0,
        high=2.0,
    )
    timeout_s: float = setting(
        10.0,
        "An answer that takes longer is cut off; what it named until then counts. Raise it on a "
        "slow machine that reports timeouts.",
        unit="s",
        low=0.1,
        high=600.0,
    )
    draft: str = setting(
        "auto",
        "auto: when the previous answer, with its boxes moved by the tracker, predicts the next "
        "tokens, several are checked in one forward pass; faster, and the answer is the same. "
        "none: one token per forward pass, for comparison.",
        choices=("auto", "none"),
        renamed={"off": "none"},
    )
    grammar: str = setting(
        "none",
        "always: only the list that the prompt asks for, with labels of the query, can be "
        "generated. For checkpoints that often answer in another form; needs the package "
        "xgrammar.",
        choices=("none", "always"),
        renamed={"off": "none", "on": "always"},
    )


@dataclass(frozen=True)
class ImageSettings(Group):
    """How large an image the model sees: more image tokens show smaller objects and take longer."""

    min_tokens: int = setting(
        0,
        "Smaller images are enlarged to at least this many image tokens; 0 keeps the checkpoint's"
        " own. Raise it when small images miss objects.",
        low=0,
        high=1024,
        unit="tokens",
    )
    max_tokens: int = setting(
        0,
        "Images (or tiles) are shrunk to at most this many image tokens; 0 keeps the checkpoint's"
        " own. Lower it for faster answers, raise it for small objects.",
        low=0,
        high=1024,
        unit="tokens",
    )
    split: str = setting(
        "checkpoint",
        "Cut large images into tiles of 512x512 pixels (bundled checkpoint: 256x256). always: for"
        " small objects in large images, at the price of slower answers.",
        choices=("checkpoint", "always", "never"),
        renamed={"on": "always", "off": "never"},
    )
    max_tiles: int = setting(
        0,
        "Most tiles when splitting; 0 keeps the checkpoint's own. Lower it for faster answers.",
        low=0,
        high=64,
        unit="tiles",
    )
    target_latency_ms: float = setting(
        0.0,
        "Shrink images as far as needed, but not below min_tokens, so that four answers out of "
        "five take no longer than this. 0 is off. Set it when a robot needs answers at a steady "
        "rate.",
        unit="ms",
        low=0.0,
        high=600000.0,
    )


@dataclass(frozen=True)
class TriggerSettings(Group):
    """Which frames the model sees."""

    mode: str = setting(
        "continuous",
        "continuous: the newest frame whenever the model is free; rate: at most max_rate_hz, to "
        "save power; on_demand: only when the service ground_once is called.",
        choices=("continuous", "rate", "on_demand"),
    )
    max_rate_hz: float = setting(
        2.0,
        "With mode rate: most answers per second for each camera.",
        unit="Hz",
        low=0.01,
        high=60.0,
    )
    max_batch: int = setting(
        4,
        "With several cameras: most frames that go to the model in one call when several wait. "
        "Lower it when memory is short; 1 asks about one frame after the other.",
        low=1,
        high=16,
        unit="frames",
    )


@dataclass(frozen=True)
class ParsingSettings(Group):
    """Which parts of an answer are used."""

    unknown_labels: str = setting(
        "keep",
        "Objects whose label is not in the query: keep them, or drop them. Dropped ones are "
        "listed in the topic grounding.",
        choices=("keep", "drop"),
    )
    min_score: float = setting(
        0.0,
        "Detections with a lower confidence are dropped and listed in the topic grounding. Raise "
        "it when false objects appear, lower it when objects are missed.",
        low=0.0,
        high=1.0,
    )


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


@dataclass(frozen=True)
class DiagnosticsSettings(Group):
    """When diagnostics warn."""

    camera_stale_s: float = setting(
        1.0,
        "Warn when no frame has come for this long. Raise it for cameras below 2 Hz.",
        unit="s",
        low=0.05,
        high=600.0,
    )
    answer_stale_s: float = setting(
        5.0,
        "Warn when frames come but no answer has for this long. Raise it when an answer takes "
        "longer than that.",
        unit="s",
        low=0.1,
        high=600.0,
    )


@dataclass(frozen=True)
class PerceptionSettings(Group):
    """Settings of ``perception_node`` and of the commands that run the same pipeline."""

    model: str = setting(
        "LiquidAI/LFM2.5-VL-450M",
        "Hub id, directory, or catalogue name of a checkpoint; 'bundled' is the small "
        "demonstration checkpoint in this package; a .jsonl file replays recorded answers. When "
        "model, device or dtype change at run time, the new model is loaded while the old one "
        "goes on answering; if loading fails, the old one stays.",
    )
    device: str = setting("auto", "auto, cpu, cuda or cuda:N. auto uses CUDA where available.")
    dtype: str = setting(
        "auto",
        "Precision of the weights. auto: bfloat16 on CUDA, float32 on a CPU. Choose bfloat16 or "
        "float16 when memory is short.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    query: str = setting("person", "What to find, in words, separated by commas.")
    prompt_template: str = setting(
        "checkpoint",
        "How the query is put to the model. checkpoint: the checkpoint's own prompt; the others "
        "are published prompts, for comparison; card_3_decimals asks for three decimals, for "
        "checkpoints trained for that.",
        choices=("checkpoint", *TEMPLATES),
    )
    autostart: bool = setting(
        True,
        "Configure and activate at start. Set it to false when a lifecycle manager (such as "
        "Nav2's) does that.",
        read_only=True,
    )
    bond_timeout: float = setting(
        0.0,
        "Send a heartbeat to Nav2's lifecycle manager, which considers the node dead after this "
        "long without one; set the same value there. 0 is off. Needs the ROS package bondpy; "
        "takes effect at the next activation.",
        unit="s",
        low=0.0,
        high=600.0,
    )
    compressed_input: bool = setting(
        False,
        "Subscribe to image_raw/compressed instead of image_raw; for cameras on another machine.",
        read_only=True,
    )
    cameras: tuple[str, ...] = setting(
        ("",),
        "Names of several cameras that share one model. Each has its own topics below its name, "
        "such as front/image_raw and front/tracks. A single empty name means one camera without a"
        " name.",
        read_only=True,
    )
    generation: GenerationSettings = field(default_factory=GenerationSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    parsing: ParsingSettings = field(default_factory=ParsingSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    ego_motion: EgoMotionSettings = field(default_factory=EgoMotionSettings)
    diagnostics: DiagnosticsSettings = field(default_factory=DiagnosticsSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cameras:  # an empty list has no type of its own in ROS: this is what it means
            object.__setattr__(self, "cameras", ("",))
        wrong = [name for name in self.cameras if not _CAMERA_NAME.fullmatch(name)]
        if wrong and self.cameras != ("",):
            raise UserError(
                f"cameras: {wrong[0]!r} can't be part of a topic name; use letters, digits and _, "
                "beginning with a letter, and / between parts"
            )
        if len(set(self.cameras)) != len(self.cameras):
            raise UserError(f"cameras: each name once, got {', '.join(self.cameras)}")

    @property
    def model_key(self) -> tuple[str, str, str]:
        """What has to be loaded anew when it changes: model, device, dtype."""
        return self.model, self.device, self.dtype
