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
    """How the model writes its answer."""

    max_new_tokens: int = setting(
        512, "Longest answer; one object is about 29 tokens.", unit="tokens", low=8, high=4096
    )
    temperature: float = setting(
        0.0,
        "0 is greedy: the same frame gives the same boxes. The publisher samples at 0.1.",
        low=0.0,
        high=2.0,
    )
    min_p: float = setting(
        0.15, "With sampling: drop tokens below this share of the likeliest one.", low=0.0, high=1.0
    )
    repetition_penalty: float = setting(
        1.0, "1 is off. The publisher uses 1.05 with sampling.", low=1.0, high=2.0
    )
    timeout_s: float = setting(
        10.0, "An answer still being written after this is cut off.", unit="s", low=0.1, high=600.0
    )
    draft: str = setting(
        "auto",
        "auto: several tokens to a forward pass where the previous answer, its boxes moved by the "
        "tracker, predicts them; the answer is the same. none: one token to a forward pass.",
        choices=("auto", "none"),
        renamed={"off": "none"},
    )
    grammar: str = setting(
        "none",
        "always: only the list that the prompt asks for, with labels of the query, can be "
        "generated. Needs the package xgrammar.",
        choices=("none", "always"),
        renamed={"off": "none", "on": "always"},
    )


@dataclass(frozen=True)
class ImageSettings(Group):
    """The image token budget: what one frame costs."""

    min_tokens: int = setting(
        0,
        "Fewest image tokens a picture is scaled to; 0 keeps the checkpoint's own.",
        low=0,
        high=1024,
        unit="tokens",
    )
    max_tokens: int = setting(
        0,
        "Most image tokens of one picture or tile; 0 keeps the checkpoint's own.",
        low=0,
        high=1024,
        unit="tokens",
    )
    split: str = setting(
        "checkpoint",
        "Cut large pictures into tiles of 512x512 pixels (bundled checkpoint: 256x256).",
        choices=("checkpoint", "always", "never"),
        renamed={"on": "always", "off": "never"},
    )
    max_tiles: int = setting(
        0, "Most tiles when splitting; 0 keeps the checkpoint's own.", low=0, high=64, unit="tiles"
    )
    target_latency_ms: float = setting(
        0.0,
        "Four answers in five are to take no longer than this: image tokens and tiles are lowered "
        "as far as that needs, never below min_tokens. 0 is off.",
        unit="ms",
        low=0.0,
        high=600000.0,
    )


@dataclass(frozen=True)
class TriggerSettings(Group):
    """Which frames the model sees."""

    mode: str = setting(
        "continuous",
        "continuous: the newest frame whenever the model is free; rate: at most max_rate_hz; "
        "on_demand: only when the service ground_once is called.",
        choices=("continuous", "rate", "on_demand"),
    )
    max_rate_hz: float = setting(
        2.0,
        "With mode rate: answers a second at most, of each camera.",
        unit="Hz",
        low=0.01,
        high=60.0,
    )
    max_batch: int = setting(
        4,
        "With several cameras: frames that go to the model together at most, when several wait. 1 "
        "asks about one after the other.",
        low=1,
        high=16,
        unit="frames",
    )


@dataclass(frozen=True)
class ParsingSettings(Group):
    """What of an answer is kept."""

    unknown_labels: str = setting(
        "keep",
        "Objects whose label the query did not name: keep them, or drop them (reported).",
        choices=("keep", "drop"),
    )
    min_score: float = setting(
        0.0, "Detections below this confidence are dropped (reported).", low=0.0, high=1.0
    )


@dataclass(frozen=True)
class TrackerSettings(Group):
    """How boxes become tracks. Life is counted in seconds and answers, not frames."""

    bridge: str = setting(
        "flow",
        "How tracks get from an answer's frame to the newest: flow looks at the pixels of every "
        "frame, predict goes by velocity alone.",
        choices=("flow", "predict"),
    )
    bridge_memory_s: float = setting(
        2.0,
        "Frames kept (small, grey) to replay after a late answer; longer than an answer takes.",
        unit="s",
        low=0.1,
        high=10.0,
    )
    bridge_budget_ms: float = setting(
        4.0,
        "Time that looking at one frame may take; kept by following fewer points.",
        unit="ms",
        low=0.5,
        high=100.0,
    )
    confirm_answers: int = setting(
        2,
        "Answers that must have seen an object before it counts as confirmed.",
        low=1,
        high=10,
        unit="answers",
    )
    max_missed_answers: int = setting(
        3,
        "Answers in a row without an established track that hide it, until it is seen again or "
        "max_coast_s ends it; one seen too seldom to be sure of, or at the image border, ends at "
        "two.",
        low=1,
        high=100,
        unit="answers",
    )
    evidence_spacing_s: float = setting(
        0.1,
        "Answers closer together than this share the weight of one in the two counts above: they "
        "see nearly the same picture.",
        unit="s",
        low=0.01,
        high=10.0,
    )
    max_coast_s: float = setting(
        2.0,
        "Longest time a track lives on prediction alone, or max_missed_answers intervals where "
        "answers are slower.",
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
        "Time in which an unconfirmed velocity fades while coasting.",
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
        0.9995, "Share of true matches that the association gate lets pass.", low=0.5, high=0.9999
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
        "imu: the angular velocity on the topic imu, through the lens of camera_info, moves the "
        "picture. With tracker.bridge predict, boxes keep their bearings while the camera turns; "
        "with flow, pixels are looked for where they have turned to, which counts when that is "
        "fast. imu from the next activation on, none at once.",
        choices=("none", "imu"),
        renamed={"off": "none"},
    )
    mount: str = setting(
        "tf",
        "How the camera's axes lie in those of the IMU. tf: as the static transforms between the "
        "frame_ids of its messages and of the pictures say; given: by the three angles below.",
        choices=("tf", "given"),
    )
    roll_rad: float = setting(
        0.0,
        "With mount given: roll of the camera's optical frame in the frame of the IMU, as in rpy "
        "of a URDF; the same for every camera.",
        unit="rad",
        low=-3.1416,
        high=3.1416,
    )
    pitch_rad: float = setting(
        0.0, "The pitch that belongs to it.", unit="rad", low=-3.1416, high=3.1416
    )
    yaw_rad: float = setting(
        0.0, "The yaw that belongs to it.", unit="rad", low=-3.1416, high=3.1416
    )


@dataclass(frozen=True)
class DiagnosticsSettings(Group):
    """When the node says that something is wrong."""

    camera_stale_s: float = setting(
        1.0, "No frame for this long: WARN.", unit="s", low=0.05, high=600.0
    )
    answer_stale_s: float = setting(
        5.0, "No answer for this long while frames come in: WARN.", unit="s", low=0.1, high=600.0
    )


@dataclass(frozen=True)
class PerceptionSettings(Group):
    """Settings of ``perception_node`` and of the commands that run the same pipeline."""

    model: str = setting(
        "LiquidAI/LFM2.5-VL-450M",
        "Hub id, directory, or name in the catalogue; 'bundled' is the small demonstration "
        "checkpoint that comes with the package; a .jsonl file replays recorded answers. When "
        "this, device or dtype changes, the new model is loaded beside the old one, which answers "
        "until then, and stays if the new one can't be loaded.",
    )
    device: str = setting("auto", "auto, cpu, cuda or cuda:N. auto takes CUDA where there is one.")
    dtype: str = setting(
        "auto",
        "Precision of the weights. auto is bfloat16 on CUDA and float32 on a CPU.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    query: str = setting("person", "What to find, in words, separated by commas.")
    prompt_template: str = setting(
        "checkpoint",
        "How the model is asked: the checkpoint's own way, one of the published templates, or the "
        "card's with a wish for three decimals, which is for checkpoints trained to grant it.",
        choices=("checkpoint", *TEMPLATES),
    )
    autostart: bool = setting(
        True, "Configure and activate by itself when started.", read_only=True
    )
    bond_timeout: float = setting(
        0.0,
        "Heartbeat for Nav2's lifecycle manager, which takes the node for dead after this long "
        "without one. 0 is off; needs the ROS package bondpy. From the next activation on.",
        unit="s",
        low=0.0,
        high=600.0,
    )
    compressed_input: bool = setting(
        False, "Subscribe to image_raw/compressed instead of image_raw.", read_only=True
    )
    cameras: tuple[str, ...] = setting(
        ("",),
        "Names of several cameras that share the model; each has its topics below its name, such "
        "as front/image_raw and front/tracks. One empty name: a single camera without a name.",
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
